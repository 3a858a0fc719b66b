"""Stress curves: how test scores fall when training data or pictures get worse."""

from collections.abc import Iterator

import polars as pl

from reports.figures import transfer_figures
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Section, figure
from reports.html.columns import numbers_table

_METRICS = {"f1": "mean F1", "auc": "mean AUC"}


def stress_section(report: StudyReport) -> Section | None:
    """The curves of the stress studies on this dataset; None when there are none."""
    blocks: list[Block] = []
    for number, (study, frame) in enumerate(report.neighbours.stress, start=1):
        blocks += _curves(number, study, frame)
    return Section("stress", "Stress curves", blocks) if blocks else None


def _curves(number: int, study: str, frame: pl.DataFrame) -> Iterator[Block]:
    for metric, title in _METRICS.items():
        part = frame.filter(pl.col("metric") == metric)
        means = part.filter(pl.col("au").is_null()).drop("au")
        if means.is_empty():
            continue
        caption = (
            f"Stress study {study}: {title} over AUs on test subjects whose labels are as they were, with the 95 % "
            "interval over subjects. Subjects, positives: what is left of the training data; else how bad it is."
        )
        name, drawing = f"stress-{metric}-{number}", transfer_figures.stress(means, title)
        yield figure(name, f"{title} under stress, {study}", caption, drawing, numbers_table(name, part))
