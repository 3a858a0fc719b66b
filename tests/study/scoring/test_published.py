"""AUNCE's printed numbers from the per-fold F1 and accuracy of its public logs, aggregated both ways by our code.

The logs name F1 and accuracy of every AU and fold in percent, two digits. With the number of test frames they give the
counts: of n frames (1 - accuracy) n are wrong, and F1 = 2 tp / (2 tp + wrong). The logs do not say how the wrong ones
divide into false alarms and misses, which F1 does not depend on.
"""

import numpy as np
import pytest

from data.dataset import FOLD_NUMBERS
from model.metrics import accuracy, f1
from study.scoring.bootstrap import Draws, Resampled

# https://github.com/Ziqiao-Shang/AUNCE, results/Graphau_<dataset>_swin_nce_step_<fold>/linear_test.log
BP4D_F1 = (
    (56.95, 49.57, 61.73, 81.29, 73.75, 87.27, 91.07, 65.83, 54.64, 62.92, 47.95, 51.23),
    (59.38, 44.64, 60.47, 77.34, 81.94, 84.65, 88.15, 66.59, 61.15, 69.44, 51.83, 60.13),
    (44.40, 55.36, 62.58, 76.53, 80.67, 82.12, 89.51, 69.64, 49.82, 63.81, 53.03, 62.65),
)
BP4D_ACCURACY = (
    (75.11, 75.01, 80.95, 80.70, 73.92, 83.56, 89.05, 61.42, 86.03, 73.89, 82.28, 84.98),
    (81.05, 85.73, 83.20, 80.09, 79.61, 82.43, 87.40, 67.41, 84.80, 74.20, 80.56, 85.05),
    (77.64, 84.77, 83.37, 79.06, 77.80, 77.00, 88.17, 71.28, 84.32, 77.99, 83.90, 88.75),
)
DISFA_F1 = (
    (58.12, 50.51, 68.01, 35.96, 52.94, 71.30, 91.07, 70.49),
    (51.97, 66.02, 76.44, 59.46, 42.70, 76.18, 95.44, 62.67),
    (75.40, 60.16, 80.20, 53.53, 72.99, 73.15, 89.88, 59.56),
)
DISFA_ACCURACY = (
    (93.76, 92.50, 88.45, 88.22, 94.94, 91.30, 95.23, 96.81),
    (96.03, 98.62, 92.65, 93.46, 97.08, 91.56, 97.27, 93.23),
    (98.28, 98.07, 94.88, 94.54, 98.17, 94.64, 94.85, 89.44),
)
FRAMES = {  # coded frames of the parts
    "bp4d": {"part1": 50_631, "part2": 50_182, "part3": 46_034},
    "disfa": {"part1": 43_604, "part2": 43_605, "part3": 43_605},
}
LOGS = {"bp4d": (BP4D_F1, BP4D_ACCURACY), "disfa": (DISFA_F1, DISFA_ACCURACY)}


def counts_of(dataset: str) -> dict[str, np.ndarray]:
    """Counts [A, 4] by the part that was tested on; AUNCE's fold 1 tests on part 3."""
    scores, accuracies = (np.array(log) / 100 for log in LOGS[dataset])
    at = {part: int(FOLD_NUMBERS[part]["AUNCE"]) - 1 for part in FRAMES[dataset]}
    return {part: counts(scores[at[part]], accuracies[at[part]], FRAMES[dataset][part]) for part in at}


def counts(scores: np.ndarray, accuracies: np.ndarray, frames: int) -> np.ndarray:
    wrong = (1 - accuracies) * frames
    tp = scores * wrong / (2 * (1 - scores))
    return np.stack([tp, wrong, np.zeros_like(tp), frames - tp - wrong], axis=-1)


def percent(draws: Draws) -> float:
    return 100 * float(draws.point.mean())


@pytest.mark.parametrize(("dataset", "mean_of_folds", "pooled"), [("bp4d", 66.11, 66.33), ("disfa", 66.42, 65.47)])
def test_mean_of_folds_and_pooled(dataset: str, mean_of_folds: float, pooled: float) -> None:
    observed = {part: found[None] for part, found in counts_of(dataset).items()}  # one seed
    numbers = Resampled(observed, {part: found[None] for part, found in observed.items()})
    assert percent(numbers.mean_of_folds(f1)) == pytest.approx(mean_of_folds, abs=0.005)
    assert percent(numbers.pooled(f1)) == pytest.approx(pooled, abs=0.005)


def test_pooled_disfa_au_by_au() -> None:
    pooled = f1(np.sum([*counts_of("disfa").values()], axis=0))
    np.testing.assert_allclose(100 * pooled, [60.4, 55.1, 74.2, 48.6, 56.6, 73.7, 92.3, 62.7], atol=0.05)


@pytest.mark.parametrize("dataset", LOGS)
def test_the_counts_are_those_of_the_logs(dataset: str) -> None:
    found = counts_of(dataset)
    printed_f1, printed_accuracy = LOGS[dataset]
    for number, part in enumerate(("part3", "part2", "part1")):
        np.testing.assert_allclose(100 * f1(found[part]), printed_f1[number])
        np.testing.assert_allclose(100 * accuracy(found[part]), printed_accuracy[number])
    assert sum(round(part[0].sum()) for part in found.values()) == {"bp4d": 146_847, "disfa": 130_814}[dataset]
