"""Time courses of the action units: smooth, with the base rates of a dataset and the usual company of each AU.

Each AU follows a Gaussian process in time. Its tail probability q says how rare the momentary value is; an AU with
base rate r is active while q < r, and the rarer the value, the higher the intensity. Base rates therefore hold
exactly in expectation, correlated processes make AUs appear together, and smooth processes rise, peak and fall.
"""

import numpy as np
import torch
from torch import Tensor

from data.catalog import CATALOG
from data.seeds import generator
from data.synthetic.identity import AUS
from data.synthetic.style import smooth_noise

# Share of frames in which an AU is active, where no label statistics are published: plausible guesses.
GUESSED: dict[str, dict[int, float]] = {
    "bp4d": {5: 0.04, 9: 0.06, 20: 0.03, 25: 0.30, 26: 0.12},
    "disfa": {5: 0.02, 7: 0.10, 10: 0.04, 14: 0.05, 15: 0.03, 17: 0.05, 20: 0.02, 23: 0.03, 24: 0.03},
    "gft": {1: 0.09, 2: 0.12, 4: 0.07, 5: 0.03, 6: 0.29, 7: 0.35, 9: 0.03, 10: 0.25, 12: 0.30, 14: 0.35, 15: 0.11,
            17: 0.25, 20: 0.02, 23: 0.22, 24: 0.14, 25: 0.35, 26: 0.12},
    "affwild2": {1: 0.14, 2: 0.08, 4: 0.16, 5: 0.04, 6: 0.25, 7: 0.38, 9: 0.03, 10: 0.32, 12: 0.24, 14: 0.08,
                 15: 0.05, 17: 0.10, 20: 0.03, 23: 0.06, 24: 0.06, 25: 0.55, 26: 0.12},
}  # fmt: skip
RATES = {layout: {**guessed, **CATALOG[layout].rates} for layout, guessed in GUESSED.items()}
COMPANY: dict[tuple[int, int], float] = {
    (1, 2): 0.60, (1, 4): 0.10, (1, 5): 0.25, (2, 5): 0.30, (4, 7): 0.35, (4, 9): 0.35, (6, 7): 0.35, (6, 10): 0.30,
    (6, 12): 0.60, (7, 10): 0.20, (9, 10): 0.30, (10, 12): 0.30, (12, 14): 0.10, (12, 15): -0.30, (12, 17): -0.15,
    (12, 25): 0.20, (15, 17): 0.50, (17, 23): 0.20, (17, 24): 0.30, (20, 25): 0.20, (23, 24): 0.30, (23, 25): -0.40,
    (24, 25): -0.50, (24, 26): -0.40, (23, 26): -0.30, (25, 26): 0.45,
}  # fmt: skip
ACTIVE_AT = {layout: CATALOG[layout].threshold or 1 for layout in GUESSED}  # lowest intensity that counts as active

# Intensity at multiples of the base rate: q / r = 0 is the rarest moment, 1 the edge of activity.
COURSES: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    1: ((0.0, 0.5, 0.9, 1.0, 1.1), (5.0, 3.7, 2.2, 0.5, 0.0)),
    2: ((0.0, 0.5, 0.9, 1.0, 1.4, 1.5), (5.0, 3.9, 2.6, 1.5, 0.5, 0.0)),
}
TEMPO = 4.0  # frames over which an intensity is correlated
SHARES = (0.84, 0.09, 0.07)  # of the variance: within a sequence, between subjects, between sequences


def intensities(layout: str, frames: int, seed: int, subject: str, sequence: str) -> Tensor:
    """[frames, A] continuous intensities 0 to 5 of one recording, AUs in the order of `identity.AUS`."""
    return at_rarity(layout, rarities(layout, frames, seed, subject, sequence))


def at_rarity(layout: str, rarity: Tensor) -> Tensor:
    """Intensities for tail probabilities `rarity` [frames, A] in the datasets' base rates."""
    rates = torch.tensor([RATES[layout][au] for au in AUS], dtype=torch.float64)
    places, values = COURSES[ACTIVE_AT[layout]]
    return torch.from_numpy(np.interp((rarity / rates).numpy(), places, values)).float()


def rarities(layout: str, frames: int, seed: int, subject: str, sequence: str) -> Tensor:
    """[frames, A] tail probabilities of one recording: uniform over all recordings, smooth in time."""
    course = generator("actions", layout, seed, subject, sequence)
    person = generator("habits", layout, seed, subject)
    parts = (
        smooth_noise(len(AUS), frames, TEMPO, course),
        torch.randn(len(AUS), 1, generator=person),
        torch.randn(len(AUS), 1, generator=course),
    )
    mixed = sum((share**0.5 * part for share, part in zip(SHARES, parts, strict=True)), torch.zeros(()))
    rarity: Tensor = torch.special.ndtr(-(_mixing() @ mixed.double())).T
    return rarity


def codes(intensity: Tensor) -> np.ndarray:
    """The whole numbers 0 to 5 that a coder writes down for continuous intensities."""
    return (intensity + 0.5).floor().to(torch.int64).numpy()


def flip(coded: np.ndarray, layout: str, share: float, *names: object) -> np.ndarray:
    """`coded` with the occurrence of a random `share` of the entries turned round: active to 0, inactive to 3."""
    turned = torch.rand(coded.shape, generator=generator("label noise", layout, *names)).numpy() < share
    wrong = np.where(coded >= ACTIVE_AT[layout], 0, 3)
    return np.where(turned, wrong, coded)


def _mixing() -> Tensor:
    """[A, A] matrix that gives independent unit noises the correlations of COMPANY."""
    correlation = torch.eye(len(AUS), dtype=torch.float64)
    for (a, b), value in COMPANY.items():
        i, j = AUS.index(a), AUS.index(b)
        correlation[i, j] = correlation[j, i] = value
    factor: Tensor = torch.linalg.cholesky(correlation)
    return factor
