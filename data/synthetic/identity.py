"""Who a synthetic face belongs to: shape, colours and how strongly and evenly each AU shows."""

import torch
from torch import Tensor

from data.aus import AU_NAMES
from data.seeds import generator

Traits = dict[str, Tensor]  # per-face numbers: [N], or [N, 3] for colours, [N, A] for AUs

AUS = tuple(AU_NAMES)

# Lengths in canonical units (see canvas.py): the lowest and the highest value.
SHAPE: dict[str, tuple[float, float]] = {
    "face_width": (0.58, 0.67),
    "face_height": (0.80, 0.87),
    "jaw": (0.04, 0.26),
    "eye_x": (0.250, 0.290),
    "eye_y": (-0.165, -0.115),
    "eye_width": (0.112, 0.140),
    "eye_height": (0.052, 0.072),
    "eye_tilt": (-0.012, 0.026),
    "hooded": (0.0, 1.0),
    "iris_size": (0.046, 0.054),
    "brow_gap": (0.135, 0.175),
    "brow_length": (0.135, 0.165),
    "brow_thickness": (0.016, 0.034),
    "brow_arch": (0.012, 0.042),
    "brow_density": (0.65, 0.95),
    "nose_y": (0.165, 0.225),
    "nose_width": (0.085, 0.122),
    "nose_bridge": (0.6, 1.3),
    "mouth_y": (0.435, 0.480),
    "mouth_width": (0.195, 0.240),
    "mouth_curve": (-0.026, 0.002),
    "upper_lip": (0.026, 0.044),
    "lower_lip": (0.036, 0.056),
    "cupid": (0.12, 0.42),
    "hairline": (-0.60, -0.47),
    "hair_volume": (0.03, 0.17),
    "parting": (-0.5, 0.5),
    "fringe": (0.0, 0.10),
}
SKINS = ((0.97, 0.83, 0.74), (0.92, 0.73, 0.61), (0.79, 0.58, 0.44), (0.60, 0.41, 0.30), (0.40, 0.26, 0.19))
HAIRS = ((0.09, 0.07, 0.07), (0.24, 0.15, 0.10), (0.42, 0.27, 0.16), (0.74, 0.57, 0.34), (0.56, 0.55, 0.56),
         (0.50, 0.22, 0.11))  # fmt: skip
HAIR_CHANCE = (0.34, 0.28, 0.15, 0.10, 0.06, 0.07)
IRISES = ((0.24, 0.13, 0.07), (0.40, 0.26, 0.11), (0.28, 0.44, 0.58), (0.31, 0.44, 0.28))
IRIS_CHANCE = (0.45, 0.22, 0.20, 0.13)
SHIRTS = ((0.25, 0.32, 0.45), (0.55, 0.22, 0.22), (0.30, 0.42, 0.33), (0.62, 0.60, 0.58), (0.20, 0.20, 0.24))


def identity(*names: object) -> Traits:
    """One person, decided by the names; every entry has a leading dimension of 1."""
    named = generator("identity", *names)
    traits = {name: _uniform(named, low, high) for name, (low, high) in SHAPE.items()}
    traits |= _colours(named) | _extras(named)
    traits["expressivity"] = _uniform(named, 0.85, 1.15, len(AUS)).unsqueeze(0)
    traits["asymmetry"] = _uniform(named, -0.15, 0.15, len(AUS)).unsqueeze(0)
    # drawn last: what is added later must not change the people of older trees
    traits["texture"] = torch.randint(0, 1 << 20, (1,), generator=named)
    return traits


def repeat(traits: Traits, count: int) -> Traits:
    """The same person `count` times."""
    return {name: values.expand(count, *values.shape[1:]) for name, values in traits.items()}


def gather(people: list[Traits]) -> Traits:
    """Several people as one batch."""
    return {name: torch.cat([person[name] for person in people]) for name in people[0]}


def _uniform(named: torch.Generator, low: float, high: float, count: int = 1) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=named)


def _chance(named: torch.Generator, probability: float) -> Tensor:
    return (torch.rand(1, generator=named) < probability).float()


def _choice(named: torch.Generator, options: tuple[tuple[float, ...], ...], chance: tuple[float, ...]) -> Tensor:
    picked = torch.multinomial(torch.tensor(chance), 1, generator=named)
    return torch.tensor(options)[picked]


def _colours(named: torch.Generator) -> Traits:
    skin = _skin(named)
    rosy = _uniform(named, -0.06, 0.06)
    return {
        "skin": skin,
        "lip": (skin * torch.tensor([0.86, 0.60, 0.60]) + rosy * torch.tensor([1.0, -0.3, -0.2])).clamp(0.08, 1),
        "hair": _choice(named, HAIRS, HAIR_CHANCE),
        "iris": _choice(named, IRISES, IRIS_CHANCE),
        "shirt": _choice(named, SHIRTS, (0.2,) * len(SHIRTS)),
    }


def _skin(named: torch.Generator) -> Tensor:
    scale = torch.tensor(SKINS)
    position = _uniform(named, 0, len(SKINS) - 1.001)  # below the last, which has no neighbour to mix with
    below = int(position)
    share = position - below
    warmth = _uniform(named, -1, 1) * torch.tensor([0.02, 0.0, -0.03])
    return ((1 - share) * scale[below] + share * scale[below + 1] + warmth).unsqueeze(0)


def _extras(named: torch.Generator) -> Traits:
    """Long hair, beard, freckles, glasses and the lines of age: mostly absent."""
    beard_kind = _uniform(named, 0, 1)
    long_hair = (beard_kind > 0.5).float()  # whoever has long hair has no beard
    return {
        "long": long_hair * _chance(named, 0.8),
        "beard": (beard_kind < 0.2).float() * _uniform(named, 0.35, 0.85),
        "freckles": _chance(named, 0.25) * _uniform(named, 0.3, 1.0),
        "glasses": _chance(named, 0.14),
        "lashes": 0.55 + 0.45 * long_hair,
        "age": 0.45 * _uniform(named, 0, 1) ** 2,
    }
