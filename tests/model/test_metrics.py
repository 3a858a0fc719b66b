import math
from collections.abc import Callable

import numpy as np
import pytest

from data.seeds import numpy_generator
from model.metrics import (
    BINS,
    accuracy,
    always_positive_f1,
    auc,
    balanced_accuracy,
    count_predictions,
    f1,
    lift,
    mcc,
    mean_defined,
    objective_value,
    precision,
    rarest_third,
    ratio,
    recall,
    score_predictions,
)
from tests.model import oracles

AUS = (1, 4, 12)


def predictions(seed: int, frames: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities on a coarse grid (so with ties and values equal to 0.5), labels and subjects."""
    rng = numpy_generator("metrics", seed)
    probabilities = rng.integers(0, 41, (frames, len(AUS))).astype(np.float32) / 40
    labels = rng.integers(-1, 2, (frames, len(AUS))).astype(np.int8)
    subjects = np.array(["S2", "S10", "S1"])[rng.integers(0, 3, frames)]
    return probabilities, labels, subjects


@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.0, 1.1])
@pytest.mark.parametrize("seed", range(3))
def test_counts_equal_the_loops(seed: int, threshold: float) -> None:
    probabilities, labels, subjects = predictions(seed)
    score = score_predictions(probabilities, labels, subjects.tolist(), AUS, threshold)
    assert score.subjects == ("S1", "S10", "S2")
    assert score.aus == AUS
    assert score.counts.dtype == score.histogram.dtype == np.int64
    for s, subject in enumerate(score.subjects):
        mine = subjects == subject
        for a in range(len(AUS)):
            expected = oracles.confusion(probabilities[mine, a], labels[mine, a], threshold)
            assert score.counts[s, a].tolist() == expected
    assert score.counts.sum() == score.histogram.sum() == (labels >= 0).sum()


def test_a_tie_with_the_threshold_is_positive() -> None:
    score = score_predictions(np.array([[0.5], [0.4999]]), np.array([[1], [1]]), ["a", "a"], (1,))
    assert score.counts.tolist() == [[[1, 0, 1, 0]]]


def test_nan_is_refused() -> None:
    probabilities = np.full((4, 2), 0.5)
    probabilities[1, 0] = probabilities[3, 1] = math.nan
    with pytest.raises(ValueError, match="2 frames have a NaN probability"):
        score_predictions(probabilities, np.ones((4, 2)), ["a"] * 4, (1, 2))


def test_the_histogram_holds_each_label_at_its_probability() -> None:
    probabilities = np.array([[0.0], [1.0], [0.5], [0.004], [0.005], [0.9]])
    labels = np.array([[0], [1], [1], [0], [0], [-1]])
    (histogram,) = score_predictions(probabilities, labels, ["a"] * 6, (1,)).histogram
    inactive, active = (np.nonzero(row)[0].tolist() for row in histogram)
    assert (inactive, active) == ([0, 1], [BINS // 2, BINS - 1])
    assert histogram[0, 0] == 2


@pytest.mark.parametrize("seed", range(3))
def test_f1_and_always_positive_follow_their_definitions(seed: int) -> None:
    counts = numpy_generator("f1", seed).integers(0, 9, (4, 3, 4))
    for value, baseline, (tp, fp, fn, tn) in zip(
        f1(counts).ravel(), always_positive_f1(counts).ravel(), counts.reshape(-1, 4).tolist(), strict=True
    ):
        if not tp + fn:
            assert np.isnan(value)
            assert np.isnan(baseline)
            continue
        precision, recall = tp / max(tp + fp, 1), tp / (tp + fn)
        assert value == pytest.approx(2 * precision * recall / (precision + recall) if tp else 0.0)
        rate = (tp + fn) / (tp + fp + fn + tn)
        assert baseline == pytest.approx(2 * rate / (rate + 1))


def test_undefined_is_nan_and_left_out_of_the_mean() -> None:
    counts = np.array([[0, 0, 0, 9], [0, 3, 0, 0], [0, 0, 0, 0], [3, 1, 1, 5]])
    np.testing.assert_array_equal(f1(counts), [np.nan, np.nan, np.nan, 0.75])
    np.testing.assert_array_equal(always_positive_f1(counts), [np.nan, np.nan, np.nan, 4 / 7])
    assert mean_defined(f1(counts)) == pytest.approx(0.75)
    assert mean_defined(np.array([np.nan, np.nan])) == 0


def test_each_au_has_its_own_threshold() -> None:
    probabilities, labels, _ = predictions(1)
    person, thresholds = np.arange(60) % 4, np.array([0.2, 0.5, 0.9])
    counts = count_predictions(probabilities, labels, person, thresholds)
    for s in range(4):
        for a in range(3):
            mine = person == s
            assert counts[s, a].tolist() == oracles.confusion(probabilities[mine, a], labels[mine, a], thresholds[a])


def test_a_threshold_is_not_rounded_to_the_probabilities() -> None:
    """A float32 probability is positive at exactly its own value, and negative at the next larger float64 threshold."""
    p = np.array([[0.1]], np.float32)
    one = np.ones((1, 1), int)
    for threshold, found in ((np.float64(np.float32(0.1)), 1), (np.nextafter(np.float64(np.float32(0.1)), 1), 0)):
        counts = count_predictions(p, one, np.zeros(1, int), np.array([threshold]))
        assert counts[0, 0, 0] == found


# tp, fp, fn, tn; nothing coded, nothing active, all active, nothing predicted, everything predicted, and a usual case
CASES = np.array([[0, 0, 0, 0], [0, 3, 0, 5], [4, 0, 2, 0], [0, 0, 2, 6], [2, 6, 0, 0], [3, 1, 2, 4]])
NAN = np.nan
Metric = Callable[[np.ndarray], np.ndarray]
UNDEFINED: dict[Metric, list[float]] = {  # by case
    f1: [NAN, NAN, 8 / 10, 0, 4 / 10, 6 / 9],
    precision: [NAN, NAN, 1, NAN, 2 / 8, 3 / 4],
    recall: [NAN, NAN, 4 / 6, 0, 1, 3 / 5],
    accuracy: [NAN, 5 / 8, 4 / 6, 6 / 8, 2 / 8, 7 / 10],
    balanced_accuracy: [NAN, NAN, NAN, 0.5, 0.5, (3 / 5 + 4 / 5) / 2],
    mcc: [NAN, NAN, NAN, 0, 0, (3 * 4 - 1 * 2) / np.sqrt(4 * 5 * 5 * 6)],
    always_positive_f1: [NAN, NAN, 1, 4 / 10, 4 / 10, 10 / 15],
    lift: [NAN, NAN, 8 / 10 - 1, -4 / 10, 0, 0],
}


@pytest.mark.parametrize("metric", UNDEFINED, ids=lambda metric: metric.__name__)
def test_zero_division(metric: Metric) -> None:
    np.testing.assert_allclose(metric(CASES), UNDEFINED[metric], atol=1e-15)
    np.testing.assert_allclose(metric(CASES.astype(float) / 7), UNDEFINED[metric], atol=1e-15)
    assert metric(CASES.reshape(2, 3, 4)).shape == (2, 3)


def test_large_counts_do_not_overflow() -> None:
    large = np.array([2_000_000, 500_000, 100_000, 2_400_000])
    assert mcc(large) == pytest.approx(mcc(large / 1e5), abs=1e-12)


def test_a_ratio_broadcasts() -> None:
    np.testing.assert_array_equal(ratio(np.array([[1], [4]]), np.array([2, 0])), [[0.5, NAN], [2, NAN]])


@pytest.mark.parametrize("seed", range(4))
def test_auc_is_the_rank_auc_up_to_ties_within_a_bin(seed: int) -> None:
    rng = numpy_generator("auc", seed)
    labels = rng.integers(-1, 2, (300, 3))
    probabilities = 1 / (1 + np.exp(-3 * (labels - 0.5) * rng.random(3) - rng.normal(size=(300, 3))))
    score = score_predictions(probabilities, labels, ["a"] * 300, AUS)
    inactive, active = score.histogram[:, 0], score.histogram[:, 1]
    bound = (inactive * active).sum(1) / (inactive.sum(1) * active.sum(1)) / 2
    exact = [oracles.rank_auc(probabilities[:, a], labels[:, a]) for a in range(3)]
    assert (np.abs(auc(score.histogram) - exact) <= bound + 1e-12).all()
    assert bound.max() < 2 / BINS
    assert max(exact) - min(exact) > 0.05


def test_auc_is_exact_where_bins_hold_one_value() -> None:
    rng = numpy_generator("auc", 9)
    probabilities = (rng.integers(0, BINS, (200, 1)) + 0.5) / BINS
    labels = rng.integers(0, 2, (200, 1))
    histogram = score_predictions(probabilities, labels, ["a"] * 200, (1,)).histogram
    assert auc(histogram)[0] == pytest.approx(oracles.rank_auc(probabilities[:, 0], labels[:, 0]), abs=1e-12)


def test_auc_of_extremes() -> None:
    labels = np.array([[0, 1, 1, 1]] * 5 + [[1, 0, 0, 1]] * 5)
    probabilities = np.array([[0.1, 0.1, 0.3, 0.2]] * 5 + [[0.8, 0.8, 0.3, 0.2]] * 5)
    histogram = score_predictions(probabilities, labels, ["a"] * 10, (1, 2, 4, 6)).histogram
    np.testing.assert_array_equal(auc(histogram), [1, 0, 0.5, np.nan])


RARE = np.array([[30, 20, 0, 0], [5, 45, 0, 0], [20, 30, 0, 0], [3, 47, 0, 0], [40, 10, 0, 0], [12, 38, 0, 0]])


@pytest.mark.parametrize(("aus", "expected"), [(2, [1]), (3, [1]), (5, [3]), (6, [1, 3])])
def test_at_least_one_au_is_rare(aus: int, expected: list[int]) -> None:
    assert rarest_third(RARE[:aus]).tolist() == expected


def test_an_au_that_is_not_coded_is_not_rare() -> None:
    counts = RARE.copy()
    counts[1] = 0
    assert rarest_third(counts).tolist() == [3, 5]


def test_the_objective_is_the_mean_of_the_pooled_metric() -> None:
    probabilities, labels, subjects = predictions(5)
    score = score_predictions(probabilities, labels, subjects.tolist(), AUS)
    pooled = [oracles.confusion(probabilities[:, a], labels[:, a], 0.5) for a in range(3)]
    expected = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn, _ in pooled]
    assert objective_value(score, "f1") == pytest.approx(sum(expected) / 3)
    assert objective_value(score, "auc") == pytest.approx(auc(score.histogram).mean())
    with pytest.raises(AssertionError):
        objective_value(score, "accuracy")
