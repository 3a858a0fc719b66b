"""Robustness curves: test scores with degraded training data or test images."""

from collections.abc import Iterator

import polars as pl

from reports.figures import transfer_figures
from reports.frames.intervals import interval_words
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Section, figure
from reports.html.columns import numbers_table

_METRICS = {"f1": "mean F1", "auc": "mean AUC"}


def stress_section(report: StudyReport) -> Section | None:
    """The curves of the robustness studies on this dataset; None when there are none."""
    blocks: list[Block] = []
    for number, (study, frame) in enumerate(report.neighbours.stress, start=1):
        blocks += _curves(number, study, frame)
    return Section("stress", "Robustness", blocks) if blocks else None


def _curves(number: int, study: str, frame: pl.DataFrame) -> Iterator[Block]:
    for metric, title in _METRICS.items():
        part = frame.filter(pl.col("metric") == metric)
        means = part.filter(pl.col("au").is_null()).drop("au")
        if means.is_empty():
            continue
        caption = (
            f"Robustness study {study}: {title} over AUs on test subjects, whose labels are unchanged. "
            f"{interval_words(means)} Level of subjects and positives: the training data that remain; of all other "
            "kinds: the strength of the degradation."
        )
        name, drawing = f"stress-{metric}-{number}", transfer_figures.stress(means, title)
        yield figure(name, f"Robustness of {title}, {study}", caption, drawing, numbers_table(name, part))
