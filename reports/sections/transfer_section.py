"""Transfer between datasets, from the transfer studies that include this study."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from reports.figures import heat, transfer_figures
from reports.frames import text
from reports.frames.intervals import difference_words, interval_words
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Paragraph, Section, figure, table
from reports.html.columns import FORMATS, numbers_table, title_of
from study.experiments.cross_dataset.transfer import COMMON, PAIR, Transfer

_METRICS = {
    "f1": (
        "F1",
        "F1 at threshold 0.5 on all frames of the target; on the training dataset the mean of its test parts.",
        heat.F1,
    ),
    "auc": ("AUC", "Area under the ROC curve, which needs no threshold.", heat.AUC),
    "retention_f1": (
        "Retention of F1",
        "F1 as a percentage of the F1 of the target's own detectors of the same method.",
        heat.RETENTION,
    ),
    "retention_auc": (
        "Retention of AUC",
        "AUC as a percentage of the AUC of the target's own detectors of the same method.",
        heat.RETENTION,
    ),
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
    # 0 by definition where both configurations are the same trials: no number with an interval
    tested = pl.col("regret_low") < pl.col("regret_high")
    ends = {end: pl.when(tested).then(pl.col(f"regret_{end}")) for end in ("low", "high")}
    shown = frame.select("source", "target", "n_seeds", method=pl.lit(""), value="regret", **ends)
    others = shown.filter(pl.col("source") != pl.col("target"))
    caption = (
        f"Hyper-parameter transfer study {name}: regret in points of test F1. The configuration that the study of the "
        "row found is compared with that of the study of the column; both are trained on the dataset of the latter. "
        f"{interval_words(others, compares=True)}"
    )
    label, titles = f"regret-{number}", ("configuration of", "trained and scored on the dataset of")
    drawing = transfer_figures.matrices(shown, heat.REGRET, titles)
    return figure(label, f"Regret of configurations, {name}", caption, drawing, numbers_table(label, frame))


def _study(number: int, name: str, study: Transfer) -> Iterator[Block]:
    found = with_seeds(study.table, study.scores.filter(pl.col("against").is_null()))
    yield Paragraph(
        f"Transfer study {name}: {text.listing(_datasets(found))}; methods {text.listing(_methods(found))}."
    )
    listed = ", ".join(map(str, study.spec.common_aus))
    yield Paragraph(
        "Rows: training dataset; columns: test dataset. Coding rules differ between datasets, and a different base "
        f"rate alone changes F1. AUs that all datasets code: {listed or 'none'}."
    )
    kinds = _kinds(found)
    for metric in _METRICS:
        for kind in kinds:
            label = f"transfer-{number}-{metric.replace('_', '-')}" + (
                "-common" if kind == COMMON and kinds[1:] else ""
            )
            yield from _matrices(label, name, means(found, metric, kind), metric)
    yield from _by_au(f"transfer-{number}-aus", name, found)
    yield from _rules(f"transfer-{number}-rules", name, found)
    yield from _tests(f"transfer-{number}-tests", name, with_seeds(study.tests, study.scores.drop_nulls("against")))


def with_seeds(frame: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the number of training seeds of its rows, which are those of `scores`."""
    return frame.with_columns(scores["n_seeds"])


def _kinds(scores: pl.DataFrame) -> list[str]:
    """The sets of AUs to show: the common AUs first; those of each pair only where they are others."""
    common, pairs = ({*scores.filter(aus_kind=kind)["aus"]} for kind in (COMMON, PAIR))
    return ([COMMON] if common else []) + ([PAIR] if pairs - common else [])


def _datasets(scores: pl.DataFrame) -> list[str]:
    return sorted({*scores["source"], *scores["target"]})


def _methods(scores: pl.DataFrame) -> list[str]:
    return scores["method"].unique().sort().to_list()


def means(scores: pl.DataFrame, metric: str, aus_kind: str) -> pl.DataFrame:
    """Means over AUs of one metric at threshold 0.5: method, source, target, aus, value, low, high, n_seeds."""
    chosen = scores.filter(pl.col("au").is_null(), metric=metric, aus_kind=aus_kind, rule=RULE)
    columns = ("method", "source", "target", "aus_kind", "aus", "value", "low", "high", "n_seeds")
    return chosen.select(columns).sort("method", "source", "target")


