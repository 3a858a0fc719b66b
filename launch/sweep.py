"""Search for the best configuration of a method on a dataset: see --help.

Killed at any moment, the same command continues: finished trials are not run again, interrupted ones continue.
"""

import sys
from collections import Counter
from functools import partial

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("sweep"))


from rich.console import Console

from data.errors import InputError
from data.frames import aus_of
from data.store import FrameStore
from launch.cluster.work import Work
from launch.keys.trials import SweepKeys
from launch.plan.budget import Ending
from launch.plan.datasets import prepare_store
from launch.plan.preflight import SearchPlan, plan_sweep, sweep_problems
from launch.run.ending import RETRY
from launch.run.recipe import run_work, say_failed
from launch.run.tune import search
from launch.show.display import percent_text, setting_text
from launch.show.page import write_page
from launch.show.verdicts import print_verdict, search_verdict
from study.records.store import StudyStore
from study.records.study_spec import SearchSpec, StudySpec, fold_shares
from study.search.best_trial import choose, pareto_front
from study.search.objectives import goals_of

FAILED_SHARE = 0.2  # with more failed trials than this share, the command fails


def main(keys: SweepKeys) -> int:
    """Prepare the frames, search, write the page."""
    console = Console()
    frames = prepare_store(keys, console)
    return run_work(sweep_work(keys, plan_sweep(keys, frames), frames, console), console)


def sweep_work(keys: SweepKeys, plan: SearchPlan, frames: FrameStore, console: Console) -> Work:
    """The trials to run, and what to do after them."""
    store, shares, number = plan.store, fold_shares(keys.trials, plan.folds), len(plan.folds)
    found = [one for one in store.outcomes("sweep") if not keys.retry_failed or one.status != "FAILED"]
    finished = Counter(one.fold for one in found)
    # every fold is searched separately, so that its test subjects have no influence
    places = f" on {number} folds" if number > 1 else ""
    return Work(
        command="sweep",
        keys=keys,
        store=store,
        placement=plan.placement,
        resources=plan.resources,
        example=plan.base,
        frames=frozenset([frames.fingerprint]),
        stage="sweep",
        wanted=keys.trials,
        todo=sum(max(share - finished[fold], 0) for fold, share in shares.items()),
        about=f"{len(found)} trials{places} finished, {len(store.unfinished())} to continue",
        run=partial(search, plan, keys.trials),
        finish=partial(finish_sweep, store, keys.trials, console),
        spec=describe_study(keys, plan, frames),
        free=("trials", "store", "weights_file"),
        again=tuple(one.key for one in store.outcomes("sweep") if one not in found),
    )


def describe_study(keys: SweepKeys, plan: SearchPlan, frames: FrameStore) -> StudySpec:
    """The settings of the study."""
    searched = SearchSpec(
        seed=keys.seed,
        sampler=keys.sampler,
        warm_start=keys.warm_start,
        pruning=keys.pruning,
        constraints=plan.search.goals.constraints,
        space=keys.search,
        searched=tuple(plan.space.settings_names),
    )
    return StudySpec(
        name=keys.study_name,
        dataset=keys.dataset.name,
        asked=searched,
        method=keys.searched,
        objectives=plan.search.goals.objectives,
        epochs=plan.base.optim.epochs,
        aus=aus_of(frames.table),
        folds=plan.folds,
        size=frames.size,
        store=str(frames.path.resolve()),
        weights_file=str(plan.placement.weights_file or ""),
        config=plan.base.to_dict(),
    )


def finish_sweep(store: StudyStore, wanted: int, console: Console, ending: Ending | None = None) -> int:
    """Print the result; 1 when trials are missing for no known reason, or too many failed."""
    found = store.outcomes("sweep")
    failed = [trial for trial in found if trial.status == "FAILED"]
    say_failed({trial.key: trial.error for trial in failed}, console)
    if ending is not None:
        console.print(ending.said, markup=False, soft_wrap=True)
        console.print(_left(store, len(found), wanted))
        # without a finished trial there is nothing to choose
        if ending.code or not any(trial.status == "DONE" for trial in found):
            return ending.code
    elif len(found) < wanted:
        console.print(f"{len(found)} of {wanted} trials were finished. The same command continues.")
        return 1
    if len(failed) > FAILED_SHARE * wanted:
        console.print(f"{len(failed)} of {wanted} trials failed. {RETRY}")
        return 1
    return _say_best(store, console)


def _left(store: StudyStore, finished: int, wanted: int) -> str:
    stopped = len(store.unfinished())
    return f"{finished} of {wanted} trials are finished, {stopped} begun; the same command continues"


def _say_best(store: StudyStore, console: Console) -> int:
    """Print the best trial (of each fold) and write the page; 1 when no trial satisfies the constraints."""
    spec = store.spec()
    folds = [fold for fold in spec.folds if store.count("sweep", fold)]
    try:
        verdict = search_verdict(store, folds)
        print_verdict(verdict, console)
        for fold in folds:
            _say_chosen(store, spec, fold if len(folds) > 1 else "", console)
    except InputError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    console.print(f"report: {write_page(store)}", soft_wrap=True)
    # nothing is gained by a final evaluation of a detector that is worth nothing
    if not verdict.is_worthless:
        console.print(f"next: python launch/final.py name={spec.name}", soft_wrap=True)
    return 0


def _say_chosen(store: StudyStore, spec: StudySpec, fold: str, console: Console) -> None:
    best = choose(store, fold)
    assert best.value is not None
    where = f" of {fold}" if fold else ""
    console.print(
        f"best trial {best.config.key}: {spec.objective} {percent_text(best.value)} on validation subjects{where}"
    )
    for name in spec.searched:
        if (value := best.config.value(name)) is not None:
            console.print(f"  {name} = {setting_text(value)}", highlight=False)
    goals = goals_of(spec)
    if len(goals.objectives) > 1:
        front = [store.outcome(result.config.key) for result in pareto_front(store, fold)]
        console.print(f"Pareto front{where} for {' and '.join(goals.objectives)}:")
        for trial in filter(None, front):
            numbers = zip(goals.objectives, goals.values(trial), strict=True)
            console.print(f"  {trial.key}: {' '.join(f'{n}={setting_text(v)}' for n, v in numbers)}", highlight=False)


check = sweep_problems
