"""The search: how it went, which parameters mattered, where the time went."""

from collections.abc import Iterator

import polars as pl

from reports.figures import figures, search_figures, space_figures
from reports.frames import series, text, usage
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Paragraph, Section, figure
from reports.html.columns import numbers_table

POINTS, LINES, BARS, MOST_CURVES = 2_000, 300, 1_500, 150  # trials that a figure draws at most


def search_section(report: StudyReport) -> Section | None:
    """How the search went, which parameters mattered, and what it used; of final trials alone, what those used."""
    blocks: list[Block] = []
    if report.sweep.height:
        blocks += [*_folds(report), *_history(report), *_curves(report), *_pareto(report), *_importance(report)]
        blocks += _parameter_figures(report)
        blocks += _rungs(report)
    else:
        blocks += _curves(report)
    blocks += [*_timeline(report), *_hours(report)]
    return Section("search", "Search", blocks) if blocks else None


def _folds(report: StudyReport) -> Iterator[Block]:
    if len(report.folds) > 1:
        yield Paragraph(
            f"{len(report.folds)} folds were searched, each by itself: {text.listing(report.folds)}. Their trials are "
            "scored on different people and are compared within their fold only."
        )


def drawn(part: pl.DataFrame, whole: pl.DataFrame) -> str:
    """What a figure leaves out, as a sentence for its caption; nothing when it has all."""
    shown, all_ = part["key"].n_unique(), whole["key"].n_unique()
    return f" Drawn: {shown:,} of {all_:,} trials, the best and an even choice of the others." if shown < all_ else ""


def _first(frame: pl.DataFrame, score: str = "value") -> pl.Series:
    """The best hundred trials, which are always drawn."""
    return frame.sort(score, descending=True, nulls_last=True)["trial"].unique(maintain_order=True).head(100)


def _history(report: StudyReport) -> Iterator[Block]:
    history = series.history_frame(report.sweep)
    table = numbers_table("history", history, "Every trial of the search")
    if not history["value"].count():
        yield table
        return
    part = series.thinned(history, POINTS, _first(history))
    caption = (
        "Each trial in the order of its start. Pruned trials were ended early, their value is not comparable; "
        f"the line follows finished trials only.{drawn(part, history)}"
    )
    best = [
        f"{text.percent(best['value'])} (trial {best['trial']}, fold {fold})" for fold, best in report.bests.items()
    ]
    alt = f"{history.height:,} trials; best {report.objective}: {', '.join(best) or 'none finished'}."
    drawing = figures.history(part, report.objective)
    yield figure("history", "Search history", caption, drawing, table, alt=alt)


def _curves(report: StudyReport) -> Iterator[Block]:
    trials = report.sweep if report.sweep.height else report.finals.runs
    frame = series.curves_frame(report.epochs, trials, [best["key"] for best in report.bests.values()])
    if frame.is_empty():
        return
    part = series.thinned(frame, MOST_CURVES, _first(frame.filter("best")) if report.bests else None)
    caption = (
        "Objective on validation subjects after every epoch, one line a trial. The score of a finished trial is taken "
        "after training, with its own linear evaluation where the method has one, and can differ from the curve."
        f"{drawn(part, frame)}"
    )
    drawing = figures.curves(part, report.objective)
    rounded = frame.with_columns(pl.col("value", "loss").round_sig_figs(7))  # it is the largest table of all
    yield figure("curves", "Learning curves", caption, drawing, numbers_table("curves", rounded.drop("key", "best")))


def _pareto(report: StudyReport) -> Iterator[Block]:
    frame = report.tradeoff
    if frame.height < 2:
        return
    x, y = report.objectives[:2]
    caption = (
        f"Two objectives of every finished trial, {x} and {y}. On the line: trials that no other trial of their fold "
        "is better than in one without being worse in the other."
    )
    part = series.thinned(frame, POINTS, frame.filter("front")["trial"])
    table = numbers_table("pareto", frame.rename({"x": x, "y": y}))
    drawing = search_figures.pareto(part, x, y)
    yield figure("pareto", "Trade-off of the objectives", caption + drawn(part, frame), drawing, table)


def _importance(report: StudyReport) -> Iterator[Block]:
    frame = report.importance
    if frame.is_empty():
        yield Paragraph("Parameter importance needs at least four finished trials.")
        return
    caption = (
        "PED-ANOVA over finished trials: how strongly a parameter alone separates the good trials from the rest. "
        "With few trials this is a hint, and parameters that matter only together are underrated."
    )
    first = series.ranking(frame)[0]
    shown = frame.drop("fold") if frame["fold"].n_unique() == 1 else frame
    drawing, alt = figures.importance(frame), f"The most important parameter is {first}."
    yield figure("importance", "Parameter importance", caption, drawing, numbers_table("importance", shown), alt=alt)