def _matrices(label: str, name: str, frame: pl.DataFrame, metric: str) -> Iterator[Block]:
    if not frame["value"].count():
        return
    title, caption, scale = _METRICS[metric]
    title += " on the common AUs" if frame["aus_kind"][0] == COMMON else " on the AUs of each pair"
    drawing = transfer_figures.matrices(frame, scale)
    best = frame.drop_nulls("value").sort("value").row(-1, named=True)
    alt = f"The highest is {text.percent(best['value'])}, {best['method']} from {best['source']} to {best['target']}."
    words = f"{caption} {_average(frame)} {interval_words(frame, compares=metric.startswith('retention'))}"
    yield figure(label, f"{title}, {name}", words, drawing, numbers_table(label, frame), alt=alt)


def _average(frame: pl.DataFrame) -> str:
    """Over which AUs the cells of a matrix are means."""
    sets = frame["aus"].unique(maintain_order=True).to_list()
    if frame["aus_kind"][0] == COMMON and len(sets) == 1:
        return f"Mean over the same AUs in every cell: {sets[0]}."
    if frame["aus_kind"][0] == COMMON:
        return f"Mean over the AUs that all datasets code, without those that are undefined there: {'; '.join(sets)}."
    # the table below has the AUs of all cells
    own = frame.filter(pl.col("source") == pl.col("target")).unique(["source", "aus"], maintain_order=True)
    diagonal = "; ".join(f"{source}: {aus}" for source, aus in own.select("source", "aus").iter_rows())
    return (
        "Mean over the AUs that both datasets code, so cells have different AUs: do not compare them along a row or a "
        "column." + (f" The diagonal has all AUs of its dataset ({diagonal})." if diagonal else "")
    )


def _by_au(label: str, name: str, scores: pl.DataFrame) -> Iterator[Block]:
    chosen = scores.filter(
        pl.col("metric").is_in(["f1", "always_positive"]),
        pl.col("aus_kind") == PAIR,
        pl.col("au").is_not_null(),
        pl.col("rule") == RULE,
        pl.col("source") != pl.col("target"),
    )
    frame = chosen.select("method", "source", "target", "metric", "au", "value", "low", "high", "n_seeds")
    f1 = frame.filter(metric="f1")
    if f1["value"].count():
        caption = (
            "F1 of every AU that both datasets code, on the target; one panel for each pair of datasets. Grey: "
            f"always-positive, the same for all methods. {interval_words(f1)}"
        )
        drawing = transfer_figures.au_dots(frame)
        yield figure(label, f"F1 by AU, {name}", caption, drawing, numbers_table(label, frame))


def _rules(label: str, name: str, scores: pl.DataFrame) -> Iterator[Block]:
    chosen = scores.filter(pl.col("au").is_null(), pl.col("source") != pl.col("target"), metric="f1", aus_kind=PAIR)
    frame = chosen.select("method", "source", "target", "rule", "value", "low", "high", "n_seeds")
    if frame["rule"].n_unique() > 1:
        caption = (
            "Mean F1 over the AUs that both datasets of a panel code, by threshold rule: 0.5; chosen on the validation "
            "subjects of the source; set so that the share of detected frames equals the base rate of the target; "
            f"oracle, chosen on the test frames of the target. {interval_words(frame)}"
        )
        drawing = transfer_figures.rules(frame)
        yield figure(label, f"Threshold rules, {name}", caption, drawing, numbers_table(label, frame))


def _tests(label: str, name: str, tests: pl.DataFrame) -> Iterator[Block]:
    if tests.height:
        yield Paragraph(
            "Differences between methods on the same subjects. "
            f"{difference_words(tests, 'difference')} p (Holm) is corrected for "
            "all tests of the table."
        )
        caption = f"Paired differences between methods, {name}"
        titles = {column: title_of(column) for column in tests.columns}
        formats = dict.fromkeys(("low", "high"), text.points)
        shown = table(label, tests, titles, FORMATS | formats, caption=caption)
        yield replace(shown, folded=tests.height > 20)
