"""Scores from counts, and their uncertainty from the choice of subjects (bootstrap).

The metrics, and when they are undefined, are in `model.metrics`.

Shapes: K seeds, S subjects, A action units, R bootstrap replicates; the last axis of counts is (tp, fp, fn, tn).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtrit

from model.metrics import ratio
from study.scoring.training import Floats as Floats
from study.scoring.training import Runs, training_variance

Counts = NDArray[np.int64]
Metric = Callable[[np.ndarray], np.ndarray]  # [..., 4] -> [...]

CONFUSION = ("tp", "fp", "fn", "tn")
REPLICATES = 2_000


def mean(values: Floats, axis: int) -> Floats:
    """Mean of the defined values over `axis`; NaN if there are none."""
    return ratio(np.nansum(values, axis), (~np.isnan(values)).sum(axis))


def fold_mean(folds: Sequence[Floats], axis: int = 0) -> Floats:
    """Mean over the seeds of each fold (`axis`), then over folds, so that folds with fewer seeds have equal weight."""
    return mean(np.stack([mean(values, axis) for values in folds]), 0)


def student_quantile(freedom: float, level: float = 0.95) -> float:
    """The t with a share `level` of Student's distribution between -t and t."""
    return float(stdtrit(freedom, (1 + level) / 2))


@dataclass(frozen=True)
class StandardError:
    """How far a score may be off: its estimate without bias, the standard error, and the degrees of freedom."""

    centre: float
    error: float
    freedom: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval by Student's t."""
        reach = student_quantile(self.freedom) * self.error
        return self.centre - reach, self.centre + reach


def standard_error(
    value: float, replicates: Floats, subjects: int, folds: int = 1, trained: tuple[Runs, ...] = (), column: int = -1
) -> StandardError | None:
    """From bootstrap replicates [R] that drew `subjects` within each of `folds` folds, and from `trained` runs.

    People alone give Student's t with `subjects - folds` degrees of freedom, around the score minus the bias that the
    bootstrap finds. Percentiles of a bootstrap of a dozen people are too narrow, and one-sided because F1 is a ratio:
    `tests/benchmarks/coverage.py` compares how often either interval contains the truth. The variance from training
    (of `column` of the runs) is added where every stratum has two runs or more, with Welch-Satterthwaite degrees of
    freedom. None without two subjects in one fold.
    """
    freedom, defined = subjects - folds, replicates[~np.isnan(replicates)]
    if freedom < 1 or defined.size < 2 or np.isnan(value):
        return None
    correction = subjects / freedom  # the bootstrap divides by n, not by n - 1
    people = float(defined.var(ddof=1)) * correction
    # the value minus the bias, which is estimated as mean of replicates minus value
    centre = 2 * value - float(defined.mean())
    training = training_variance(trained, column, correction)
    if np.isnan(training.spread) or not training.beyond:
        return StandardError(centre, float(np.sqrt(people)), freedom)
    total = people + training.beyond
    # `beyond` is estimated with the error of `spread`, in proportion
    uncertain = people**2 / freedom + training.beyond * training.spread / training.freedom
    return StandardError(centre, float(np.sqrt(total)), total**2 / uncertain)


def subject_weights(subjects: int, rng: np.random.Generator, replicates: int = REPLICATES) -> Floats:
    """Number of times that each subject is drawn in each replicate [R, S]; every row sums to S."""
    # the counts of drawing `subjects` times with replacement
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=replicates).astype(float)


def fold_cubes(counts: pl.DataFrame, aus: tuple[int, ...]) -> dict[str, Counts]:
    """Counts as one array [K, S, A, 4] for each fold; 0 for a subject without coded frames of an AU."""
    parts = counts.filter(pl.col("au").is_in(aus)).partition_by("fold", as_dict=True)
    return {str(fold): _cube(parts[(fold,)], aus) for (fold,) in sorted(parts)}


def _cube(part: pl.DataFrame, aus: tuple[int, ...]) -> Counts:
    values: dict[str, list[object]] = {
        "seed": part["seed"].unique().sort().to_list(),
        "subject": part["subject"].unique().sort().to_list(),
        "au": list(aus),
    }
    cube = np.zeros((*(len(names) for names in values.values()), len(CONFUSION)), np.int64)
    places = [
        part[column].replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
        for column, names in values.items()
    ]
    np.add.at(cube, tuple(places), part.select(CONFUSION).to_numpy().astype(np.int64))
    return cube


@dataclass(frozen=True)
class Draws:
    """A score of each AU, and the same score in every bootstrap replicate."""

    point: Floats  # [A]
    replicates: Floats  # [R, A]


@dataclass(frozen=True)
class Resampled:
    """Counts of each fold summed over subjects: observed [K, A, 4], and resampled [R, K, A, 4].

    The last axis has confusion counts, or pairs of frames for the AUC.
    """

    observed: dict[str, Counts]
    drawn: dict[str, Floats]

    def mean_of_folds(self, metric: Metric) -> Draws:
        """The usual score of the field: the metric in every fold and seed, then `fold_mean`."""
        point = fold_mean([metric(counts) for counts in self.observed.values()])
        return Draws(point, fold_mean([metric(counts) for counts in self.drawn.values()], axis=1))

    def pooled(self, metric: Metric) -> Draws:
        """The metric of the counts summed over folds and seeds."""
        point = sum(counts.sum(0) for counts in self.observed.values())
        draws = sum(counts.sum(1) for counts in self.drawn.values())
        return Draws(metric(np.asarray(point)), metric(np.asarray(draws)))

    def by_seed(self, metric: Metric, pooled: bool = False) -> Floats:
        """The score of each seed alone [K, A]; every fold has the same seeds."""
        observed = np.stack([*self.observed.values()])
        return metric(observed.sum(0)) if pooled else mean(metric(observed), 0)


def subject_draws(
    subjects: Mapping[str, int], rng: np.random.Generator, replicates: int = REPLICATES
) -> dict[str, Floats]:
    """Weights [R, S] of the subjects of each fold, drawn with replacement within the fold."""
    return {fold: subject_weights(number, rng, replicates) for fold, number in subjects.items()}


def reweighted(cubes: Mapping[str, Counts], weights: Mapping[str, Floats]) -> Resampled:
    """Sum cubes [K, S, A, 4] over subjects, once with weight 1 and once with the `weights` [R, S] of the fold."""
    drawn = {fold: np.tensordot(weights[fold], cube.astype(float), axes=(1, 1)) for fold, cube in cubes.items()}
    return Resampled({fold: cube.sum(1) for fold, cube in cubes.items()}, drawn)