def _parameter_figures(report: StudyReport) -> Iterator[Block]:
    values = series.trial_parameters(report.sweep)
    if values.height < 2:
        yield Paragraph("Fewer than two finished trials: there is nothing to compare parameters by.")
        return
    axes = series.coordinates(values, report.search.space)
    if axes.is_empty():
        return
    yield from _slices(report, axes)
    if axes["parameter"].n_unique() > 1:
        yield from _parallel(report, axes, values)
        yield from _pairs(report, axes)
    yield from _ratios(report, values)


def _slices(report: StudyReport, axes: pl.DataFrame) -> Iterator[Block]:
    part = series.thinned(axes, POINTS // 4, _first(axes, "score"))
    caption = f"One dot a finished trial, one panel a parameter, the most important first.{drawn(part, axes)}"
    drawing = search_figures.slices(part, series.ranking(report.importance), report.objective)
    table = numbers_table("slices", axes.select("trial", "fold", "parameter", setting="shown", objective="score"))
    yield figure("slices", "The objective by parameter", caption, drawing, table)


def _parallel(report: StudyReport, axes: pl.DataFrame, values: pl.DataFrame) -> Iterator[Block]:
    part = series.thinned(axes, LINES, _first(axes, "score"))
    caption = (
        "One line a finished trial, orange is best. Every axis runs from the lowest to the highest value; a trial "
        f"without a parameter has no point there.{drawn(part, axes)}"
    )
    width = 120 * axes["parameter"].n_unique() + 120
    drawing = space_figures.parallel(part, report.objective)
    yield figure(
        "parameters", "Parameters of finished trials", caption, drawing, numbers_table("parameters", values), width
    )


def _pairs(report: StudyReport, axes: pl.DataFrame) -> Iterator[Block]:
    frame = series.pairs_frame(axes, report.importance)
    if frame.is_empty():
        return
    part = series.thinned(frame, POINTS // 2, _first(frame, "score"))
    caption = (
        "The most important numeric parameters two by two, one dot a finished trial, orange is best. Nothing is "
        f"interpolated: where there is no dot, nothing was tried.{drawn(part, frame)}"
    )
    drawing, width = search_figures.pairs(part, report.objective), 300 * frame["x_parameter"].n_unique() + 100
    yield figure(
        "pairs", "Parameters in pairs", caption, drawing, numbers_table("pairs", frame.drop("x_log", "y_log")), width
    )


def _ratios(report: StudyReport, values: pl.DataFrame) -> Iterator[Block]:
    ratios = series.ratios(values)
    if ratios.is_empty():
        return
    part = series.thinned(ratios, POINTS // 2, _first(ratios))
    caption = f"Shares of the kinds of positive pairs; a corner is one kind alone, orange is best.{drawn(part, ratios)}"
    drawing = space_figures.ternary(part, report.objective)
    yield figure("ratios", "Pair-sampling ratios", caption, drawing, numbers_table("ratios", ratios))


def _rungs(report: StudyReport) -> Iterator[Block]:
    frame = usage.rungs_frame(report.sweep, report.search.pruning, report.spec.epochs)
    if frame.is_empty():
        return
    caption = "ASHA compares trials at these numbers of epochs and stops those that fall behind."
    ended = int(frame["pruned"].sum())
    alt = f"{report.sweep.height:,} trials began, {ended:,} were pruned."
    yield figure(
        "rungs", "Survival of the rungs", caption, search_figures.rungs(frame), numbers_table("rungs", frame), alt=alt
    )


def _timeline(report: StudyReport) -> Iterator[Block]:
    frame = usage.timeline_frame(report.trials, report.environments)
    if frame.is_empty():
        return
    part = frame.gather_every(-(-frame.height // BARS))
    caption = (
        "One bar a trial on the node that ran it, as long as the time spent on it; a trial that was interrupted and "
        "went on is drawn without its pause."
    )
    if part.height < frame.height:
        caption += f" Drawn: {part.height:,} of {frame.height:,} trials, evenly chosen."
    hosts = text.plural(frame["host"].n_unique(), "node")
    table = numbers_table("timeline", frame)
    alt = f"{frame.height:,} trials on {hosts} within {max(frame['ends']):.1f} hours."
    yield figure("timeline", "Trials by node", caption, search_figures.timeline(part), table, alt=alt)


def _hours(report: StudyReport) -> Iterator[Block]:
    frame = usage.hours_frame(report.trials, report.environments)
    for unit in frame["unit"].unique().sort().to_list():
        part = frame.filter(pl.col("unit") == unit)
        total = float(part["hours"].sum())
        lost = float(part.filter(pl.col("status") == "FAILED")["hours"].sum())
        share = "its threads" if unit == "core" else "its GPUs (a whole one where the trial does not say)"
        caption = (
            f"{total:,.1f} {unit}-hours in all, {lost:,.1f} of them in failed trials; a trial's time times {share}."
        )
        name, title = f"hours-{unit.lower()}", f"{unit[0].upper()}{unit[1:]}-hours used"
        yield figure(name, title, caption, search_figures.hours(part), numbers_table(name, part), alt=caption)
