"""Numbers from the literature for the same dataset, with other protocols."""

import polars as pl

from data.catalog import CATALOG
from reports.frames import tables, text
from reports.frames.grids import unpublishable
from reports.frames.report import StudyReport
from reports.html.blocks import Paragraph, Section, Table, table

PROTOCOLS = (
    "Numbers from the authors or from later papers, not run here and not ranked: the rows differ in folds, in the rule "
    "that chose the epoch (often by the test fold itself), in threshold, alignment, pre-training, temporal input and "
    "in the frames that are scored. A difference of a few points between rows, or to this study, means little. "
    "* The published average is not the mean of the published AUs (row highlighted). In percent."
)


def published_section(report: StudyReport) -> Section | None:
    """Published F1, our row first; only beside real data of all people and AUs of the dataset."""
    dataset = report.spec.dataset
    frame = tables.published_rows(dataset)
    if frame.is_empty() and (dataset not in CATALOG or CATALOG[dataset].expected is None):
        return None  # drawn faces or a user's own dataset: nobody else can have published numbers
    if frame.is_empty():
        words = f"We know no complete published table of F1 per AU for {dataset}."
        return Section("published", "Published numbers", [Paragraph(words)])
    reasons = unpublishable(report.verdict, dataset, report.spec.aus)
    if reasons:
        words = f"Published numbers on {dataset} are left out: {text.listing(reasons)}."
        return Section("published", "Published numbers", [Paragraph(words, "note")])
    return Section("published", "Published numbers", [Paragraph(PROTOCOLS, "note"), _table(report, frame)])


def _table(report: StudyReport, frame: pl.DataFrame) -> Table:
    """Our row, when there is one, and the published rows."""
    aus = {column: f"AU{column}" for column in frame.columns if column.isdigit()}
    titles = {"method": "method", **aus, "mean": "mean", "source": "source"}
    frame = pl.concat([_own_row(report, list(aus)), frame], how="diagonal_relaxed") if report.test else frame
    marks = pl.when(pl.col("average_inconsistent") == 1).then(pl.format("{} *", "method")).otherwise("method")
    marked = frozenset(at for at, mark in enumerate(frame["average_inconsistent"]) if mark)
    formats = dict.fromkeys([*aus, "mean"], text.percent)
    remark = pl.when(pl.col("note") != "").then(pl.format("{} ({})", "source", "note")).otherwise("source")
    shown = frame.with_columns(method=marks, source=remark)
    return table("published", shown, titles, formats, marked, f"Published F1 on {report.spec.dataset}, by name")


def _own_row(report: StudyReport, columns: list[str]) -> pl.DataFrame:
    """This study's test F1 in the form of a published row."""
    assert report.test is not None
    scores = dict(report.test.au.select(pl.col("au").cast(pl.String), "f1").iter_rows())
    row = {column: scores.get(column) for column in columns} | {"mean": report.test.f1.value}
    note = f"test, {report.finals.selection} choice, threshold 0.5, mean of folds"
    words = {"method": "this study", "note": note, "source": "this page"}
    return pl.DataFrame([words | row])
