"""The frames of the figures of the final evaluation, from its score table and its counts."""

from typing import Any

import polars as pl

from reports.frames.tables import QUOTED
from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS
from study.scoring.bootstrap import CONFUSION

SCORE_COLUMNS = ("selection", "rule", "metric", "aggregate", *INTERVAL_ENDS, "seed_sd", "n_seeds")


def headline(scores: pl.DataFrame, metric: str = "f1") -> dict[str, Any]:
    """The row of the mean that may be reported as the result: mean of folds, threshold 0.5; empty if there is none."""
    rows = scores.filter(pl.col("au").is_null(), metric=metric, aggregate="folds", rule=FIXED_THRESHOLD)
    for selection in QUOTED:
        found = rows.filter(pl.col("value").is_not_null(), selection=selection)
        if found.height:
            return found.row(0, named=True)
    return {}


def overall(scores: pl.DataFrame) -> pl.DataFrame:
    """The scores over all AUs: selection, rule, metric, aggregate, value, low, high, seed_sd, n_seeds."""
    return scores.filter(pl.col("au").is_null()).select(SCORE_COLUMNS)


def confusion_frame(counts: pl.DataFrame) -> pl.DataFrame:
    """au, tp, fp, fn, tn on the test parts: summed over subjects and folds, mean over seeds."""
    # sorted, because the last digits of a sum of floats depend on the order
    test = counts.filter(pl.col("split") == "test").sort("fold", "seed", "au")
    by_seed = test.group_by("fold", "seed", "au", maintain_order=True).agg(pl.col(*CONFUSION).sum())
    by_fold = by_seed.group_by("fold", "au", maintain_order=True).agg(pl.col(*CONFUSION).mean())
    return by_fold.group_by("au", maintain_order=True).agg(pl.col(*CONFUSION).sum()).sort("au")
