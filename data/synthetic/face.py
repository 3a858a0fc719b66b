"""Where the parts of a face are, given the person and the action units."""

from dataclasses import dataclass

import torch
from torch import Tensor

from data.synthetic.canvas import Canvas, column
from data.synthetic.identity import AUS, Traits

FULL = 5.0  # FACS intensity E
GAMMA = 0.8  # weak actions show more than in proportion, so that intensity 2 is visible at 64 pixels


@dataclass(frozen=True)
class Face:
    """A batch of faces while it is drawn; numbers are [2N, 1, 1], one a half (see canvas.py)."""

    canvas: Canvas
    t: dict[str, Tensor]  # traits of the person
    pose: dict[str, Tensor]
    look: dict[str, Tensor]
    colour: dict[str, Tensor]  # [2N, 3]
    act: dict[int, Tensor]  # strength of each AU, 0 to about 1.1, on this half
    mid: dict[int, Tensor]  # the mean of both halves, for what crosses the midline
    side: Tensor  # +1 on the right half of the picture, -1 on the left half
    tiles: Tensor  # [N] which noise tiles the person's skin and hair use
    spot: dict[str, Tensor]  # positions and sizes after the actions


def make_face(canvas: Canvas, who: Traits, intensity: Tensor, pose: Traits, look: Traits) -> Face:
    """`intensity` [N, A] is on the FACS scale 0 to 5, in the order of `identity.AUS`."""
    strength = (intensity / FULL).clamp(0, 1) ** GAMMA * who["expressivity"]
    lean = 1 + who["asymmetry"]  # nobody smiles evenly
    halves = torch.cat([strength * lean, strength * (2 - lean)])
    act = {au: halves[:, i].view(-1, 1, 1) for i, au in enumerate(AUS)}
    mid = {au: column(strength[:, i]) for i, au in enumerate(AUS)}
    t = _scalars(who)
    return Face(
        canvas=canvas,
        t=t,
        pose=_scalars(pose),
        look=_scalars(look),
        colour={name: values.repeat(2, 1) for name, values in who.items() if values.shape[1:] == (3,)},
        act=act,
        mid=mid,
        side=_signs(len(intensity)),
        tiles=who["texture"],
        spot=_spots(t, act, mid),
    )


def _signs(count: int) -> Tensor:
    return torch.tensor([1.0, -1.0]).repeat_interleave(count).view(-1, 1, 1)


def _scalars(traits: Traits) -> dict[str, Tensor]:
    floats = {name: values for name, values in traits.items() if values.dim() == 1 and values.is_floating_point()}
    return {name: column(values) for name, values in floats.items()}


def _spots(t: dict[str, Tensor], act: dict[int, Tensor], mid: dict[int, Tensor]) -> dict[str, Tensor]:
    return _chin(mid) | _brow(t, act) | _eye(t, act) | _nose(t, mid) | _mouth(t, act, mid)


def _chin(mid: dict[int, Tensor]) -> dict[str, Tensor]:
    return {"jaw_drop": (0.10 * mid[26] + 0.012 * mid[25] - 0.022 * mid[17]).clamp(min=-0.03)}


def _brow(t: dict[str, Tensor], act: dict[int, Tensor]) -> dict[str, Tensor]:
    """Heights of the brow's inner end, arch and outer end."""
    rest = t["eye_y"] - t["brow_gap"]
    return {
        "brow_rest": rest,
        "brow_inner": rest - 0.095 * act[1] - 0.012 * act[2] + 0.078 * act[4] + 0.030 * act[9] - 0.012 * act[5],
        "brow_arch": rest
        - t["brow_arch"]
        - (0.040 * act[1] + 0.075 * act[2] - 0.066 * act[4] - 0.012 * act[9] + 0.014 * act[5]),
        "brow_outer": rest + 0.014 + 0.006 * act[1] - 0.110 * act[2] + 0.042 * act[4] - 0.008 * act[5],
        "brow_x": t["eye_x"] + 0.012 - 0.040 * act[4],
    }


def _eye(t: dict[str, Tensor], act: dict[int, Tensor]) -> dict[str, Tensor]:
    """How far the lids stand from the line between the eye's corners."""
    raised = 0.10 * torch.maximum(act[1], act[2]) + 0.55 * act[5]
    narrowed = 0.36 * act[7] + 0.16 * act[6] + 0.14 * act[9] + 0.10 * act[4]
    risen = 0.80 * act[7] + 0.50 * act[6] + 0.22 * act[9] - 0.12 * act[5]
    return {
        "lid_up": t["eye_height"] * (1 + raised - narrowed).clamp(min=0.25),
        "lid_down": 0.72 * t["eye_height"] * (1 - risen).clamp(min=0.02),
    }


def _nose(t: dict[str, Tensor], mid: dict[int, Tensor]) -> dict[str, Tensor]:
    return {
        "nose_y": t["nose_y"] - 0.042 * mid[9] - 0.014 * mid[10],
        "nose_width": t["nose_width"] * (1 + 0.20 * mid[9] + 0.10 * mid[10] + 0.06 * mid[12]),
    }


def _mouth(t: dict[str, Tensor], act: dict[int, Tensor], mid: dict[int, Tensor]) -> dict[str, Tensor]:
    gap = (0.046 * mid[25] + 0.150 * mid[26] + 0.012 * mid[10]) * (1 - 0.6 * mid[24]).clamp(min=0.1)
    thin = 0.46 * mid[23] + 0.70 * mid[24] + 0.14 * mid[12] + 0.10 * mid[14] + 0.22 * mid[20]
    wider = 0.24 * mid[12] + 0.07 * mid[14] + 0.02 * mid[15] + 0.32 * mid[20] + 0.04 * mid[24]
    # a pucker (AU23) against a stretch (AU20, AU12): where both are, the stronger one shows
    narrower = 0.40 * mid[23] + 0.10 * mid[17] + 0.10 * mid[26]
    return {
        "mouth_y": t["mouth_y"] - 0.012 * mid[12] - 0.034 * mid[17] + 0.014 * mid[26] - 0.008 * mid[10],
        "mouth_width": t["mouth_width"] * (1 + wider - narrower).clamp(min=0.5),
        "corner": t["mouth_curve"] - 0.100 * act[12] + 0.088 * act[15] - 0.010 * act[14] + 0.016 * act[20],
        "arch": 0.030 * mid[17],
        "gap": gap.clamp(min=0),
        "upper_lip": t["upper_lip"] * (1 - thin + 0.12 * mid[17] + 0.10 * mid[10]).clamp(min=0.14),
        "lower_lip": t["lower_lip"] * (1 - thin + 0.22 * mid[17] - 0.12 * mid[26]).clamp(min=0.14),
    }
