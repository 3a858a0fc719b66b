"""Scores of detectors on one split: the rows of a score table, with numbers of frames from the counts."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from data.aus import AU_NAMES
from model.metrics import f1, ratio
from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS, scores_frame
from study.scoring.bootstrap import fold_cubes
from study.scoring.evaluation import evaluation_of_cubes, score_table

FROM_COUNTS = ("f1", "precision", "recall", "always_positive", "lift")
_EXACT = 1e-9  # a difference of two means and the mean of differences differ by rounding errors only


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, all fractions; NaN is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SplitEvaluation:
    """Detectors on one split: per AU, and over all AUs; several folds give the mean of the folds."""

    au: pl.DataFrame
    f1: Estimate
    lift: Estimate
    pooled: Estimate
    always_positive: float
    subjects: int
    fewest: int  # subjects in the smallest fold
    folds: tuple[str, ...]
    seeds: int

    @property
    def has_interval(self) -> bool:
        """Whether the mean F1 has an interval: it needs two subjects in one fold."""
        return not np.isnan(self.f1.high)

    @property
    def mixed(self) -> list[int]:
        """AUs whose lift is not F1 minus always-positive: a former revision took their means over different folds."""
        gap = (pl.col("lift") - (pl.col("f1") - pl.col("always_positive"))).abs()
        return self.au.filter(gap > _EXACT)["au"].to_list()

    @property
    def undefined(self) -> list[int]:
        """AUs without a defined F1; no mean includes them."""
        return self.au.filter(pl.col("f1").is_null())["au"].to_list()


def scores_of_counts(
    counts: pl.DataFrame, aus: tuple[int, ...], selection: str = "shared", split: str = "test"
) -> pl.DataFrame:
    """A score table at threshold 0.5 from the counts of a split; empty without counts."""
    if counts.is_empty():
        return scores_frame([])
    found = evaluation_of_cubes(fold_cubes(counts, aus), aus, ("bootstrap", split))
    return score_table(found, {"selection": selection}, [(metric, FIXED_THRESHOLD) for metric in FROM_COUNTS])


def split_evaluation(scores: pl.DataFrame, counts: pl.DataFrame, aus: tuple[int, ...]) -> SplitEvaluation:
    """The rows of one selection in a score table, and the counts of the same trials on the same split."""
    cubes = fold_cubes(counts, aus)
    # subjects on the axis S of each fold
    people = [cube.shape[1] for cube in cubes.values()]
    fixed = scores.filter(rule=FIXED_THRESHOLD)
    return SplitEvaluation(
        au=_au_frame(fixed.filter(aggregate="folds"), counts, aus),
        f1=_mean(fixed, "f1"),
        lift=_mean(fixed, "lift"),
        pooled=_mean(fixed, "f1", "pooled"),
        always_positive=_mean(fixed, "always_positive").value,
        subjects=counts["subject"].n_unique(),
        fewest=min(people),
        folds=tuple(cubes),
        seeds=max(cube.shape[0] for cube in cubes.values()),
    )


def _mean(scores: pl.DataFrame, metric: str, aggregate: str = "folds") -> Estimate:
    """The mean over AUs."""
    rows = scores.filter(pl.col("au").is_null(), metric=metric, aggregate=aggregate)
    return Estimate(*rows.select(INTERVAL_ENDS).fill_null(np.nan).row(0))


def _au_frame(scores: pl.DataFrame, counts: pl.DataFrame, aus: tuple[int, ...]) -> pl.DataFrame:
    """One row for each AU: frames and base rate, F1 with interval, always-positive F1, lift, precision, recall."""
    columns = [_frames(counts, aus)]
    for metric in FROM_COUNTS:
        rows = scores.filter(metric=metric)
        names = {metric: "value"} | ({"low": "low", "high": "high", "seed_sd": "seed_sd"} if metric == "f1" else {})
        columns.append(rows.select("au", **{name: pl.col(column) for name, column in names.items()}))
    whole = columns[0]
    for part in columns[1:]:
        whole = whole.join(part, on="au", how="left", maintain_order="left")
    order = ["f1", "low", "high", "always_positive", "lift", "precision", "recall", "undefined_runs", "seed_sd"]
    return whole.select("au", "name", "frames", "positives", "base_rate", *order)


def _frames(counts: pl.DataFrame, aus: tuple[int, ...]) -> pl.DataFrame:
    """Frames, positives and base rate of each AU, and the number of runs in which F1 is undefined."""
    cubes = fold_cubes(counts, aus)
    # every seed of a fold scores the same frames: those of the first seed are counted
    frames = np.sum([cube[0].sum(0) for cube in cubes.values()], axis=0)
    positives = frames[:, 0] + frames[:, 2]
    undefined = np.sum([np.isnan(f1(cube.sum(1))).sum(0) for cube in cubes.values()], axis=0)
    columns = {"au": list(aus), "name": [AU_NAMES.get(au, "") for au in aus], "frames": frames.sum(1)}
    columns |= {"positives": positives, "base_rate": ratio(positives, frames.sum(1)), "undefined_runs": undefined}
    return pl.DataFrame(columns).fill_nan(None)
