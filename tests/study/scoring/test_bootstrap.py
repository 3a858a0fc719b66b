"""The vectorised statistics against plain loops over Python numbers."""

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from data.seeds import numpy_generator
from model.metrics import f1
from study.records.store import COUNTS
from study.scoring import bootstrap

AUS = (1, 2, 12)


def counts_frame(folds: dict[str, int], seeds: int = 2, aus: tuple[int, ...] = AUS) -> pl.DataFrame:
    rng = numpy_generator("test counts")
    rows = [
        ("k", "final", fold, seed, "m", "test", f"{fold}-{person}", au, *rng.integers(1, 50, 4).tolist())
        for fold, people in folds.items()
        for seed in range(seeds)
        for person in range(people)
        for au in aus
    ]
    return pl.DataFrame(rows, schema=COUNTS, orient="row")


def interval(value: float, drawn: np.ndarray, subjects: int, folds: int = 1) -> tuple[float, float]:
    found = bootstrap.standard_error(value, drawn, subjects, folds)
    return found.interval if found else (math.nan, math.nan)


def resample(
    cubes: Mapping[str, bootstrap.Counts], rng: np.random.Generator, replicates: int = bootstrap.REPLICATES
) -> bootstrap.Resampled:
    """Counts whose subjects are drawn inside each fold."""
    sizes = {fold: cube.shape[1] for fold, cube in cubes.items()}
    return bootstrap.reweighted(cubes, bootstrap.subject_draws(sizes, rng, replicates))


def plain_f1(tp: int, fp: int, fn: int) -> float:
    whole = 2 * tp + fp + fn
    return float(Fraction(2 * tp, whole)) if whole else math.nan


def plain_mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def plain_mean_of_folds(frame: pl.DataFrame, au: int) -> float:
    folds: dict[str, dict[int, list[int]]] = {}
    for row in frame.filter(pl.col("au") == au).iter_rows(named=True):
        total = folds.setdefault(row["fold"], {}).setdefault(row["seed"], [0, 0, 0])
        for at, name in enumerate(("tp", "fp", "fn")):
            total[at] += row[name]
    return plain_mean([plain_mean([plain_f1(*total) for total in seeds.values()]) for seeds in folds.values()])


def test_fold_mean_is_the_one_of_plain_loops() -> None:
    frame = counts_frame({"a": 3, "b": 5})
    resampled = resample(bootstrap.fold_cubes(frame, AUS), numpy_generator("t"), replicates=10)
    point = resampled.mean_of_folds(f1).point
    np.testing.assert_allclose(point, [plain_mean_of_folds(frame, au) for au in AUS])


def test_pooled_is_f1_of_the_sums() -> None:
    frame = counts_frame({"a": 3, "b": 5})
    resampled = resample(bootstrap.fold_cubes(frame, AUS), numpy_generator("t"), replicates=10)
    sums = frame.group_by("au").agg(pl.col(bootstrap.CONFUSION).sum()).sort("au")
    expected = [plain_f1(*row) for row in sums.select("tp", "fp", "fn").iter_rows()]
    np.testing.assert_allclose(resampled.pooled(f1).point, expected)


def test_every_fold_weighs_the_same_when_seeds_are_missing() -> None:
    whole = counts_frame({"a": 2, "b": 2})
    part = whole.filter((pl.col("fold") == "a") | (pl.col("seed") == 0))
    resampled = resample(bootstrap.fold_cubes(part, AUS), numpy_generator("t"), replicates=5)
    expected = [plain_mean_of_folds(part, au) for au in AUS]
    np.testing.assert_allclose(resampled.mean_of_folds(f1).point, expected)


def test_replicates_are_those_of_a_loop_over_subject_weights() -> None:
    frame = counts_frame({"a": 4}, seeds=1)
    (cube,) = bootstrap.fold_cubes(frame, AUS).values()
    resampled = resample({"a": cube}, numpy_generator("t"), replicates=20)
    weights = bootstrap.subject_weights(4, numpy_generator("t"), replicates=20)
    for replicate in range(20):
        for at in range(len(AUS)):
            tp, fp, fn = (
                sum(int(weights[replicate, person] * cube[0, person, at, cell]) for person in range(4))
                for cell in range(3)
            )
            got = resampled.mean_of_folds(f1).replicates[replicate, at]
            assert got == pytest.approx(plain_f1(tp, fp, fn))


def test_seeds_of_a_fold_share_their_draw_of_subjects() -> None:
    one = counts_frame({"a": 6}, seeds=1)
    twice = pl.concat([one, one.with_columns(seed=pl.lit(1, dtype=pl.Int64))])
    drawn = [
        resample(bootstrap.fold_cubes(frame, AUS), numpy_generator("t"), 50).mean_of_folds(f1) for frame in (one, twice)
    ]
    np.testing.assert_allclose(drawn[0].replicates, drawn[1].replicates)


