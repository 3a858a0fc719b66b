"""The one recipe of all commands that train: begin the study, run the trials here or on a cluster, finish."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rich.console import Console

from data.files import check_writable
from launch.cluster.work import Work
from launch.keys.runs import RunKeys
from launch.plan.resources import Resources
from launch.run.ending import RETRY
from launch.run.follow import elsewhere
from launch.run.told import telling
from launch.run.trials import GivenTrial, run_all
from launch.show.display import Display
from study.records.config import Placement, TrialConfig
from study.records.result import FINAL, TrialResult
from study.records.store import StudyStore
from study.trial.detectors import lacks_files

Group = TypeVar("Group")


def run_work(work: Work, console: Console) -> int:
    """Run the trials on this machine or on the cluster, then finish; returns the exit code of the command."""
    work.check()
    check_writable(work.store.root)
    # a head job comes back to this function with in_head_job=True
    code = elsewhere(work, console)
    if code is not None:
        return code
    with work.store.lock():
        work.begin(console)
        for line in (*work.notes, work.headline):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        with Display(work.store, work.stage, work.wanted, work.example.optim.epochs, console):
            ending = work.run()
    with telling(work, console):
        return work.finish(ending)


def given_work(
    command: str,
    keys: RunKeys,
    store: StudyStore,
    resources: Resources,
    jobs: Sequence[GivenTrial],
    finish: Callable[[], int],
    adopt: Callable[[], None] | None = None,
    stage: str = FINAL,
    **others: Any,
) -> Work:
    """The work of a command with a fixed list of trials (not a search); `adopt` copies results that already exist."""
    trials = [config for config, _ in jobs]
    again = [config.key for config, placement in jobs if keys.retry_failed and _is_lost(store, config, placement)]

    def run() -> None:
        if adopt:
            adopt()
        run_all(jobs, store, resources)

    return Work(
        command=command,
        keys=keys,
        store=store,
        placement=jobs[0][1],
        resources=resources,
        example=trials[0],
        frames=frozenset(name for config in trials for name in config.sources.stores or (config.data.fingerprint,)),
        stage=stage,
        wanted=len({one.key for one in store.outcomes(stage)} | {config.key for config in trials}),
        # trials to run again still have a result here; `Work.begin` removes it
        todo=sum(store.result(config.key) is None for config in trials) + len(again),
        again=tuple(again),
        run=run,
        finish=lambda _: finish(),
        **others,
    )


def _is_lost(store: StudyStore, config: TrialConfig, placement: Placement) -> bool:
    """Whether the trial failed, or files that it saved are missing."""
    result = store.result(config.key)
    return result is not None and (result.status == "FAILED" or lacks_files(config, placement, store))


def finished(store: StudyStore, trials: Sequence[TrialConfig], console: Console) -> dict[str, TrialResult]:
    """Results of the trials that are done, by key; prints what failed or was left out, and how to continue."""
    for line in store.left_out():
        console.print(f"left out: {line}", soft_wrap=True)
    results = [result for config in trials if (result := store.result(config.key)) is not None]
    done = {result.config.key: result for result in results if result.status == "DONE"}
    failed = {result.config.key: result.error for result in results if result.status == "FAILED"}
    say_failed(failed, console)
    if len(done) < len(trials):
        what_next = RETRY if failed else "The same command continues."
        console.print(f"{len(done)} of {len(trials)} final trials are done. {what_next}", soft_wrap=True)
    return done


def complete(
    groups: Mapping[Group, Sequence[TrialConfig]], done: Mapping[str, TrialResult]
) -> dict[Group, list[TrialResult]]:
    """The results of every group whose trials are all among `done`."""
    return {
        group: [done[config.key] for config in trials]
        for group, trials in groups.items()
        if all(config.key in done for config in trials)
    }


def say_failed(errors: Mapping[str, str | None], console: Console) -> None:
    """Print one line for each failed trial: its key, and the last line of its error."""
    for key, error in errors.items():
        last_line = (error or "").strip().splitlines()[-1:]
        console.print(f"failed: trial {key}: {''.join(last_line)}", markup=False, soft_wrap=True)
