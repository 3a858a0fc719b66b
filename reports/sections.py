"""The sections after the summary: figures and tables, each with the words that say how to read it."""

import json
from dataclasses import replace

import polars as pl

from data.aus import DATASET_AUS
from reports import figures, series, space_figures, tables, text
from reports.blocks import Block, Paragraph, Section, Table, Verbatim, figure, table
from reports.report import Report
from reports.tables import Evaluation
from study.stats import REPLICATES

AU_TITLES = {
    "au": "AU",
    "name": "name",
    "positives": "positives",
    "base_rate": "base rate %",
    "f1": "F1 %",
    "low": "low",
    "high": "high",
    "always_positive": "always-positive %",
    "lift": "lift",
    "precision": "precision %",
    "recall": "recall %",
}
SCORES = ("base_rate", "f1", "low", "high", "always_positive", "precision", "recall", "test_f1", "val_f1")
FORMATS = {
    **dict.fromkeys((*SCORES, "value", "best_so_far", "seed_sd", "importance"), text.percent),
    "lift": text.points,
    "positives": text.count,
    "frames": text.count,
    "seconds": text.duration,
    "nested": lambda nested: "yes" if nested else "",
}
FEW_SUBJECTS = 10  # below, percentile intervals of a bootstrap cover visibly less than they say
PROTOCOLS = (
    "Printed by the authors or copied by later papers, not run here, and not ranked: the rows differ in folds, in the "
    "rule that chose the epoch (often the test fold itself), in threshold, alignment, pre-training, temporal input and "
    "in the frames that count. A difference of a few points between rows, or to this study, means little. "
    "* the printed average is not the mean of the printed AUs (row tinted). In percent."
)


def search(report: Report) -> Section | None:
    """How the search went, and which parameters mattered."""
    if report.sweep.is_empty():
        return None
    history = series.history(report.sweep)
    caption = (
        "Each trial in the order of its start. Pruned trials were ended early, their value is not comparable; "
        "the line follows finished trials only."
    )
    numbers = _numbers("history", history)
    blocks: list[Block] = [numbers]
    if history["value"].count():
        drawing = figures.history(history, report.objective)
        blocks = [figure("history", "Search history", caption, drawing, numbers)]
    blocks += _importance(report)
    values = series.trial_parameters(report.sweep)
    if values.height < 2:
        words = "Fewer than two finished trials: there is nothing to compare parameters by."
        return Section("search", "Search", [*blocks, Paragraph(words)])
    return Section("search", "Search", [*blocks, *_parameter_figures(report, values)])


def _importance(report: Report) -> list[Block]:
    frame = report.importance
    if frame.is_empty():
        return [Paragraph("Parameter importance needs at least four finished trials.")]
    caption = (
        "PED-ANOVA over finished trials: how strongly a parameter alone separates the good trials from the rest. "
        "With few trials this is a hint, and parameters that matter only together are underrated."
    )
    numbers = _numbers("importance", frame)
    return [figure("importance", "Parameter importance", caption, figures.importance(frame), numbers)]


def _parameter_figures(report: Report, values: pl.DataFrame) -> list[Block]:
    blocks: list[Block] = []
    numbers = _numbers("parameters", values)
    axes = series.coordinates(values, report.study["space"])
    if axes.height and axes["parameter"].n_unique() == 1:
        caption = "One dot a finished trial."
        drawing = space_figures.single(axes, values[tables.PARAM + axes["parameter"][0]], report.objective)
        blocks.append(figure("parameters", "The parameter and the objective", caption, drawing, numbers))
    elif axes.height:
        caption = "One line a finished trial, orange is best. Every axis runs from the lowest to the highest value."
        drawing = space_figures.parallel(axes, report.objective)
        width = 120 * axes["parameter"].n_unique() + 120
        blocks.append(figure("parameters", "Parameters of finished trials", caption, drawing, numbers, width))
    ratios = series.ratios(values)
    if ratios.height:
        caption = "Shares of the kinds of positive pairs; a corner is one kind alone, orange is best."
        drawing = space_figures.ternary(ratios, report.objective)
        numbers = _numbers("ratios", ratios)
        blocks.append(figure("ratios", "Pair-sampling ratios", caption, drawing, numbers))
    return blocks


