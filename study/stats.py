"""Scores from whole numbers, and how much of them is the choice of subjects.

Zero division: where tp + fp + fn = 0 (nothing to find, nothing found) F1 (`model.metrics`) is undefined, NaN here and
null in frames. It is left out of means and counted, never taken as 0 or 1. Precision and recall likewise.

Shapes: K seeds, S subjects, A action units, R bootstrap replicates; the last axis of counts is (tp, fp, fn, tn).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Metric = Callable[[Counts], Floats]  # [..., 4] -> [...]

CELLS = ("tp", "fp", "fn", "tn")
REPLICATES = 2_000


def ratio(above: Counts | Floats, below: Counts | Floats) -> Floats:
    """`above / below`, NaN where `below` is 0."""
    undefined = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=undefined, where=below != 0)
    return undefined


def precision(counts: Counts) -> Floats:
    """Precision [...] of counts [..., 4]; NaN where nothing was predicted."""
    return ratio(counts[..., 0], counts[..., 0] + counts[..., 1])


def recall(counts: Counts) -> Floats:
    """Recall [...] of counts [..., 4]; NaN where nothing was there to find."""
    return ratio(counts[..., 0], counts[..., 0] + counts[..., 2])


def mean(values: Floats, axis: int) -> Floats:
    """Mean over `axis` of the defined values; NaN where none is."""
    return ratio(np.nansum(values, axis), (~np.isnan(values)).sum(axis))


def interval(replicates: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the defined replicates [R]; NaN, NaN when none is.

    Replicates of a single subject are all equal: the interval has no width, and means nothing.
    """
    defined = replicates[~np.isnan(replicates)]
    if defined.size == 0:
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def subject_weights(subjects: int, rng: np.random.Generator, replicates: int = REPLICATES) -> Counts:
    """How often each subject is drawn in each replicate, [R, S]; every row sums to S."""
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=replicates)


def fold_cubes(counts: pl.DataFrame, aus: tuple[int, ...]) -> dict[str, Counts]:
    """Counts rows -> one array [K, S, A, 4] a fold; a subject without coded frames of an AU is 0 there."""
    parts = counts.filter(pl.col("au").is_in(aus)).partition_by("fold", as_dict=True)
    return {str(fold): _cube(parts[(fold,)], aus) for (fold,) in sorted(parts)}


def _cube(part: pl.DataFrame, aus: tuple[int, ...]) -> Counts:
    values: dict[str, list[object]] = {
        "seed": part["seed"].unique().sort().to_list(),
        "subject": part["subject"].unique().sort().to_list(),
        "au": list(aus),
    }
    cube = np.zeros((*(len(names) for names in values.values()), len(CELLS)), np.int64)
    places = [
        part[column].replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
        for column, names in values.items()
    ]
    np.add.at(cube, tuple(places), part.select(CELLS).to_numpy().astype(np.int64))
    return cube


@dataclass(frozen=True)
class Estimate:
    """A number with the 95 % interval of its subject bootstrap, all fractions; NaN is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """A score per AU, and the same score in every replicate; the counts behind it are summed over subjects."""

    point: Floats  # [A]
    replicates: Floats  # [R, A]

    def overall(self) -> tuple[float, Floats]:
        """Mean over AUs: the score, and its replicates [R]."""
        return float(mean(self.point, 0)), mean(self.replicates, 1)


@dataclass(frozen=True)
class Resampled:
    """Counts of each fold summed over subjects: as observed [K, A, 4], and resampled [R, K, A, 4]."""

    observed: dict[str, Counts]
    drawn: dict[str, Counts]

    def mean_of_folds(self, metric: Metric) -> Draws:
        """The field's number: the metric in every fold and seed, mean over seeds, then mean over folds.

        With the same seeds in every fold the order of the two means does not matter; without, every fold
        still weighs the same.
        """
        point = np.stack([mean(metric(counts), 0) for counts in self.observed.values()])
        draws = np.stack([mean(metric(counts), 1) for counts in self.drawn.values()])
        return Draws(mean(point, 0), mean(draws, 0))

    def pooled(self, metric: Metric) -> Draws:
        """The metric of the counts summed over folds and seeds."""
        point = sum(counts.sum(0) for counts in self.observed.values())
        draws = sum(counts.sum(1) for counts in self.drawn.values())
        return Draws(metric(np.asarray(point)), metric(np.asarray(draws)))


def resample(cubes: Mapping[str, Counts], rng: np.random.Generator, replicates: int = REPLICATES) -> Resampled:
    """Draw subjects with replacement inside each fold; all seeds of a fold see the same draw."""
    drawn = {}
    for fold, cube in cubes.items():
        weights = subject_weights(cube.shape[1], rng, replicates)
        drawn[fold] = np.tensordot(weights, cube, axes=(1, 1))
    return Resampled({fold: cube.sum(1) for fold, cube in cubes.items()}, drawn)
