"""Threshold rules against every threshold there is."""

import numpy as np
import pytest

from data.seeds import numpy_generator
from study.scoring.thresholds import best_threshold, fixed_thresholds, tuned_thresholds
from tests.study.predicted import AUS, predicted


def plain_f1(p: np.ndarray, y: np.ndarray, threshold: float) -> float:
    said, coded = p >= threshold, y >= 0
    tp, wrong = ((y == 1) & said).sum(), (((y == 1) != said) & coded).sum()
    return 2 * tp / (2 * tp + wrong) if tp else 0.0


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_is_better_and_no_equal_one_nearer(seed: int) -> None:
    rng = numpy_generator("thresholds", seed)
    p, y = rng.integers(0, 21, 40).astype(np.float32) / 20, rng.integers(-1, 2, 40)
    chosen = best_threshold(p, y)
    best = plain_f1(p, y, chosen)
    for threshold in [*p[y >= 0], 0.5]:
        found = plain_f1(p, y, threshold)
        assert found <= best
        assert found < best or abs(threshold - 0.5) >= abs(chosen - 0.5)


def test_known_cases() -> None:
    p = np.array([0.1, 0.2, 0.3, 0.9], np.float32)
    assert best_threshold(p, np.array([0, 0, 1, 1])) == np.float32(0.3)
    assert best_threshold(p, np.array([0, 0, 0, 1])) == 0.5, "from 0.31 to 0.9 all are equal"
    assert best_threshold(p, np.array([1, 1, 1, 1])) == np.float32(0.1)
    assert best_threshold(p, np.array([0, 0, 0, 0])) == 0.5
    assert best_threshold(p, np.array([-1, -1, -1, -1])) == 0.5
    assert best_threshold(p - 0.1, np.array([-1, 0, 1, -1])) == np.float32(0.3) - np.float32(0.1), "not coded: not used"


def test_of_two_equally_near_the_lower() -> None:
    p, y = np.array([0.25, 0.25, 0.25, 0.75]), np.array([1, 0, 0, 1])
    assert plain_f1(p, y, 0.25) == plain_f1(p, y, 0.75)
    assert best_threshold(p, y) == 0.5, "0.5 lets the same through as 0.75"
    assert best_threshold(np.array([0.25, 0.25, 0.25, 0.5, 0.75]), np.array([1, 1, -1, 0, 1])) == 0.25


def test_each_au_has_its_own() -> None:
    made = predicted("t", ["F1", "F2", "F3"])
    tuned = tuned_thresholds(made)
    assert tuned.tolist() == [best_threshold(made.probabilities[:, at], made.labels[:, at]) for at in range(3)]
    assert len({*tuned}) > 1
    assert fixed_thresholds(AUS).tolist() == [0.5] * 3
