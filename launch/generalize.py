"""Train on several datasets at once and test on an unseen one: see --help.

Killed at any moment, the same command continues; more targets, candidates, rules or seeds add trials.
"""

import sys
from collections.abc import Iterator

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("generalize"))


import polars as pl
import torch
from rich.console import Console

from data.files import write_atomic
from data.store import FrameStore
from data.union import dataset_of
from launch.keys.trials import GeneralizeKeys
from launch.plan.datasets import progress_bar
from launch.plan.resources import device_here
from launch.plan.several import MultiSourcePlan, generalization_problems, generalization_spec, plan_study
from launch.run.recipe import finished, given_work, run_work
from launch.show.display import interval_text, markdown_table
from launch.show.verdicts import print_verdict
from study.experiments.domain_generalization import ONLY, OWN, generalization_export, generalization_table
from study.records.result import TrialResult
from study.records.score_files import write_scores
from study.scoring.verdicts import table_verdict
from study.trial.detectors import kept_detector, weights_key
from study.trial.multi_source import keep_target

# may change when the study continues: more of them only adds trials
_FREE = ("trials", "store", "weights_file", "dataset", "method", "splits", "candidates", "selection", "seeds")
_SHOWN = {
    "F1 %": ("f1", "0.5"),
    "F1 %, tuned": ("f1", "validation"),
    "F1 %, matched": ("f1", "base_rate"),
    "AUC %": ("auc", "0.5"),
    "always-positive": ("always_positive", "0.5"),
}
_NAMES = ("target", "method", "sources", "selection", "candidates", "chosen")
_HEADS = ("method", "trained on", "tested on", "selection", "chosen", *_SHOWN)
_NOTE = (
    "Means over AUs, in brackets 95 % intervals over the target's subjects. Tuned: at the thresholds with the best F1 "
    "on the validation subjects of the sources; matched: at the thresholds that give the base rates of the sources."
)


def main(keys: GeneralizeKeys) -> int:
    """Check, train, test and print one table."""
    console = Console()
    plan = plan_study(keys)
    work = given_work(
        "generalize",
        keys,
        plan.store,
        plan.resources,
        plan.jobs,
        lambda: _finish(plan, console),
        about=f"{len(plan.trials)} trials",
        spec=generalization_spec(keys, plan),
        free=_FREE,
        notes=tuple(_notes(plan)),
    )
    return run_work(work, console)


def _notes(plan: MultiSourcePlan) -> Iterator[str]:
    """Lines about each split, and about methods with a single candidate."""
    for split in plan.asked.splits:
        yield f"train on {split.name}, test on {dataset_of(split.target)}: AU {' '.join(map(str, split.aus))}"
    for method in plan.asked.methods:
        if plan.asked.rules(method) == (ONLY,):
            yield f"{method}: one candidate, so there is nothing for selection to choose"


def _finish(plan: MultiSourcePlan, console: Console) -> int:
    """Print and save the table of all rows whose trials are done; 1 when a trial is missing or failed."""
    store, trials = plan.store, plan.trials
    done = finished(store, trials, console)
    # a target that was added later needs no new training
    score_missing(plan, done, console)
    scores = generalization_table(plan.asked, store, done, plan.own)
    if scores.height:
        rows = generalization_export(scores)
        write_scores(store.root, "domain_generalization", scores)
        write_atomic(store.generalize_path, rows.write_csv().encode())
        verdict = table_verdict(store, scores, ("method", "source", "target", "selection"), ("target", "aus"))
        print_verdict(verdict, console)
        console.print(f"{_NOTE}\n\n{_markdown(rows)}", soft_wrap=True, markup=False, highlight=False)
        console.print(f"table: {store.generalize_path}", soft_wrap=True)
    return int(len(done) < len(trials))


def score_missing(plan: MultiSourcePlan, done: dict[str, TrialResult], console: Console) -> None:
    """Score targets that were added after a trial was trained."""
    lacking: dict[tuple[str, str, str], FrameStore] = {
        (trial.key, weights, target.fingerprint): target
        for trial, weights, target in plan.asked.asked()
        if trial.key in done
        and not plan.store.predictions_path(weights_key(trial, weights), target.fingerprint).exists()
    }
    device = torch.device(device_here(plan.placement.device))
    with progress_bar(console, "scoring targets") as report:
        for number, ((key, weights, _), target) in enumerate(lacking.items(), start=1):
            detector = kept_detector(plan.store, done[key], weights).to(device)
            keep_target(done[key].config, detector, weights, target, plan.store, device)
            report(number, len(lacking))


def _markdown(rows: pl.DataFrame) -> str:
    """The means over AUs in percent, one line for each detector."""
    lines: list[tuple[str, ...]] = []
    means = rows.filter(pl.col("au").is_null())
    for names, part in means.group_by(*_NAMES, maintain_order=True):
        target, method, sources, selection, candidates, chosen = map(str, names)
        of = {ONLY: "", OWN: chosen}.get(selection, f"{chosen}, 1 of {candidates}")
        lines.append((method, sources, target, selection, of, *(_cell(part, *shown) for shown in _SHOWN.values())))
    return markdown_table(_HEADS, lines)


def _cell(part: pl.DataFrame, metric: str, rule: str) -> str:
    """A score with its interval; empty if there is none."""
    found = part.filter((pl.col("metric") == metric) & (pl.col("rule") == rule))
    if found.is_empty() or found["value"][0] is None:
        return ""
    return interval_text(*(found[name][0] for name in ("value", "low", "high")))


check = generalization_problems
