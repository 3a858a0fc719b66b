"""The components of the variance, against plain loops and simulations with known components."""

import math

import numpy as np
import pytest
from scipy.stats import chi2

from data.seeds import numpy_generator
from study.experiments.variance import Spread, partition_spread, people_spread, seed_spread
from study.scoring.bootstrap import Floats


def random_scores(seed: int, partitions: int = 4, folds: int = 3, seeds: int = 3) -> Floats:
    drawn: Floats = numpy_generator("variance", seed).normal(0.6, 0.05, (partitions, folds, seeds))
    return drawn


def plain_variance(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def plain_seed_variance(scores: Floats) -> float:
    """Of the sum over folds, each trained with one seed."""
    by_partition = [math.fsum(plain_variance(seeds) for seeds in partition) for partition in scores.tolist()]
    return math.fsum(by_partition) / len(by_partition)


@pytest.mark.parametrize("seed", range(5))
def test_the_components_are_those_of_plain_loops(seed: int) -> None:
    scores = random_scores(seed) + numpy_generator("shift", seed).normal(0, 0.1, (4, 1, 1))
    of_seeds = plain_seed_variance(scores)
    assert seed_spread(scores).value == pytest.approx(math.sqrt(of_seeds), rel=1e-12)
    means = [math.fsum(math.fsum(seeds) / 3 for seeds in partition) for partition in scores.tolist()]
    expected = plain_variance(means) - of_seeds / 3
    assert partition_spread(scores).value == pytest.approx(math.sqrt(expected), rel=1e-12)


def test_the_interval_of_a_variance() -> None:
    scores = random_scores(1)
    found = seed_spread(scores)
    freedom = 4 * 3 * 2
    for end, tail in ((found.low, 0.975), (found.high, 0.025)):
        assert end == pytest.approx(found.value * math.sqrt(freedom / chi2(freedom).ppf(tail)), rel=1e-9)


def test_seeds_that_explain_the_partitions_leave_nothing() -> None:
    scores = np.array([[[0.4, 0.6], [0.6, 0.4]], [[0.6, 0.4], [0.4, 0.6]]])
    found = partition_spread(scores)
    assert (found.value, found.low) == (0.0, 0.0)


def test_one_seed_has_no_component_of_its_own() -> None:
    scores = random_scores(2, seeds=1)
    assert all(math.isnan(one) for one in vars(seed_spread(scores)).values())
    found, means = partition_spread(scores), scores.sum(axis=(1, 2))
    assert found.value == pytest.approx(means.std(ddof=1))
    assert found.high == pytest.approx(found.value * math.sqrt(3 / chi2(3).ppf(0.025)))


def test_one_partition_has_no_spread() -> None:
    assert all(math.isnan(one) for one in vars(partition_spread(random_scores(3, partitions=1))).values())


def test_people_are_no_more_certain_with_more_partitions() -> None:
    few, many = (people_spread(np.full(number, 0.0016), 10) for number in (2, 20))
    assert few == many
    assert few.value == pytest.approx(0.04)
    assert few.high == pytest.approx(0.04 * math.sqrt(10 / chi2(10).ppf(0.025)))
    assert math.isnan(people_spread(np.full(2, 0.0016), 0).value)


REPEATS = 600


def simulated(kind: str, partitions: int, seeds: int, sd_partition: float, sd_seed: float) -> list[Spread]:
    rng = numpy_generator("simulated", kind, partitions, seeds, sd_partition, sd_seed)
    found = []
    for _ in range(REPEATS):
        shift = rng.normal(0, sd_partition, (partitions, 1, 1))
        # a study is the sum of three folds that are trained separately
        trained = rng.normal(0, sd_seed / math.sqrt(3), (partitions, 3, seeds))
        scores = 0.2 + shift / 3 + trained
        found.append(seed_spread(scores) if kind == "seed" else partition_spread(scores))
    return found


@pytest.mark.parametrize("kind", ["seed", "partition"])
@pytest.mark.parametrize(
    ("partitions", "seeds", "sd_partition", "sd_seed"), [(5, 2, 0.03, 0.02), (10, 3, 0.02, 0.03), (5, 3, 0.065, 0.01)]
)
def test_known_components_are_found_on_average(
    kind: str, partitions: int, seeds: int, sd_partition: float, sd_seed: float
) -> None:
    true = sd_seed if kind == "seed" else sd_partition
    found = simulated(kind, partitions, seeds, sd_partition, sd_seed)
    assert math.sqrt(np.mean([one.value**2 for one in found])) == pytest.approx(true, rel=0.1)
    covered = np.mean([one.low <= true <= one.high for one in found])
    assert 0.93 <= covered <= 0.98
