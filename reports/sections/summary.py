"""The first section: the main result in one paragraph and one table, and what it is based on."""

import polars as pl

from reports.frames import tables, text
from reports.frames.final_series import headline
from reports.frames.report import StudyReport
from reports.frames.split_scores import SplitEvaluation
from reports.html.blocks import Paragraph, Section, said_blocks, table

AGREE = 1e-6  # fractions; a score table of other trials than the shown ones differs by more
_HEADS = {"sweep": "best of the sweep", "final": "final trials"}


def summary_section(report: StudyReport) -> Section:
    """The main result in one paragraph and one table, and the configuration it was reached with."""
    blocks = [*said_blocks(report.verdict.said), Paragraph(_answer(report), "lead")]
    blocks += [Paragraph(words, "note") for words in _cautions(report)]
    frame = _summary_frame(report)
    titles = {"what": ""} | {name: _HEADS[name] for name in frame.columns[1:]}
    blocks.append(table("summary", frame, titles, caption="Key results"))
    runs = report.finals.runs
    source = report.best or (runs.row(-1, named=True) if runs.height else None)
    if source and tables.parameters(report.trials):
        chosen = tables.best_configuration(report.trials, list(report.bests.values()) or [source])
        caption = "The chosen configuration; all other settings are in the section Provenance"
        blocks.append(table("configuration", chosen, caption=caption))
    return Section("summary", "Summary", blocks)


def _answer(report: StudyReport) -> str:
    sentences = [_sweep_answer(report)] if report.sweep.height else []
    if report.test:
        sentences += [_test_answer(report, report.test), _scores_answer(report)]
    elif report.best:
        sentences.append(f"There are no final trials yet{_next(report)}.")
    return " ".join(filter(None, sentences)) or "No trial has finished."


def _next(report: StudyReport) -> str:
    """What to do after the search; no final evaluation of a detector that is worth nothing."""
    return "" if report.verdict.is_worthless else ": run launch/final.py before you report a number"


def _sweep_answer(report: StudyReport) -> str:
    best, val, states = report.best, report.val, tables.states(report.sweep)
    if best is None:
        if states["DONE"]:
            done = text.plural(states["DONE"], "finished trial")
            return f"None of the {done} meets the constraints, so no configuration is chosen."
        ended = text.listing([f"{count} {state}" for state, count in states.items() if count])
        words = f"No sweep trial has finished ({ended}), so no configuration is chosen."
        return words + (" The errors are at the end of this page." if states["FAILED"] else "")
    if len(report.bests) > 1:
        return _folds_answer(report)
    which = f"The best of {report.sweep.height:,} trials" if report.sweep.height > 1 else "The only trial"
    if val is None:
        return f"{which} has a {report.objective} of {text.percent(best['value'])}; its counts are not in the store."
    return (
        f"{which} (trial {best['trial']}) reaches a mean F1 of {_score(val)} on the "
        f"{text.plural(val.subjects, 'validation subject')} of fold {best['fold']}; "
        "it was chosen on these subjects, so this number is optimistic."
    )


def _folds_answer(report: StudyReport) -> str:
    """Several folds, each with its own search."""
    reached = [f"{text.percent(best['value'])} in {fold}" for fold, best in report.bests.items()]
    missing = [fold for fold in report.folds if fold not in report.bests]
    lacking = f" No trial of {text.listing(missing)} has finished." if missing else ""
    return (
        f"{len(report.folds)} folds were searched separately, with {report.sweep.height:,} trials in total; the best "
        f"{report.objective} is {text.listing(reached)}. Each was chosen on these subjects, so these numbers are "
        f"optimistic.{lacking}"
    )


def _test_answer(report: StudyReport, test: SplitEvaluation) -> str:
    runs = f"{text.plural(len(test.folds), 'fold')} × {text.plural(test.seeds, 'seed')}"
    which = "the chosen configuration" if report.finals.current else "an earlier choice of configuration"
    which = "each fold's own choice" if report.finals.selection == "nested" else which
    return (
        f"On test subjects ({runs}) {which} reaches {_score(test)}, mean of folds; "
        f"the always-positive detector reaches {text.percent(test.always_positive)} there."
    )


