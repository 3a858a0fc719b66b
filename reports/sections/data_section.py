"""The data: subjects, base rates, frames that are not coded, and differences between folds."""

from collections.abc import Iterator

import polars as pl

from data.aus import AU_NAMES
from reports.figures import data_figures
from reports.frames import text
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Paragraph, Section, figure, picture_block
from reports.html.columns import numbers_table
from study.scoring.bootstrap import CONFUSION


def data_section(report: StudyReport) -> Section | None:
    """Labels of the frame store if it is available, else of the test frames of the final trials."""
    labels = report.materials.labels
    source = "All frames of the frame store."
    if labels is None:
        labels, source = _labels_of(report.final_counts), "The coded test frames of the final trials."
    if labels.is_empty():
        return None
    blocks = [Paragraph(_size(labels, source)), *_rates(labels), *_shift(labels)]
    blocks += [picture_block(f"sheet-{at}", *sheet) for at, sheet in enumerate(report.materials.pictures)]
    return Section("data", "Data", blocks)


def _labels_of(counts: pl.DataFrame) -> pl.DataFrame:
    """subject, fold, au, frames, coded, active of the test parts; counts exclude frames that are not coded."""
    # all seeds of a fold score the same frames
    first = counts.filter(pl.col("split") == "test").unique(
        ["fold", "subject", "au"], keep="first", maintain_order=True
    )
    coded = pl.sum_horizontal(*CONFUSION)
    return first.select(
        "subject", "fold", "au", frames=pl.lit(None, pl.Int64), coded=coded, active=pl.col("tp") + pl.col("fn")
    ).sort("fold", "subject", "au")


def _size(labels: pl.DataFrame, source: str) -> str:
    people = labels["subject"].n_unique()
    words = f"{source} {text.plural(people, 'subject')}"
    frames = labels.unique(["subject", "fold"]).select(pl.col("frames").sum()).item()
    return f"{words}, {frames:,} frames." if frames else f"{words}."


def base_rates_section(labels: pl.DataFrame) -> pl.DataFrame:
    """One row for each AU: coded, active and not coded frames, base rate, its lowest and highest value of a subject."""
    of_each = pl.col("active") / pl.col("coded")
    return (
        labels.group_by("au", maintain_order=True)
        .agg(
            coded=pl.col("coded").sum(),
            active=pl.col("active").sum(),
            # counts of final trials have no total number of frames
            not_coded=pl.when(pl.col("frames").count() == 0)
            .then(None)
            .otherwise((pl.col("frames") - pl.col("coded")).sum()),
            base_rate=pl.when(pl.col("coded").sum() > 0).then(pl.col("active").sum() / pl.col("coded").sum()),
            least=of_each.filter(pl.col("coded") > 0).min(),
            most=of_each.filter(pl.col("coded") > 0).max(),
            subjects=(pl.col("active") > 0).sum(),
        )
        .sort("au")
        .with_columns(name=pl.col("au").replace_strict(AU_NAMES, default="", return_dtype=pl.String))
    )


def _rates(labels: pl.DataFrame) -> Iterator[Block]:
    frame = base_rates_section(labels)
    caption = (
        "Share of coded frames in which the AU is active. Bar: all frames. Triangles: the subjects with the lowest "
        "and the highest share, which are no interval."
    )
    rarest = frame.drop_nulls("base_rate").sort("base_rate").head(1)
    alt = f"The rarest is AU{rarest['au'][0]} with {text.percent(rarest['base_rate'][0])}." if rarest.height else ""
    shown = frame.select(
        "au", "name", "coded", "not_coded", "active", "base_rate", "least", "most", subjects_with_it="subjects"
    )
    yield figure(
        "base-rates", "Base rates", caption, data_figures.base_rates(frame), numbers_table("base-rates", shown), alt=alt
    )


def shift_section(labels: pl.DataFrame) -> pl.DataFrame:
    """One row for each fold and AU: base rate of its test part, and its difference to that of all other folds."""
    sums = labels.group_by("fold", "au").agg(pl.col("coded", "active").sum())
    rest = [(pl.col(name).sum().over("au") - pl.col(name)).alias(f"other_{name}") for name in ("coded", "active")]
    rate = pl.when(pl.col("coded") > 0).then(pl.col("active") / pl.col("coded"))
    other = pl.when(pl.col("other_coded") > 0).then(pl.col("other_active") / pl.col("other_coded"))
    return (
        sums.with_columns(rest)
        .select("fold", "au", "coded", "active", base_rate=rate, difference=rate - other)
        .sort("fold", "au")
    )


def _shift(labels: pl.DataFrame) -> Iterator[Block]:
    frame = shift_section(labels)
    # with one fold there are no other subjects to compare with
    if frame["fold"].n_unique() < 2:
        return
    caption = (
        "Base rate of each fold's test subjects minus that of all other subjects, in points. A detector of this fold "
        "is trained on other subjects and tested with this shift."
    )
    yield figure(
        "fold-shift", "Shift between folds", caption, data_figures.shift(frame), numbers_table("fold-shift", frame)
    )
