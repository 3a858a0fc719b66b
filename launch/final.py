"""Train the chosen configuration on every fold with several seeds and score each test part once: see --help."""

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
from launch.keys.trials import FinalKeys
from launch.plan.preflight import searched_study, weights_of
from launch.plan.resources import Resources, resources
from launch.run.recipe import finished, given_work, run_work
from launch.run.trials import GivenTrial
from launch.show.page import write_page
from launch.show.scoreboard import print_scores
from launch.show.verdicts import final_verdict, print_verdict
from study.experiments.selection import SelectionPlan, asked_selections, decided_trials, plan, record, score_selections
from study.records.config import TrialConfig, trial_from_dict
from study.records.store import StudyStore
from study.records.study_spec import SEARCH


def main(keys: FinalKeys) -> int:
    """Choose configurations, train them, score the test parts and write the page."""
    console = Console()
    keys = named_study(keys)
    store = searched_study(keys.runs_root, keys.name)
    frames = store.frames()
    names = fold_names(frames.table, trial_from_dict(store.spec().config).data.fold_scheme)
    selections = asked_selections(keys.selection)
    plans = [plan(store, selection, names, keys.seeds, keys.candidates) for selection in selections]
    jobs, available = _jobs(keys, store, frames, plans)
    work = given_work(
        "final",
        keys,
        store,
        available,
        jobs,
        lambda: finish_final(store, plans, console),
        about=f"{len(jobs)} trials",
        notes=tuple(_note(one, keys.seeds) for one in plans),
    )
    return run_work(work, console)


def final_problems(keys: FinalKeys) -> list[str]:
    """Problems that can be found without the study."""
    return complaints(partial(asked_selections, keys.selection))


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
    keys: FinalKeys, store: StudyStore, frames: FrameStore, plans: Sequence[SelectionPlan]
) -> tuple[list[GivenTrial], Resources]:
    """Every trial once, with its placement, after a check of the frame store."""
    trials = unique_trials(plans)
    # folds and labels depend on the store: another one would give other test subjects
    if frames.fingerprint != trials[0].data.fingerprint:
        raise InputError(f"{frames.path} is not the store that the search used; build that one again")
    available, weights = resources(keys), weights_of(store.spec().weights_file, trials[0])
    placement = available.placement(frames, store, weights)
    return [(trial, placement) for trial in trials], available


def unique_trials(plans: Sequence[SelectionPlan]) -> list[TrialConfig]:
    """The trials of all selections; shared ones are listed once."""
    return [*{trial.key: trial for one in plans for trial in one.trials}.values()]


def _note(one: SelectionPlan, seeds: int) -> str:
    folds, trials = ", ".join(one.candidates), len(one.trials)
    return f"selection={one.selection}: folds {folds} with {seeds} seeds, {trials} trials"


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
