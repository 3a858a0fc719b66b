"""The variance from training against plain loops, and what it is made of against known components."""

import math

import numpy as np
import pytest

from data.seeds import numpy_generator
from study.scoring.bootstrap import standard_error, subject_weights
from study.scoring.training import Runs, seed_variance, strata, training_variance


def plain_variance(values: list[float]) -> float:
    """Squared standard error of a mean over runs."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)


def test_the_variance_of_a_sum_of_means_is_the_one_of_plain_loops() -> None:
    values = numpy_generator("runs").random((2, 3, 4, 5))  # [R, T, K, C]
    values[:, 1, 3] = math.nan  # a fold with fewer runs
    found = seed_variance(values)
    for r in range(2):
        for c in range(5):
            expected = sum(plain_variance([v for v in values[r, t, :, c].tolist() if v == v]) for t in range(3))
            assert found[r, c] == pytest.approx(expected)


def test_a_single_run_leaves_it_unknown_and_an_absent_stratum_adds_nothing() -> None:
    values = np.array([[[0.1], [0.3]], [[0.2], [math.nan]], [[math.nan], [math.nan]]])  # [T, K, 1]
    assert np.isnan(seed_variance(values)[0])
    assert seed_variance(values[[0, 2]])[0] == pytest.approx(plain_variance([0.1, 0.3]))


@pytest.mark.parametrize("spanning", [False, True])
def test_runs_add_up_to_the_mean_over_runs_groups_and_parts(spanning: bool) -> None:
    values = numpy_generator("strata").random((2, 3, 2, 4))  # [P, G, K, A]
    values[0, :, :, 1] = math.nan  # an AU that does not occur in the first part
    values[1, 2, :, 2] = math.nan
    found = strata(values, spanning)
    assert found.shape == ((3, 2, 4) if spanning else (6, 2, 4))
    for au in range(4):
        by_part = []
        for part in values[..., au].tolist():
            groups = [sum(runs) / 2 for runs in part if all(run == run for run in runs)]
            by_part += [sum(groups) / len(groups)] if groups else []
        assert np.nansum(found.mean(axis=-2)[:, au]) == pytest.approx(sum(by_part) / len(by_part))


def test_detectors_of_all_parts_vary_together() -> None:
    """One detector on two parts has the variance of its mean over them, two detectors that of two independent ones."""
    values = numpy_generator("together").random((2, 1, 5, 1))
    together, apart = (float(seed_variance(strata(values, spanning))[0]) for spanning in (True, False))
    assert together == pytest.approx(plain_variance((values[0, 0, :, 0] + values[1, 0, :, 0]).tolist()) / 4)
    assert apart == pytest.approx(sum(plain_variance(part[0, :, 0].tolist()) for part in values) / 4)


def simulated(rng: np.random.Generator, people: int, runs: int, sds: tuple[float, float, float]) -> tuple[float, float]:
    """Squared standard error that is found, and squared error, of a mean with known components.

    The sds are those of people, of runs, and of each run on each person; the truth is 0.
    """
    person, run, both = (
        rng.normal(0, sd, size) for sd, size in zip(sds, [(1, people), (runs, 1), (runs, people)], strict=True)
    )
    scores = person + run + both  # [K, S]
    weights = subject_weights(people, rng, replicates=200) / people
    drawn = weights @ scores.T  # [R, K]
    trained = (Runs(scores.mean(axis=1)[None, :, None], drawn[:, None, :, None]),)
    found = standard_error(float(scores.mean()), drawn.mean(axis=1), people, trained=trained, column=0)
    assert found is not None
    return found.error**2, float(scores.mean()) ** 2


@pytest.mark.parametrize("sds", [(1.0, 1.0, 1.0), (1.0, 0.3, 1.0), (0.2, 1.0, 0.5)])
def test_the_standard_error_is_that_of_people_and_runs_together(sds: tuple[float, float, float]) -> None:
    rng = numpy_generator("components", *map(str, sds))
    found, true = np.mean([simulated(rng, 12, 4, sds) for _ in range(600)], axis=0)
    expected = sds[0] ** 2 / 12 + sds[1] ** 2 / 4 + sds[2] ** 2 / 48
    assert found == pytest.approx(expected, rel=0.12)
    assert true == pytest.approx(expected, rel=0.25)


def test_what_people_explain_of_the_spread_over_runs_is_not_counted_twice() -> None:
    """Runs that differ in single answers alone: the bootstrap over people contains all of it."""
    rng = numpy_generator("explained")
    found = np.mean([simulated(rng, 12, 4, (0.0, 0.0, 1.0))[0] for _ in range(600)])
    assert found == pytest.approx(1 / 48, rel=0.3), "once; counted twice it would be 1 / 24"


def test_two_methods_add_their_variances_with_welch_satterthwaite_freedom() -> None:
    rng = numpy_generator("welch")
    methods = [Runs(rng.normal(0, sd, (3, 4, 1)), np.zeros((50, 3, 4, 1))) for sd in (1.0, 3.0)]
    one, other = (training_variance((runs,), 0, 1.0) for runs in methods)
    both = training_variance(tuple(methods), 0, 1.0)
    assert one.freedom == pytest.approx(9)
    assert both.spread == pytest.approx(one.spread + other.spread)
    assert both.freedom == pytest.approx(both.spread**2 / (one.spread**2 / 9 + other.spread**2 / 9))
    assert both.beyond >= both.spread, "nothing in the replicates explains it"


def test_more_chance_in_training_means_a_wider_interval() -> None:
    drawn = np.linspace(0.4, 0.6, 101)
    alone = standard_error(0.5, drawn, 12, 3)
    runs = [
        Runs(np.array([0.1, 0.1 + sd, 0.1 - sd])[None, :, None], np.full((101, 1, 3, 1), 0.1)) for sd in (0.01, 0.2)
    ]
    little, much = (standard_error(0.5, drawn, 12, 3, (one,), 0) for one in runs)
    assert alone
    assert little
    assert much
    widths = [one.interval[1] - one.interval[0] for one in (alone, little, much)]
    assert widths == sorted(widths)
    assert len({*widths}) == 3
