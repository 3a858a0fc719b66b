"""Transfer between datasets, from the transfer studies that include this study."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from reports.figures import transfer_figures
from reports.frames import text
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Paragraph, Section, figure, table
from reports.html.columns import FORMATS, numbers_table, title_of
from study.experiments.cross_dataset.transfer import Transfer

_METRICS = {
    "f1": (
        "F1",
        "F1 at threshold 0.5 on all frames of the target; on the training dataset the mean of its test parts.",
    ),
    "auc": ("AUC", "Area under the ROC curve, which needs no threshold."),
    "retention_f1": ("Retention of F1", "F1 as a percentage of the F1 of the target's own detectors."),
    "retention_auc": ("Retention of AUC", "AUC as a percentage of the AUC of the target's own detectors."),
}
RULE = "0.5"


def transfer_section(report: StudyReport) -> Section | None:
    """The transfer and regret studies in the folder of this study; None when there are none."""
    found = report.neighbours
    blocks: list[Block] = [Paragraph(words, "note") for words in found.problems]
    for number, (name, study) in enumerate(found.transfers, start=1):
        blocks += _study(number, name, study)
    for number, (name, frame) in enumerate(found.regret, start=1):
        blocks.append(_regret(number, name, frame))
    return Section("transfer", "Transfer to other datasets", blocks) if blocks else None


def _regret(number: int, name: str, frame: pl.DataFrame) -> Block:
    caption = (
        f"Hyper-parameter transfer study {name}: regret in points of test F1. A configuration found on the dataset of "
        "the row is compared with the one found on the dataset of the column; both are trained on the latter."
    )
    drawing = transfer_figures.matrices(frame.select("source", "target", method=pl.lit(""), value="regret"))
    label = f"regret-{number}"
    return figure(label, f"Regret of configurations, {name}", caption, drawing, numbers_table(label, frame))


def _study(number: int, name: str, transfer_section: Transfer) -> Iterator[Block]:
    found = transfer_section.table
    yield Paragraph(
        f"Transfer study {name}: {text.listing(_datasets(found))}; methods {text.listing(_methods(found))}."
    )
    aus = found.filter(pl.col("aus_kind") == "common")["aus"].unique().sort().to_list()
    yield Paragraph(
        "Rows: training dataset; columns: test dataset. Coding rules differ between datasets, and a different base "
        f"rate alone changes F1. AUs that all datasets code: {', '.join(aus) or 'none'}."
    )
    for metric in _METRICS:
        yield from _matrices(f"transfer-{number}-{metric.replace('_', '-')}", name, found, metric)
    yield from _by_au(f"transfer-{number}-aus", name, found)
    yield from _rules(f"transfer-{number}-rules", name, found)
    yield from _tests(f"transfer-{number}-tests", name, transfer_section.tests)


def _datasets(scores: pl.DataFrame) -> list[str]:
    return sorted({*scores["source"], *scores["target"]})


def _methods(scores: pl.DataFrame) -> list[str]:
    return scores["method"].unique().sort().to_list()


def means(scores: pl.DataFrame, metric: str, aus_kind: str) -> pl.DataFrame:
    """Means over AUs of one metric at threshold 0.5: method, source, target, aus, value, low, high."""
    chosen = scores.filter(
        pl.col("metric") == metric, pl.col("aus_kind") == aus_kind, pl.col("au").is_null(), pl.col("rule") == RULE
    )
    return chosen.select("method", "source", "target", "aus", "value", "low", "high").sort("method", "source", "target")


def _matrices(label: str, name: str, scores: pl.DataFrame, metric: str) -> Iterator[Block]:
    title, caption = _METRICS[metric]
    frame = means(scores, metric, "pair")
    if frame["value"].count():
        drawing = transfer_figures.matrices(frame)
        words = f"{caption} Mean over the AUs that both datasets code."
        best = frame.drop_nulls("value").sort("value").row(-1, named=True)
        alt = (
            f"The highest is {text.percent(best['value'])}, {best['method']} from {best['source']} to {best['target']}."
        )
        yield figure(label, f"{title}, {name}", words, drawing, numbers_table(label, frame), alt=alt)


def _by_au(label: str, name: str, scores: pl.DataFrame) -> Iterator[Block]:
    chosen = scores.filter(
        pl.col("metric").is_in(["f1", "always_positive"]),
        pl.col("aus_kind") == "pair",
        pl.col("au").is_not_null(),
        pl.col("rule") == RULE,
        pl.col("source") != pl.col("target"),
    )
    frame = chosen.select("method", "source", "target", "metric", "au", "value", "low", "high")
    if frame.filter(pl.col("metric") == "f1")["value"].count():
        caption = "F1 of every common AU on the target, with always-positive; one panel for each pair of datasets."
        drawing = transfer_figures.au_dots(frame)
        yield figure(label, f"F1 by AU, {name}", caption, drawing, numbers_table(label, frame))


def _rules(label: str, name: str, scores: pl.DataFrame) -> Iterator[Block]:
    chosen = scores.filter(
        pl.col("metric") == "f1",
        pl.col("aus_kind") == "pair",
        pl.col("au").is_null(),
        pl.col("source") != pl.col("target"),
    )
    frame = chosen.select("method", "source", "target", "rule", "value", "low", "high")
    if frame["rule"].n_unique() > 1:
        caption = (
            "Mean F1 by threshold rule: 0.5; chosen on the validation subjects of the source; set so that the share of "
            "detected frames equals the base rate of the target; oracle, chosen on the test frames of the target."
        )
        drawing = transfer_figures.rules(frame)
        yield figure(label, f"Threshold rules, {name}", caption, drawing, numbers_table(label, frame))


def _tests(label: str, name: str, tests: pl.DataFrame) -> Iterator[Block]:
    if tests.height:
        words = (
            "Differences between methods on the same subjects, with intervals and p-values; p_holm has Holm's "
            "correction for the number of tests."
        )
        yield Paragraph(words)
        caption = f"Paired differences between methods, {name}"
        titles, formats = (
            {column: title_of(column) for column in tests.columns},
            dict.fromkeys(("low", "high"), text.points),
        )
        shown = table(label, tests, titles, FORMATS | formats, caption=caption)
        yield replace(shown, folded=tests.height > 20)