def _numbers(name: str, frame: pl.DataFrame) -> Table:
    titles = {column: column.removeprefix(tables.PARAM).replace("_", " ") for column in frame.columns}
    percents = {column: f"{title} %" for column, title in titles.items() if FORMATS.get(column) is text.percent}
    return table(name, frame, titles | percents, FORMATS)


def learning(report: Report) -> Section | None:
    """Learning curves of the sweep; of the final trials when there was no sweep."""
    trials = report.sweep if report.sweep.height else report.finals.runs
    frame = series.curves(report.epochs, trials, report.best["key"] if report.best else None)
    if frame.is_empty():
        return None
    drawing = figures.curves(frame, report.objective)
    numbers = _numbers("curves", frame.drop("key", "best"))
    caption = (
        "Objective on validation subjects after every epoch, one line a trial. The score of a finished trial is taken "
        "after training, with its own linear evaluation where the method has one, and can differ from the curve."
    )
    block = figure("curves", "Validation objective by epoch", caption, drawing, numbers)
    return Section("learning", "Learning curves", [block])


def val_aus(report: Report) -> Section | None:
    """Per-AU F1 of the sweep's best trial."""
    if report.val is None or report.best is None:
        return None
    warning = (
        f"Sweep: trial {report.best['trial']} on the validation subjects of fold {report.best['fold']}. It was "
        "chosen on these same subjects: the numbers are optimistic and not to be quoted."
    )
    blocks = [Paragraph(warning, "note"), *_au_blocks("val-aus", report.val)]
    return Section("val-aus", "Per-AU F1, validation", blocks)


def test_aus(report: Report) -> Section | None:
    """Per-AU F1 of the final trials."""
    if report.test is None:
        return None
    folds = f"{text.plural(len(report.test.folds), 'fold')}, {text.plural(report.test.seeds, 'seed')}"
    words = f"Final trials on test subjects ({folds}): F1 of every fold and seed, mean over seeds, mean over folds."
    return Section("test-aus", "Per-AU F1, test", [Paragraph(words), *_au_blocks("test-aus", report.test)])


def _au_blocks(name: str, evaluation: Evaluation) -> list[Block]:
    caption = (
        f"Bars: F1 with the 95 % percentile interval of {REPLICATES:,} subject bootstraps inside each fold "
        "(what another draw of subjects would change; not another training run). Orange: always-positive."
    )
    if evaluation.fewest < FEW_SUBJECTS:
        caption += f" With {evaluation.fewest} subjects in a fold the intervals are too narrow."
    if not evaluation.has_interval:
        caption = "Bars: F1; one subject allows no interval. Orange: the always-positive detector."
    numbers = table(name, evaluation.au, AU_TITLES, FORMATS)
    bars = figure(name, "F1 of every AU", caption, figures.au_bars(evaluation.au), numbers)
    blocks: list[Block] = [replace(bars, unfolded=True)]
    if evaluation.undefined:
        names = ", ".join(f"AU{au}" for au in evaluation.undefined)
        words = f"F1 is undefined, and in no mean, for {names}: never active there and never predicted."
        blocks.append(Paragraph(words, "note"))
    return blocks


def final(report: Report) -> Section | None:
    """The final trials fold by fold and seed by seed."""
    if report.test is None:
        return None
    fold = str(report.study["fold"])
    spread = tables.fold_seed_spread(report.final_counts, report.aus, fold)
    means = tables.fold_means(spread)
    words = (
        f"The configuration was chosen once, on validation subjects of the sweep's fold ({fold}). Validation subjects "
        "of that fold can be test subjects of other folds, so only the row of that fold is fully nested; it is marked."
    )
    pooled = report.test.pooled
    aggregate = (
        f"Mean of folds {text.percent(report.test.f1.value)}; pooled over all folds and seeds "
        f"{text.percent(pooled.value)} ({text.span(pooled.low, pooled.high)}). Both are in use, and they differ."
    )
    caption = "Test F1, mean over AUs, of every final trial."
    numbers = table("fold-seeds", spread, _spread_titles(), FORMATS, _marked(spread))
    block = figure("fold-seeds", "Folds and seeds", caption, figures.fold_dots(spread), numbers)
    shown = table("folds", means, _fold_titles(), FORMATS, _marked(means))
    return Section("final", "Final evaluation", [Paragraph(words, "note"), shown, Paragraph(aggregate), block])


