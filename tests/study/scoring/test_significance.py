"""Differences of paired scores against plain loops, scipy and worked examples."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from data.seeds import numpy_generator
from model.metrics import f1
from study.scoring.bootstrap import Floats, standard_error, student_quantile, subject_weights
from study.scoring.significance import Difference, against_zero, holm, student_p

Overall = tuple[float, Floats]


def difference(a: Overall, b: Overall, subjects: int, parts: int = 1) -> Difference:
    """Of two scores whose replicates drew the same subjects."""
    value, replicates = a[0] - b[0], a[1] - b[1]
    return against_zero(value, standard_error(value, replicates, subjects, parts))


def mean_score(by_subject: np.ndarray, weights: np.ndarray) -> Overall:
    """The mean over subjects, and that of every replicate."""
    return float(by_subject.mean()), weights @ by_subject / weights.sum(axis=1)


def test_a_difference_is_the_one_of_plain_loops() -> None:
    rng = numpy_generator("paired")
    one, other = rng.random((2, 7))
    weights = subject_weights(7, rng, replicates=50)
    found = difference(mean_score(one, weights), mean_score(other, weights), subjects=7)
    drawn = []
    for times in weights:
        people = [person for person in range(7) for _ in range(int(times[person]))]
        drawn.append(sum(one[p] for p in people) / 7 - sum(other[p] for p in people) / 7)
    assert found.value == pytest.approx(sum(one) / 7 - sum(other) / 7, abs=1e-12)
    middle = sum(drawn) / 50
    error = math.sqrt(sum((d - middle) ** 2 for d in drawn) / 49 * 7 / 6)
    centre = found.value - (middle - found.value)
    assert found.low == pytest.approx(centre - reference.t.ppf(0.975, 6) * error, abs=1e-8)
    assert found.p == pytest.approx(2 * reference.t.sf(abs(centre / error), 6), abs=1e-8)


def test_of_a_mean_over_subjects_it_is_the_paired_t_test() -> None:
    rng = numpy_generator("paired t")
    one = rng.random(12)
    other = one + rng.normal(0.1, 0.2, 12)
    weights = subject_weights(12, rng, replicates=100_000)
    found = difference(mean_score(one, weights), mean_score(other, weights), subjects=12)
    assert found.p == pytest.approx(reference.ttest_rel(one, other).pvalue, rel=0.03)


def test_the_share_of_false_alarms_is_the_level() -> None:
    """Two equal methods, 12 people, 1,000 draws of them: about 5 % of the p-values are below 0.05."""
    rng = numpy_generator("false alarms")
    weights = subject_weights(12, rng, replicates=400)
    pairs = rng.beta(2, 2, (1000, 2, 12))
    found = [difference(mean_score(a, weights), mean_score(b, weights), 12).p for a, b in pairs]
    assert 0.03 <= np.mean(np.array(found) < 0.05) <= 0.07


def test_the_share_of_false_alarms_of_f1_is_the_level_too() -> None:
    """Two detectors that differ from person to person and not on the whole; F1 is no mean over people."""
    rng, alarms = numpy_generator("false alarms of f1"), []
    weights = np.vstack([np.ones(12), subject_weights(12, rng, replicates=200)])
    for _ in range(400):
        active = rng.binomial(200, rng.beta(1.2, 6, (12, 5)))
        scores: list[Overall] = []
        for sensitivity, false_alarms in zip(rng.beta(6, 3, (2, 12, 5)), rng.beta(2, 14, (2, 12, 5)), strict=True):
            tp, fp = rng.binomial(active, sensitivity), rng.binomial(200 - active, false_alarms)
            counts = np.stack([tp, fp, active - tp, 200 - active - fp], axis=-1).astype(float)
            drawn = f1(np.tensordot(weights, counts, axes=1)).mean(axis=1)
            scores.append((float(drawn[0]), drawn[1:]))
        one, other = scores
        alarms.append(difference(one, other, subjects=12).p < 0.05)
    assert 0.02 <= np.mean(alarms) <= 0.09


def test_the_p_value_is_below_the_level_where_the_interval_leaves_out_no_difference() -> None:
    rng = numpy_generator("duality")
    weights = subject_weights(9, rng, replicates=300)
    found = [
        difference(mean_score(rng.random(9) + shift, weights), mean_score(rng.random(9), weights), 9)
        for shift in np.linspace(0, 0.6, 60)
    ]
    assert {one.p < 0.05 for one in found} == {True, False}
    assert all((one.p < 0.05) == (one.low > 0 or one.high < 0) for one in found)


def test_nothing_to_resample_is_undefined_and_equal_methods_do_not_differ() -> None:
    constant = 0.5, np.full(9, 0.5)
    assert difference(constant, constant, subjects=5).p == 1.0
    alone = difference((0.7, np.full(9, 0.7)), constant, subjects=1)
    assert alone.value == pytest.approx(0.2)
    assert math.isnan(alone.low)
    assert math.isnan(alone.p)
    assert math.isnan(difference((0.7, np.full(9, 0.7)), constant, subjects=5).p)
    assert math.isnan(difference((math.nan, np.full(9, math.nan)), constant, subjects=5).p)
    assert math.isnan(difference((0.7, np.arange(9.0)), constant, subjects=3, parts=3).p)


def test_no_difference_is_beyond_1() -> None:
    """Two people tell little: without its ends at -1 and 1 the interval would be several times as long."""
    found = difference((0.9, np.array([0.8, 1.0, 0.9])), (0.1, np.array([0.2, 0.0, 0.1])), subjects=2)
    assert (found.low, found.high) == (-1.0, 1.0)
    assert 0.05 < found.p < 1


def test_holm_is_the_worked_example() -> None:
    """Of 0.01, 0.04, 0.03 and 0.005: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04, which may not come below 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_does_not_count_what_is_undefined() -> None:
    corrected = holm([math.nan, 0.02, 0.5])
    assert math.isnan(corrected[0])
    assert corrected[1:] == pytest.approx([0.04, 0.5])


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 38, 57, 400])
def test_p_values_and_quantiles_of_students_t(freedom: int) -> None:
    for t in (0.0, 0.3, 1.0, 2.2, 7.0):
        assert student_p(t, freedom) == pytest.approx(2 * reference.t.sf(t, freedom), abs=1e-12)
        assert student_p(-t, freedom) == student_p(t, freedom)
    for level in (0.5, 0.95, 0.999):
        assert student_quantile(freedom, level) == pytest.approx(reference.t.ppf((1 + level) / 2, freedom), rel=1e-7)


def test_a_tiny_p_value_is_not_0() -> None:
    assert student_p(40.0, 57) == pytest.approx(2 * reference.t.sf(40.0, 57), rel=1e-9, abs=0)
