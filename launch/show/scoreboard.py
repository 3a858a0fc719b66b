"""The scores of a final evaluation as tables for the terminal."""

import polars as pl
from rich.console import Console
from rich.table import Table

from launch.show.display import interval_text
from study.records.score_table import AGGREGATES, BIAS, covers, fewest_runs

ROWS = (
    ("f1", "0.5", "F1 at 0.5"),
    ("f1", "validation", "F1 at tuned thresholds"),
    ("always_positive", "0.5", "F1 of always-positive"),
    ("lift", "0.5", "lift over always-positive"),
    ("auc", "0.5", "AUC"),
    ("balanced_accuracy", "0.5", "balanced accuracy"),
    ("mcc", "0.5", "MCC"),
    ("precision", "0.5", "precision"),
    ("recall", "0.5", "recall"),
    ("accuracy", "0.5", "accuracy"),
)
OF_AN_AU = {  # (metric, rule) -> head of its column
    ("f1", "0.5"): "F1",
    ("auc", "0.5"): "AUC",
    ("f1", "validation"): "F1 tuned",
    ("always_positive", "0.5"): "always +",
    ("lift", "0.5"): "lift",
    ("balanced_accuracy", "0.5"): "bal. acc.",
    ("mcc", "0.5"): "MCC",
}
WITH_INTERVAL = (("f1", "0.5"), ("auc", "0.5"))
AGGREGATE_NAMES = {"folds": "mean of folds", "pooled": "pooled"}
COLUMN_HEADS = {BIAS: "selection bias"}
_NOTE = (
    "Percent; in brackets 95 % intervals over {covers}, after ± the standard deviation over seeds. "
    "Tuned thresholds: the best F1 on each detector's validation part."
)


def print_scores(scores: pl.DataFrame, console: Console) -> None:
    """Print the mean over AUs of every selection, then each AU of the first selection."""
    selections = scores["selection"].unique(maintain_order=True).to_list()
    console.print(overview(scores.filter(pl.col("au").is_null()), selections))
    console.print(_by_au(scores.filter(selection=selections[0], aggregate="folds")))
    console.print(_NOTE.format(covers=covers(fewest_runs(scores))), highlight=False)


def overview(means: pl.DataFrame, selections: list[str]) -> Table:
    """One row for each metric and aggregate, one column for each selection."""
    heads = [COLUMN_HEADS.get(name, f"selection={name}") for name in selections]
    table = Table("mean over AUs", "", *heads, box=None, header_style="bold")
    for metric, rule, name in ROWS:
        for aggregate in AGGREGATES:
            cells = []
            for selection in selections:
                found = means.filter(selection=selection, metric=metric, rule=rule, aggregate=aggregate)
                cells.append(cell(found, sign="+" if selection == BIAS else ""))
            label = name if aggregate == AGGREGATES[0] else ""
            table.add_row(label, AGGREGATE_NAMES[aggregate], *cells)
    return table


def _by_au(scores: pl.DataFrame) -> Table:
    """One row for each AU, one column for each metric, mean over folds; some without intervals, to fit a terminal."""
    title = f"selection={scores['selection'][0]}, mean of folds"
    table = Table("AU", *OF_AN_AU.values(), title=title, title_justify="left", box=None, header_style="bold")
    for au in scores["au"].drop_nulls().unique().sort():
        rows = scores.filter(au=au)
        found = {column: rows.filter(metric=column[0], rule=column[1]) for column in OF_AN_AU}
        cells = [cell(one) if column in WITH_INTERVAL else brief(one) for column, one in found.items()]
        table.add_row(str(au), *cells)
    return table


def brief(found: pl.DataFrame) -> str:
    """The score without interval and spread."""
    return cell(found).partition(" ")[0]


def cell(found: pl.DataFrame, sign: str = "") -> str:
    """`66.1 (60.2 to 71.3) ±0.4`, without unknown parts; a dash for an undefined score."""
    row = found.row(0, named=True)
    value, low, high, spread = (row[name] for name in ("value", "low", "high", "seed_sd"))
    return interval_text(value, low, high, sign) + ("" if spread is None else f" ±{100 * spread:.1f}")