def _spread_titles() -> dict[str, str]:
    scores = {"val_f1": "validation F1 %", "test_f1": "test F1 %", "always_positive": "always-positive %"}
    return {"fold": "fold", "seed": "seed", "subjects": "subjects", **scores, "lift": "lift", "nested": "nested"}


def _fold_titles() -> dict[str, str]:
    scores = {"test_f1": "test F1 %", "seed_sd": "sd over seeds", "always_positive": "always-positive %"}
    return {"fold": "fold", "seeds": "seeds", "subjects": "subjects", **scores, "nested": "nested"}


def _marked(frame: pl.DataFrame) -> frozenset[int]:
    return frozenset(at for at, nested in enumerate(frame["nested"]) if nested)


def published(report: Report) -> Section | None:
    """What the literature prints for this dataset, under other protocols."""
    dataset = str(report.study["dataset"])
    if dataset not in DATASET_AUS:
        return None
    frame = tables.published(dataset)
    if frame.is_empty():
        words = f"No complete published table of per-AU F1 for {dataset} is at hand."
        return Section("published", "Published numbers", [Paragraph(words)])
    aus = {column: f"AU{column}" for column in frame.columns if column.isdigit()}
    titles = {"method": "method", **aus, "mean": "mean", "source": "source"}
    frame = pl.concat([_own_row(report, list(aus)), frame], how="diagonal_relaxed") if report.test else frame
    marks = pl.when(pl.col("average_inconsistent") == 1).then(pl.format("{} *", "method")).otherwise("method")
    marked = frozenset(at for at, mark in enumerate(frame["average_inconsistent"]) if mark)
    formats = dict.fromkeys([*aus, "mean"], text.percent)
    remark = pl.when(pl.col("note") != "").then(pl.format("{} ({})", "source", "note")).otherwise("source")
    shown = table("published", frame.with_columns(method=marks, source=remark), titles, formats, marked)
    return Section("published", "Published numbers", [Paragraph(PROTOCOLS, "note"), shown])


def _own_row(report: Report, columns: list[str]) -> pl.DataFrame:
    """This study's test F1 in the form of a published row."""
    assert report.test is not None
    scores = dict(report.test.au.select(pl.col("au").cast(pl.String), "f1").iter_rows())
    row = {column: scores.get(column) for column in columns} | {"mean": report.test.f1.value}
    words = {"method": "this study", "note": "test, mean of folds", "source": "this page"}
    return pl.DataFrame([words | row])


def provenance(report: Report) -> Section:
    """Where the numbers come from."""
    rows = [(text.clean(name), text.clean(value)) for name, value in report.provenance.items()]
    facts = pl.DataFrame(rows, schema={"what": pl.String, "value": pl.String}, orient="row")
    blocks: list[Block] = [table("provenance", facts, {"what": "what", "value": "value"})]
    for title, part in (("Search space", "space"), ("Resolved configuration", "config")):
        written = json.dumps(report.study[part], indent=2, ensure_ascii=False, default=str)
        blocks.append(Verbatim(title, written))
    return Section("provenance", "Provenance", blocks)


def failed(report: Report) -> Section | None:
    """The failed trials with the end of their errors."""
    frame = tables.failures(report.trials)
    if frame.is_empty():
        return None
    words = f"{text.plural(frame.height, 'trial')} failed. They count nowhere above; here is how each error ends."
    return Section("failed", "Failed trials", [Paragraph(words), table("failed", frame)])
