"""The search: its history, the importance of parameters, and the compute time."""

from collections.abc import Iterator

import polars as pl

from reports.figures import figures, fold_figures, search_figures, space_figures
from reports.frames import series, text, usage
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Paragraph, Section, figure
from reports.html.columns import numbers_table
from study.search.importance import MIN_TRIALS

POINTS, LINES, BARS, MOST_CURVES = 2_000, 300, 1_500, 150  # most trials in a figure: with more, browsers become slow


def search_section(report: StudyReport) -> Section | None:
    """History, parameters and compute time of the search; without a search, curves and time of the final trials."""
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
            f"{len(report.folds)} folds were searched separately: {text.listing(report.folds)}. Trials of different "
            "folds are scored on different people, so compare trials within a fold only."
        )


def drawn(part: pl.DataFrame, whole: pl.DataFrame) -> str:
    """A sentence for the caption of a figure that shows only a part of the trials; empty if it shows all."""
    shown, all_ = part["key"].n_unique(), whole["key"].n_unique()
    if shown == all_:
        return ""
    return f" Shown: {shown:,} of {all_:,} trials, the best and an even selection of the others."


def _first(frame: pl.DataFrame, score: str = "value") -> pl.Series:
    """The best hundred trials, which a figure always shows."""
    return frame.sort(score, descending=True, nulls_last=True)["trial"].unique(maintain_order=True).head(100)


def _shade(report: StudyReport) -> tuple[str, str]:
    """What the colours of trials mean: the title of their scale, and a sentence for a caption."""
    if report.sweep["fold"].n_unique() == 1:
        return f"{report.objective} (%)", "Light is best."
    return "rank in its fold (100: best)", "The colour is the rank within the fold of a trial, light is best."


def _history(report: StudyReport) -> Iterator[Block]:
    history = series.history_frame(report.sweep)
    table = numbers_table("history", history, "Every trial of the search")
    if not history["value"].count():
        yield table
        return
    part = series.thinned(history, POINTS, _first(history))
    caption = (
        "The trials in the order of their start. Pruned trials were stopped early and their values are not comparable; "
        f"the line shows the best finished trial so far.{drawn(part, history)}"
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
        "Objective on validation subjects after every epoch, one line for each trial. The score of a finished trial is "
        "measured after training, for some methods after a linear evaluation, and can differ from the curve."
        f"{drawn(part, frame)}"
    )
    drawing = fold_figures.curves(part, report.objective)
    rounded = frame.with_columns(pl.col("value", "loss").round_sig_figs(7))  # the largest table of the page
    yield figure("curves", "Learning curves", caption, drawing, numbers_table("curves", rounded.drop("key", "best")))


def _pareto(report: StudyReport) -> Iterator[Block]:
    frame = report.tradeoff
    if frame.height < 2:
        return
    x, y = report.objectives[:2]
    caption = (
        f"Two objectives of every finished trial, {x} and {y}. The line is the Pareto front: no other trial of the "
        "fold is better in one objective without being worse in the other."
    )
    part = series.thinned(frame, POINTS, frame.filter("front")["trial"])
    table = numbers_table("pareto", frame.rename({"x": x, "y": y}))
    drawing = fold_figures.pareto(part, x, y)
    yield figure("pareto", "Trade-off of the objectives", caption + drawn(part, frame), drawing, table)


def _importance(report: StudyReport) -> Iterator[Block]:
    frame = report.importance
    if frame.is_empty():
        yield Paragraph(
            f"Parameter importance needs at least {MIN_TRIALS} finished or pruned trials of a fold, not all equal."
        )
        return
    beyond = [f"{name} (fold {fold})" for fold, name in frame.filter("beyond").select("fold", "parameter").iter_rows()]
    said = f"Beyond chance: {text.listing(beyond)}." if beyond else "No parameter is beyond chance."
    caption = (
        "PED-ANOVA over the finished and pruned trials of each fold: how strongly the values of one parameter in the "
        "best trials differ from its values in all trials. Two trials are compared at the last epoch that both "
        "reached. With scores shuffled among the trials, one figure in twenty has a bar beyond its limit: grey bars "
        f"are no findings. {said} Importance is too low for parameters that matter only in combination."
    )
    shown = frame.drop("fold") if frame["fold"].n_unique() == 1 else frame
    table = numbers_table("importance", shown)
    yield figure("importance", "Parameter importance", caption, fold_figures.importance(frame), table, alt=said)