def _scores_answer(report: StudyReport) -> str:
    """From the score table: the AUC, and the bias of a choice on the test part."""
    overall = report.scores.filter(pl.col("au").is_null(), pl.col("aggregate") == "folds", pl.col("rule") == "0.5")
    said = {
        (selection, metric): rest
        for selection, metric, *rest in overall.select("selection", "metric", "value", "low", "high").iter_rows()
    }
    words = []
    found = headline(report.scores)
    if found and (auc := said.get((found["selection"], "auc"))) and auc[0] is not None:
        words.append(f"The AUC is {text.percent(auc[0])} ({text.span(auc[1], auc[2])}).")
    if (bias := said.get(("bias", "f1"))) and bias[0] is not None:
        words.append(
            f"A choice by the test score would have added {text.points(bias[0])} points "
            f"({text.points(bias[1])} to {text.points(bias[2])})."
        )
    return " ".join(words)


def _cautions(report: StudyReport) -> list[str]:
    """Warnings about the final numbers."""
    words = []
    if report.test and not report.finals.current:
        words.append("The final trials do not have the best configuration of the sweep: run launch/final.py again.")
    if report.test and report.finals.runs.height < len(report.test.folds) * report.test.seeds:
        words.append("Some folds lack seeds; all folds have equal weight.")
    quoted = headline(report.scores)
    if report.test and quoted and abs(quoted["value"] - report.test.f1.value) > AGREE:
        words.append(
            f"The score table has {text.percent(quoted['value'])}, but the counts of the final trials give "
            f"{text.percent(report.test.f1.value)}: run launch/final.py again."
        )
    if report.finals.left_out:
        other = text.plural(report.finals.left_out, "final trial")
        words.append(f"Not shown: {other} with another configuration or seed, or repeated later.")
    return words


def _score(evaluation: SplitEvaluation) -> str:
    value = text.percent(evaluation.f1.value)
    return f"{value} (95 % interval {_interval(evaluation)})" if evaluation.has_interval else value


def _interval(evaluation: SplitEvaluation) -> str:
    if not evaluation.has_interval:
        return "none (one subject)"
    return text.span(evaluation.f1.low, evaluation.f1.high)


def _summary_frame(report: StudyReport) -> pl.DataFrame:
    """Column `what`, and one column of text for each stage that has trials."""
    present = set(report.trials["stage"])
    columns = {stage: _column(report, stage) for stage in _HEADS if stage in present}
    names = list(next(iter(columns.values())))
    frame = pl.DataFrame({"what": names, **{stage: list(column.values()) for stage, column in columns.items()}})
    return frame.filter(pl.any_horizontal(pl.col(*columns) != text.NONE))


def _column(report: StudyReport, stage: str) -> dict[str, str]:
    """One column of the summary: the sweep's best trial, or the final trials."""
    scored = report.val if stage == "sweep" else report.test
    trials = report.trials.filter(pl.col("stage") == stage)
    reached = [text.percent(best["value"]) for best in report.bests.values()] if stage == "sweep" else []
    states = [f"{count} {state}" for state, count in tables.states(trials).items() if count]
    return {
        "scored on": ("validation" if stage == "sweep" else "test") if scored else text.NONE,
        "mean F1 (%)": text.percent(scored.f1.value) if scored else text.NONE,
        "95 % interval": _interval(scored) if scored else text.NONE,
        "always-positive F1 (%)": text.percent(scored.always_positive) if scored else text.NONE,
        "lift over always-positive (points)": text.points(scored.lift.value) if scored else text.NONE,
        "pooled F1 (%)": text.percent(scored.pooled.value) if scored else text.NONE,
        f"objective of the search: {report.objective} (%)": ", ".join(reached) or text.NONE,
        "subjects": text.count(scored.subjects) if scored else text.NONE,
        "folds × seeds": f"{len(scored.folds)} × {scored.seeds}" if scored else text.NONE,
        "trials": ", ".join(states),
        "total trial time": text.duration(float(trials["seconds"].sum())),
    }
