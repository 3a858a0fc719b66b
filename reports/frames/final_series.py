"""The frames behind the figures of the final evaluation, from its score table and its counts."""

import polars as pl

from reports.frames.tables import QUOTED
from study.scoring.bootstrap import CONFUSION

QUOTED_RULE = "0.5"


def headline(scores: pl.DataFrame) -> tuple[str, str, float] | None:
    """Selection, rule and value of the mean F1 that is to be quoted; None where the table has none."""
    rows = scores.filter(
        pl.col("metric") == "f1", pl.col("aggregate") == "folds", pl.col("au").is_null(), pl.col("rule") == QUOTED_RULE
    )
    for selection in QUOTED:
        value = rows.filter(pl.col("selection") == selection)["value"].to_list()
        if value and value[0] is not None:
            return selection, QUOTED_RULE, float(value[0])
    return None


def overall(scores: pl.DataFrame) -> pl.DataFrame:
    """The scores over all AUs, without the column that says so."""
    return scores.filter(pl.col("au").is_null()).drop("au")


def au_scores(scores: pl.DataFrame, au: pl.DataFrame) -> pl.DataFrame:
    """`au` (`tables.Evaluation.au`) with F1, its interval and its spread over seeds as the score table has them."""
    found = headline(scores)
    if found is None:
        return au
    chosen = scores.filter(
        pl.col("selection") == found[0],
        pl.col("rule") == found[1],
        pl.col("metric") == "f1",
        pl.col("aggregate") == "folds",
        pl.col("au").is_not_null(),
    )
    joined = au.drop("f1", "low", "high").join(
        chosen.select("au", f1="value", low="low", high="high", seed_sd="seed_sd"), on="au", how="left"
    )
    return joined.with_columns(lift=pl.col("f1") - pl.col("always_positive")).sort("au")


def confusion_frame(counts: pl.DataFrame) -> pl.DataFrame:
    """au, tp, fp, fn, tn on the test parts: summed over subjects and folds, mean over seeds."""
    test = counts.filter(pl.col("split") == "test").sort("fold", "seed", "au")  # the order of a sum of floats matters
    by_seed = test.group_by("fold", "seed", "au", maintain_order=True).agg(pl.col(*CONFUSION).sum())
    by_fold = by_seed.group_by("fold", "au", maintain_order=True).agg(pl.col(*CONFUSION).mean())
    return by_fold.group_by("au", maintain_order=True).agg(pl.col(*CONFUSION).sum()).sort("au")