def _parameter_figures(report: StudyReport) -> Iterator[Block]:
    values = series.trial_parameters(report.sweep)
    if values.height < 2:
        yield Paragraph("The figures of the parameters need at least two finished trials.")
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
    part, first = series.thinned(axes, POINTS // 4, _first(axes, "score")), series.ranking(report.importance)
    order = ", those beyond chance first" if first else ""
    caption = f"One dot for each finished trial, one panel for each parameter{order}.{drawn(part, axes)}"
    drawing = search_figures.slices(part, first, report.objective)
    table = numbers_table("slices", axes.select("trial", "fold", "parameter", setting="shown", objective="score"))
    yield figure("slices", "The objective by parameter", caption, drawing, table)


def _parallel(report: StudyReport, axes: pl.DataFrame, values: pl.DataFrame) -> Iterator[Block]:
    part = series.thinned(axes, LINES, _first(axes, "shade"))
    title, meaning = _shade(report)
    caption = (
        f"One line for each finished trial. {meaning} Every axis goes from the lowest to the highest value; a trial "
        f"without a parameter has no point on its axis.{drawn(part, axes)}"
    )
    width = 120 * axes["parameter"].n_unique() + 120
    drawing = space_figures.parallel(part, title)
    yield figure(
        "parameters", "Parameters of finished trials", caption, drawing, numbers_table("parameters", values), width
    )


def _pairs(report: StudyReport, axes: pl.DataFrame) -> Iterator[Block]:
    frame = series.pairs_frame(axes, report.importance)
    if frame.is_empty():
        return
    part = series.thinned(frame, POINTS // 2, _first(frame, "shade"))
    title, meaning = _shade(report)
    chosen = "those beyond chance first" if series.ranking(report.importance) else "as they are searched"
    caption = (
        f"Pairs of numeric parameters, {chosen}; one dot for each finished trial. {meaning} Nothing is interpolated: "
        f"an area without dots was not tried.{drawn(part, frame)}"
    )
    drawing, width = search_figures.pairs(part, title), 300 * frame["x_parameter"].n_unique() + 100
    yield figure(
        "pairs", "Parameters in pairs", caption, drawing, numbers_table("pairs", frame.drop("x_log", "y_log")), width
    )


def _ratios(report: StudyReport, values: pl.DataFrame) -> Iterator[Block]:
    ratios = series.ratios(values)
    if ratios.is_empty():
        return
    part = series.thinned(ratios, POINTS // 2, _first(ratios, "shade"))
    title, meaning = _shade(report)
    caption = f"Shares of the kinds of positive pairs; in a corner one kind has 100 %. {meaning}{drawn(part, ratios)}"
    drawing = space_figures.ternary(part, title)
    yield figure("ratios", "Pair-sampling ratios", caption, drawing, numbers_table("ratios", ratios))


def _rungs(report: StudyReport) -> Iterator[Block]:
    frame = usage.rungs_frame(report.sweep, report.search.pruning, report.spec.epochs)
    if frame.is_empty():
        return
    caption = "ASHA compares trials after these numbers of epochs and stops the worse ones."
    ended = int(frame["pruned"].sum())
    alt = f"{report.sweep.height:,} trials started, {ended:,} were pruned."
    yield figure(
        "rungs",
        "Trials left at each pruning rung",
        caption,
        search_figures.rungs(frame),
        numbers_table("rungs", frame),
        alt=alt,
    )


def _timeline(report: StudyReport) -> Iterator[Block]:
    frame = usage.timeline_frame(report.trials, report.environments)
    if frame.is_empty():
        return
    part = frame.gather_every(-(-frame.height // BARS))
    caption = (
        "One bar for each trial on the node that ran it, as long as the time spent on it; a trial that was interrupted "
        "and continued later is drawn without its pause."
    )
    if part.height < frame.height:
        caption += f" Shown: {part.height:,} of {frame.height:,} trials, evenly selected."
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
        share = "its threads" if unit == "core" else "its GPUs (one GPU if the trial does not record it)"
        caption = (
            f"{total:,.1f} {unit}-hours in total, {lost:,.1f} of them in failed trials: time of each trial × {share}."
        )
        name, title = f"hours-{unit.lower()}", f"{unit[0].upper()}{unit[1:]}-hours used"
        yield figure(name, title, caption, search_figures.hours(part), numbers_table(name, part), alt=caption)
