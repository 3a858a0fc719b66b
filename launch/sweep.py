"""Search for the best configuration of a method on a dataset: see --help.

Killed at any moment, the same command goes on: what is finished is not run again, what was running continues.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("sweep"))


from rich.console import Console

from data.errors import InputError
from data.files import check_writable
from data.frames import aus_of
from data.store import FrameStore
from launch.cluster.work import Work
from launch.keys.trials import SweepKeys
from launch.plan.datasets import prepare_store
from launch.plan.preflight import SearchPlan, plan_sweep, sweep_problems
from launch.plan.provenance import provenance_facts
from launch.run.ending import Ending
from launch.run.follow import elsewhere
from launch.run.told import telling
from launch.run.tune import search, share
from launch.show.display import Display, percent_text, setting_text
from launch.show.page import write_page
from study.records.store import StudyStore
from study.records.study_spec import SearchSpec, StudySpec
from study.search.best_trial import choose, pareto_front
from study.search.objectives import goals_of

FAILED_SHARE = 0.2  # more failed trials than this, and the sweep has failed


def main(keys: SweepKeys) -> int:
    """Prepare, search, report."""
    console = Console()
    frames = prepare_store(keys, console)
    plan = plan_sweep(keys, frames)
    check_writable(plan.store.root)
    wanted = share(plan, keys.trials) * len(plan.folds)
    work = _work(keys, plan, frames, wanted, console)
    code = elsewhere(work, console)
    if code is not None:
        return code
    with plan.store.lock():
        work.begin()
        _say_plan(plan, wanted, console)
        with Display(plan.store, "sweep", wanted, plan.base.optim.epochs, console):
            ending = search(plan, keys.trials)
    with telling(work, console):
        return finish_sweep(plan.store, wanted, console, ending)


def _work(keys: SweepKeys, plan: SearchPlan, frames: FrameStore, wanted: int, console: Console) -> Work:
    """All that the command is about to do."""

    def begin() -> None:
        plan.store.open_study(describe_study(keys, plan, frames), free=("trials", "store", "weights_file"))
        plan.store.write_provenance(provenance_facts(plan.base.data.fingerprint))
        if keys.retry_failed:
            console.print(f"{plan.store.forget_failed()} failed trials are run again")

    return Work(
        command="sweep",
        keys=keys,
        store=plan.store,
        placement=plan.placement,
        resources=plan.resources,
        example=plan.base,
        stage="sweep",
        wanted=wanted,
        todo=_todo(plan, wanted),
        begin=begin,
        finish=lambda: finish_sweep(plan.store, wanted, console),
    )


def _todo(plan: SearchPlan, wanted: int) -> int:
    """How many trials the folds lack, each of its own share."""
    each = wanted // len(plan.folds)
    return sum(max(each - plan.store.count("sweep", fold), 0) for fold in plan.folds)


def describe_study(keys: SweepKeys, plan: SearchPlan, frames: FrameStore) -> StudySpec:
    """What is asked of the study."""
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
        trials=share(plan, keys.trials) * len(plan.folds),
        aus=aus_of(frames.table),
        folds=plan.folds,
        size=frames.size,
        store=str(frames.path.resolve()),
        weights_file=str(plan.placement.weights_file or ""),
        config=plan.base.to_dict(),
    )


def finish_sweep(store: StudyStore, wanted: int, console: Console, ending: Ending | None = None) -> int:
    """Say what came out; 1 when trials are missing without a reason, or too many have failed."""
    found = store.outcomes("sweep")
    failed = [trial for trial in found if trial.status == "FAILED"]
    for trial in failed:
        last_line = (trial.error or "").strip().splitlines()[-1:]
        console.print(f"failed: trial {trial.key}: {''.join(last_line)}", markup=False, soft_wrap=True)
    if ending is not None:
        console.print(ending.said, markup=False, soft_wrap=True)
        console.print(_left(store, len(found), wanted))
        if ending.code or not any(trial.status == "DONE" for trial in found):
            return ending.code
    elif len(found) < wanted:
        console.print(f"{len(found)} of {wanted} trials were finished. The same command goes on.")
        return 1
    if len(failed) > FAILED_SHARE * wanted:
        console.print(
            f"{len(failed)} of {wanted} trials failed. Mend the cause; then retry_failed=true runs them again."
        )
        return 1
    return _say_best(store, console)


def _left(store: StudyStore, finished: int, wanted: int) -> str:
    stopped = len(store.unfinished())
    return (
        f"{finished} of {wanted} trials are finished, {stopped} begun; the same command goes on, with a larger budget"
    )


def _say_best(store: StudyStore, console: Console) -> int:
    """The chosen trial, of each fold when several were searched; 1 when none keeps the constraints."""
    spec = store.spec()
    folds = [fold for fold in spec.folds if store.count("sweep", fold)]
    try:
        for fold in folds:
            _say_chosen(store, spec, fold if len(folds) > 1 else "", console)
    except InputError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    console.print(f"report: {write_page(store)}", soft_wrap=True)
    console.print(f"next: python launch/final.py name={spec.name}", soft_wrap=True)
    return 0


def _say_chosen(store: StudyStore, spec: StudySpec, fold: str, console: Console) -> None:
    best = choose(store, fold)
    assert best.value is not None
    where = f" of {fold}" * bool(fold)
    console.print(
        f"best trial {best.config.key}: {spec.objective} {percent_text(best.value)} on validation subjects{where}"
    )
    for name in spec.searched:
        if (value := best.config.value(name)) is not None:
            console.print(f"  {name} = {setting_text(value)}", highlight=False)
    goals = goals_of(spec)
    if len(goals.objectives) > 1:
        front = [store.outcome(result.config.key) for result in pareto_front(store, fold)]
        console.print(f"nothing beats these{where} in {' and '.join(goals.objectives)}:")
        for trial in filter(None, front):
            numbers = zip(goals.objectives, goals.values(trial), strict=True)
            console.print(f"  {trial.key}: {' '.join(f'{n}={setting_text(v)}' for n, v in numbers)}", highlight=False)


def _say_plan(plan: SearchPlan, wanted: int, console: Console) -> None:
    finished, unfinished, todo = plan.store.count(), len(plan.store.unfinished()), _todo(plan, wanted)
    console.print(
        f"study {plan.store.root}: {finished} trials finished, {unfinished} to go on with, {todo} to do"
        f"{f' on {len(plan.folds)} folds' * (len(plan.folds) > 1)}, "
        f"{plan.resources.concurrent} at a time on {plan.resources.cpus} cores each ({plan.resources.device})",
        soft_wrap=True,
    )


check = sweep_problems
