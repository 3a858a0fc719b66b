"""The final evaluation: the scores that may be reported, the selection of the configuration, and the errors."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from reports.figures import final_figures
from reports.frames import predicted, tables, text
from reports.frames.final_series import confusion_frame, headline, overall
from reports.frames.intervals import interval_words
from reports.frames.predicted import Predicted
from reports.frames.report import StudyReport
from reports.frames.split_scores import SplitEvaluation
from reports.html.blocks import Block, Paragraph, Section, figure, table
from reports.html.columns import FORMATS, numbers_table
from study.scoring.bootstrap import REPLICATES

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
_FEW_SUBJECTS = 10  # with fewer subjects in a fold, the caption warns the reader
MEANINGS = {
    "nested": "nested: each fold chose its configuration within its own training part; report this as the result",
    "shared": "shared: one configuration, chosen on one fold; its validation subjects are test subjects in other folds",
    "oracle": "oracle: chosen by the test score itself, as in many papers; never report this as a result",
    "bias": "bias: oracle minus nested, the gain from choosing on test subjects",
}


def final_section(report: StudyReport) -> Section | None:
    """Test scores of the final trials; None before them."""
    if report.test is None:
        return None
    blocks: list[Block] = [Paragraph(_how_chosen(report), "note"), *_of_the_search(report), *_overall(report)]
    blocks += [*_aus(report, report.test), *_folds(report, report.test), *_confusion(report)]
    if report.predicted is None:
        blocks.append(Paragraph(_no_predictions(report)))
    else:
        blocks += _predicted(report.predicted)
    return Section("final", "Final evaluation", blocks)


def _how_chosen(report: StudyReport) -> str:
    if report.finals.selection == "nested":
        return (
            "Every fold had its own search and is tested with its own configuration, so no test subject influenced the "
            "choice (nested)."
        )
    fold = report.folds[0]
    return (
        f"The configuration was chosen once, on validation subjects of the searched fold ({fold}). These can be test "
        "subjects of other folds, so only the row of that fold is fully nested; it is highlighted."
    )


def _of_the_search(report: StudyReport) -> Iterator[Block]:
    """A warning about final trials of former revisions, which had the seed of the search among theirs."""
    own = report.search.seed
    if own in report.finals.runs["seed"]:
        yield Paragraph(
            f"Seed {own} is that of the search: its run was chosen because it did well, in part by luck, and lifts the "
            f"mean. launch/final.py name={report.spec.name} trains other seeds.",
            "note",
        )


def _overall(report: StudyReport) -> Iterator[Block]:
    if report.scores.is_empty():
        return
    frame = overall(report.scores)
    known = [name for name in MEANINGS if name in set(frame["selection"])]
    yield Paragraph(f"{'. '.join(MEANINGS[name][0].upper() + MEANINGS[name][1:] for name in known)}.")
    chosen = frame.filter(pl.col("metric") == "f1", pl.col("aggregate") == "folds", pl.col("selection") != "bias")
    caption = (
        "Mean F1 over AUs, mean of folds, for each selection of the configuration and each threshold rule. Oracle "
        f"thresholds are chosen on the test frames. {interval_words(chosen)}"
    )
    best = headline(report.scores)
    alt = ""
    if best:
        words = f"{best['selection']} at threshold {best['rule']}"
        alt = f"The result to report, {words}, is {text.percent(best['value'])}."
    drawing = final_figures.selections(chosen)
    yield figure("selections", "Selection and threshold", caption, drawing, numbers_table("selections", frame), alt=alt)


def _aus(report: StudyReport, test: SplitEvaluation) -> Iterator[Block]:
    runs = f"{text.plural(len(test.folds), 'fold')}, {text.plural(test.seeds, 'seed')}"
    frame = test.au if report.finals.recorded else test.au.drop("seed_sd")
    where = f"Final trials on test subjects ({runs}): F1 of every fold and seed, mean over seeds, then over folds. "
    yield from au_blocks("test-aus", "F1 of every AU", where, test, frame)


def au_blocks(name: str, title: str, where: str, evaluation: SplitEvaluation, frame: pl.DataFrame) -> Iterator[Block]:
    """Bars of every AU with their table, and a note on AUs without a defined F1."""
    note = interval_words(frame.with_columns(n_seeds=pl.lit(evaluation.seeds)), "f1")
    caption = f"{where}Bars: F1. Orange: always-positive. {note}"
    if evaluation.has_interval:
        more = " and of the training seeds" if evaluation.seeds > 1 else ""
        caption += (
            f" Student's t, with the spread of {REPLICATES:,} bootstrap samples of the subjects of each fold{more}."
        )
        if evaluation.fewest < _FEW_SUBJECTS:
            caption += f" The smallest fold has only {text.plural(evaluation.fewest, 'subject')}."
    elif evaluation.subjects == len(evaluation.folds):
        caption += " It needs a fold with two subjects."
    titles = AU_TITLES | ({"seed_sd": "sd over seeds"} if "seed_sd" in frame.columns else {})
    bars = figure(
        name, title, caption, final_figures.au_bars(frame), table(name, frame, titles, FORMATS), alt=_alt(frame)
    )
    yield replace(bars, unfolded=name == "test-aus")
    if evaluation.mixed:
        names = ", ".join(f"AU{au}" for au in evaluation.mixed)
        yield Paragraph(
            f"F1, always-positive and lift of {names} are means over different folds, because an earlier version wrote "
            "the score table: run launch/final.py again.",
            "note",
        )
    if evaluation.undefined:
        names = ", ".join(f"AU{au}" for au in evaluation.undefined)
        yield Paragraph(f"F1 is undefined for {names}, which are never active; means exclude them.", "note")


def _alt(frame: pl.DataFrame) -> str:
    ranked = frame.drop_nulls("f1").sort("f1").select("au", "f1").rows()
    if not ranked:
        return "No AU has a defined F1."
    (low, least), (high, most) = ranked[0], ranked[-1]
    return f"From AU{low} with {text.percent(least)} to AU{high} with {text.percent(most)}."


def _folds(report: StudyReport, test: SplitEvaluation) -> Iterator[Block]:
    nested = report.finals.runs["fold"].unique().to_list() if report.finals.selection == "nested" else report.folds[:1]
    spread = tables.fold_seed_spread(report.final_counts, report.spec.aus, nested)
    means = tables.fold_means(spread)
    shown = table("folds", means, _fold_titles(), FORMATS, _marked(means), "Test F1 of every fold, threshold 0.5")
    pooled = test.pooled
    yield shown
    inside = f" ({text.span(pooled.low, pooled.high)})" if text.known(pooled.low) else ""
    # at the printed digits, as the reader sees them
    apart = text.as_shown(test.f1.value) != text.as_shown(pooled.value)
    yield Paragraph(
        f"Mean of folds {text.percent(test.f1.value)}; pooled over all folds and seeds "
        f"{text.percent(pooled.value)}{inside}. Papers use either{', and they differ' if apart else ''}."
    )
    caption = "Test F1, mean over AUs, of every final trial at threshold 0.5."
    of_each = table("fold-seeds", spread, _spread_titles(), FORMATS, _marked(spread), "Folds and seeds")
    yield figure("fold-seeds", "Folds and seeds", caption, final_figures.fold_dots(spread), of_each)


def _spread_titles() -> dict[str, str]:
    scores = {"val_f1": "validation F1 %", "test_f1": "test F1 %", "always_positive": "always-positive %"}
    return {"fold": "fold", "seed": "seed", "subjects": "subjects", **scores, "lift": "lift", "nested": "nested"}


def _fold_titles() -> dict[str, str]:
    scores = {"test_f1": "test F1 %", "seed_sd": "sd over seeds", "always_positive": "always-positive %"}
    return {"fold": "fold", "seeds": "seeds", "subjects": "subjects", **scores, "nested": "nested"}


def _marked(frame: pl.DataFrame) -> frozenset[int]:
    return frozenset(at for at, nested in enumerate(frame["nested"]) if nested)


def _confusion(report: StudyReport) -> Iterator[Block]:
    frame = confusion_frame(report.final_counts)
    caption = (
        "The coded test frames of every AU at threshold 0.5, summed over subjects and folds; with several seeds, their "
        "mean."
    )
    yield figure(
        "confusion", "Confusion counts", caption, final_figures.confusion(frame), numbers_table("confusion", frame)
    )


def _no_predictions(report: StudyReport) -> str:
    return (
        "Threshold curves, reliability and AU co-occurrence need the probabilities of the final detectors: "
        f"run launch/final.py name={report.spec.name}."
    )


def _predicted(found: Predicted) -> Iterator[Block]:
    if found.missing:
        yield Paragraph(f"The probabilities of {text.plural(found.missing, 'final trial')} are missing.", "note")
    caption = (
        "F1, precision and recall on test frames with the same threshold in every fold: mean over seeds, then over "
        "folds. Do not choose a threshold here: that would be a choice on the test part."
    )
    table = numbers_table("thresholds", found.thresholds)
    yield figure("thresholds", "Threshold curves", caption, final_figures.thresholds(found.thresholds), table)
    errors = predicted.calibration_error(found.reliability)
    caption = (
        "Horizontal: mean probability of the test frames in each tenth; vertical: share of active frames among them, "
        "in percent. A calibrated detector is on the dashed line. Larger marks: more frames; frames count once for "
        "each seed."
    )
    named = ", ".join(f"AU{au} {text.percent(error)}" for au, error in sorted(errors.items()))
    drawing, table = final_figures.reliability(found.reliability), numbers_table("reliability", found.reliability)
    yield figure("reliability", "Reliability", f"{caption} Calibration error in points: {named}.", drawing, table)
    yield from _cooccurrence(found)


def _cooccurrence(found: Predicted) -> Iterator[Block]:
    if found.cooccurrence["au"].n_unique() < 2:
        return
    caption = (
        "Of the frames with the AU of the row, the share that also has the AU of the column (both coded): in the "
        "labels, in the detections at threshold 0.5, and the difference. Where detections co-occur more often than "
        "labels, the detector may confuse the two AUs."
    )
    drawing, table = final_figures.cooccurrence(found.cooccurrence), numbers_table("cooccurrence", found.cooccurrence)
    yield figure("cooccurrence", "AU co-occurrence", caption, drawing, table, width=760)


def validation_section(report: StudyReport) -> Section | None:
    """The best trials of the search on validation subjects, apart from the scores that may be reported."""
    if report.val is None or not report.bests:
        return None
    which = text.listing([f"trial {best['trial']} of fold {fold}" for fold, best in report.bests.items()])
    note = Paragraph(
        f"Sweep: {which}, on the validation subjects. It was chosen on the same subjects, so the numbers are "
        "optimistic: never report them as a result.",
        "note",
    )
    bars = au_blocks("val-aus", "F1 of every AU, validation", "", report.val, report.val.au.drop("seed_sd"))
    return Section("validation", "Validation of the chosen trials", [note, *bars])