def test_weights_reproduce_and_sum_to_the_number_of_subjects() -> None:
    first, second = (bootstrap.subject_weights(41, numpy_generator("bootstrap", "x")) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (bootstrap.REPLICATES, 41)
    assert set(first.sum(1)) == {41}
    other = bootstrap.subject_weights(41, numpy_generator("bootstrap", "y"))
    assert not np.array_equal(first, other)


def test_an_au_that_nobody_coded_is_undefined_and_in_no_mean() -> None:
    frame = counts_frame({"a": 3, "b": 3})
    draws = resample(bootstrap.fold_cubes(frame, (*AUS, 26)), numpy_generator("t"), 50).mean_of_folds(f1)
    assert np.isnan(draws.point[-1])
    assert np.isnan(draws.replicates[:, -1]).all()
    point, replicates = bootstrap.mean(draws.point, 0), bootstrap.mean(draws.replicates, 1)
    assert float(point) == pytest.approx(draws.point[:-1].mean())
    np.testing.assert_allclose(replicates, draws.replicates[:, :-1].mean(1))


def test_a_subject_without_an_au_adds_nothing_to_it() -> None:
    frame = counts_frame({"a": 3}, seeds=1)
    part = frame.filter((pl.col("subject") != "a-0") | (pl.col("au") != 2))
    (cube,) = bootstrap.fold_cubes(part, AUS).values()
    assert cube.shape == (1, 3, 3, 4)
    assert cube[0, 0, 1].tolist() == [0, 0, 0, 0]
    assert cube.sum() == part.select(bootstrap.CONFUSION).sum().sum_horizontal().item()


def test_other_aus_are_left_out() -> None:
    frame = counts_frame({"a": 2}, seeds=1)
    (cube,) = bootstrap.fold_cubes(frame, (2,)).values()
    assert (
        cube[:, :, 0].sum() == frame.filter(pl.col("au") == 2).select(bootstrap.CONFUSION).sum().sum_horizontal().item()
    )


def test_the_seeds_alone_are_the_means_of_plain_loops() -> None:
    frame = counts_frame({"a": 3, "b": 5}, seeds=3)
    resampled = resample(bootstrap.fold_cubes(frame, AUS), numpy_generator("t"), replicates=2)
    for seed in range(3):
        alone = frame.filter(pl.col("seed") == seed)
        expected = [plain_mean_of_folds(alone, au) for au in AUS]
        np.testing.assert_allclose(resampled.by_seed(f1)[seed], expected)
        sums = alone.group_by("au").agg(pl.col(bootstrap.CONFUSION).sum()).sort("au")
        pooled = [plain_f1(*row) for row in sums.select("tp", "fp", "fn").iter_rows()]
        np.testing.assert_allclose(resampled.by_seed(f1, pooled=True)[seed], pooled)


def test_the_interval_of_a_mean_is_that_of_students_t() -> None:
    """For a mean over subjects the bootstrap is known: no bias, and the plug-in variance."""
    values = numpy_generator("values").normal(3, 2, 9)
    weights = bootstrap.subject_weights(9, numpy_generator("t"), replicates=200_000)
    low, high = interval(values.mean(), weights @ values / 9, subjects=9)
    reach = 2.306004 * values.std(ddof=1) / 3
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.01 * reach)


def test_an_interval_of_two_folds_has_a_degree_of_freedom_less() -> None:
    drawn = np.array([0.0, 1.0, np.nan])
    one, two = (interval(0.5, drawn, 4, folds) for folds in (1, 2))
    assert one == pytest.approx((0.5 - 3.182446 * math.sqrt(0.5 * 4 / 3), 0.5 + 3.182446 * math.sqrt(0.5 * 4 / 3)))
    assert two == pytest.approx((0.5 - 4.302653, 0.5 + 4.302653))


def test_bias_is_taken_off() -> None:
    low, high = interval(0.5, np.array([0.5, 0.7]), 10)
    assert (low + high) / 2 == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("value", "drawn", "subjects", "folds"),
    [(0.5, [0.4, 0.6], 3, 3), (math.nan, [0.4, 0.6], 9, 3), (0.5, [0.4, math.nan], 9, 3), (0.5, [], 9, 1)],
)
def test_without_anything_to_draw_from_there_is_no_interval(
    value: float, drawn: list[float], subjects: int, folds: int
) -> None:
    assert all(math.isnan(end) for end in interval(value, np.array(drawn), subjects, folds))
