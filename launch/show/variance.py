"""Where the variance of a study's score lies, as a table for the terminal."""

import polars as pl
from rich.console import Console
from rich.table import Table

from study.experiments.partitions import components_of, partitions_of

VARIANCE_ALONE = (
    "These numbers show variance and are no result: people of the test parts took part in the choice of the "
    "configuration."
)


def print_variance(scores: pl.DataFrame, console: Console) -> None:
    """Print mean F1 of every partition, and how far people, training seed and partition move it."""
    rows = partitions_of(scores)
    values = ", ".join(f"{100 * value:.1f}" for value in rows["value"])
    console.print(f"mean F1 on {rows.height} random partitions: {values}", highlight=False)
    table = Table("mean F1 depends on", "sd, points", "95 % interval", box=None, header_style="bold")
    for name, sd, low, high, _ in components_of(scores).iter_rows():
        table.add_row(name, f"{100 * sd:.1f}", f"{100 * low:.1f} to {100 * high:.1f}")
    console.print(table)
    console.print(VARIANCE_ALONE, highlight=False)
