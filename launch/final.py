"""Train the chosen configuration on every fold with several seeds and score each test part once: see --help.

With partitions= the same on random partitions of the people, to show where the variance lies.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("final"))

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from data.errors import InputError, complaints
from data.folds import fold_names
from data.store import FrameStore
from launch.cluster.work import Work
from launch.keys.trials import FinalKeys
from launch.plan.preflight import searched_study, weights_of
from launch.plan.resources import Resources, resources
from launch.run.recipe import complete, finished, given_work, run_work
from launch.run.trials import GivenTrial
from launch.show.page import write_page
from launch.show.scoreboard import print_scores
from launch.show.variance import VARIANCE_ALONE, print_variance
from launch.show.verdicts import final_verdict, print_verdict
from study.experiments.partitions import PartitionPlan, partition_plan, partition_table
from study.experiments.selection import SelectionPlan, asked_selections, decided_trials, plan, record, score_selections
from study.records.config import TrialConfig, trial_from_dict
from study.records.result import PARTITION
from study.records.score_files import write_scores
from study.records.store import StudyStore
from study.records.study_spec import SEARCH


def main(keys: FinalKeys) -> int:
    """Choose configurations, train them, score the test parts and write the page."""
    console = Console()
    keys = named_study(keys)
    store = searched_study(keys.runs_root, keys.name)
    frames = store.frames()
    work = (_partition_work if keys.partitions else _final_work)(keys, store, frames, console)
    return run_work(work, console)


def _final_work(keys: FinalKeys, store: StudyStore, frames: FrameStore, console: Console) -> Work:
    """The final evaluation."""
    names = fold_names(frames.table, trial_from_dict(store.spec().config).data.fold_scheme)
    selections = asked_selections(keys.selection)
    plans = [plan(store, selection, names, keys.seeds, keys.candidates) for selection in selections]
    jobs, available = _jobs(keys, store, frames, unique_trials(plans))
    return given_work(
        "final",
        keys,
        store,
        available,
        jobs,
        lambda: finish_final(store, plans, console),
        about=f"{len(jobs)} trials",
        notes=tuple(map(_note, plans)),
    )


def _partition_work(keys: FinalKeys, store: StudyStore, frames: FrameStore, console: Console) -> Work:
    """The chosen configuration on random partitions."""
    planned = partition_plan(store, frames.table, keys.partitions, keys.seeds)
    trials = [trial for partition in planned.values() for trial in partition]
    jobs, available = _jobs(keys, store, frames, trials)
    return given_work(
        "final",
        keys,
        store,
        available,
        # of these only the counts are read: no detector that could be taken for a final one
        [(trial, replace(placement, keep_detector=False)) for trial, placement in jobs],
        lambda: finish_partitions(store, planned, console),
        stage=PARTITION,
        about=f"{len(jobs)} trials",
        notes=(_partition_note(keys, len(jobs)), VARIANCE_ALONE),
    )


def _partition_note(keys: FinalKeys, trials: int) -> str:
    one = "; one seed cannot be told apart from the partition: give seeds=2 or more" if keys.seeds == 1 else ""
    return f"partitions={keys.partitions}: {trials} trials with {keys.seeds} seeds of each fold{one}"


def finish_partitions(store: StudyStore, planned: PartitionPlan, console: Console) -> int:
    """Score the finished partitions and print where the variance lies; 1 when a trial is missing or failed."""
    done = finished(store, [trial for trials in planned.values() for trial in trials], console)
    results = complete(planned, done)
    if len(results) < len(planned):
        return 1
    scores = partition_table(results)
    write_scores(store.root, "partitions", scores)
    print_variance(scores, console)
    console.print(f"report: {write_page(store)}", soft_wrap=True)
    return 0


def final_problems(keys: FinalKeys) -> list[str]:
    """Problems that can be found without the study."""
    problems = complaints(partial(asked_selections, keys.selection))
    if keys.partitions == 1 or keys.partitions < 0:
        problems.append(f"partitions={keys.partitions}; 0 for none, or at least 2, because one has no spread")
    if keys.partitions and keys.selection != FinalKeys.selection:
        problems.append(
            f"selection={keys.selection} with partitions={keys.partitions}: all partitions have one configuration, the "
            "choice of selection=shared; leave selection= out"
        )
    return problems


def named_study(keys: FinalKeys) -> FinalKeys:
    """The keys with `name` and `runs_root` set, also when the user gave the study's folder or dataset instead."""
    given = [key for key in ("name", "study", "dataset") if getattr(keys, key)]
    if len(given) != 1:
        raise InputError(f"give one of name=, study= and dataset=, not {' and '.join(given) or 'none'}")
    root = Path(keys.runs_root)
    if keys.study:
        root, name = Path(keys.study).resolve().parent, Path(keys.study).resolve().name
    else:
        name = keys.name or _only_study_of(keys.dataset["name"], root)
    return replace(keys, name=name, runs_root=str(root), study="", dataset={})


def _only_study_of(dataset: str, root: Path) -> str:
    """Name of the only study in `root` that searched on `dataset`; `InputError` if there are none or several."""
    stores = [StudyStore(path.parent) for path in sorted(root.glob("*/study.json"))]
    searched = [store for store in stores if store.spec().kind == SEARCH]
    names = [store.root.name for store in searched if store.spec().dataset == dataset]
    if len(names) == 1:
        return names[0]
    there = ", ".join(names or (store.root.name for store in searched)) or "none"
    raise InputError(
        f"dataset={dataset}: {root} has {len(names)} studies of it, so give name=<study>; "
        f"studies{' of it' if names else ''}: {there}"
    )


def _jobs(
    keys: FinalKeys, store: StudyStore, frames: FrameStore, trials: Sequence[TrialConfig]
) -> tuple[list[GivenTrial], Resources]:
    """The trials with their placement, after a check of the frame store."""
    # folds and labels depend on the store: another one would give other test subjects
    if frames.fingerprint != trials[0].data.fingerprint:
        raise InputError(f"{frames.path} is not the store that the search used; build that one again")
    available, weights = resources(keys), weights_of(store.spec().weights_file, trials[0])
    placement = available.placement(frames, store, weights)
    return [(trial, placement) for trial in trials], available


def unique_trials(plans: Sequence[SelectionPlan]) -> list[TrialConfig]:
    """The trials of all selections; shared ones are listed once."""
    return [*{trial.key: trial for one in plans for trial in one.trials}.values()]


def _note(one: SelectionPlan) -> str:
    folds, seeds = ", ".join(one.candidates), ", ".join(str(seed) for seed in sorted({t.seed for t in one.trials}))
    return f"selection={one.selection}: folds {folds} with seeds {seeds}, {len(one.trials)} trials"


def finish_final(store: StudyStore, plans: Sequence[SelectionPlan], console: Console) -> int:
    """Score the finished trials and print the scores; 1 when a trial is missing or failed."""
    trials = unique_trials(plans)
    if len(finished(store, trials, console)) < len(trials):
        return 1
    chosen = {one.selection: decided_trials(store, one) for one in plans}
    # computed again from saved predictions, so that a killed command loses nothing
    scores = score_selections(store, chosen)
    store.write_final(record(plans, chosen), scores)
    print_verdict(final_verdict(store), console)
    print_scores(scores, console)
    console.print(f"report: {write_page(store)}", soft_wrap=True)
    return 0


check = final_problems
