"""Commands whose trials are given, not searched for: what they are about to do, and doing it."""

from collections.abc import Callable, Sequence

from rich.console import Console

from launch.cluster.work import Work
from launch.keys.runs import RunKeys
from launch.plan.resources import Resources
from launch.run.follow import elsewhere
from launch.run.told import telling
from launch.run.trials import GivenTrial, run_all
from launch.show.display import Display
from study.records.config import TrialConfig
from study.records.result import TrialResult
from study.records.store import StudyStore

STAGE = "final"


def given_work(
    command: str,
    keys: RunKeys,
    store: StudyStore,
    resources: Resources,
    jobs: Sequence[GivenTrial],
    begin: Callable[[int], None],
    finish: Callable[[], int],
) -> Work:
    """All that a command is about to do; `begin` is told how many trials the study will then hold."""
    trials = [config for config, _ in jobs]
    wanted = len({one.key for one in store.outcomes(STAGE)} | {config.key for config in trials})
    return Work(
        command=command,
        keys=keys,
        store=store,
        placement=jobs[0][1],
        resources=resources,
        example=trials[0],
        stage=STAGE,
        wanted=wanted,
        todo=sum(store.result(config.key) is None for config in trials),
        begin=lambda: begin(wanted),
        finish=finish,
    )


def run_given(work: Work, jobs: Sequence[GivenTrial], say: Callable[[], None], console: Console) -> int:
    """Run the trials that have no result, here or on the cluster; the exit code of the command."""
    code = elsewhere(work, console)
    if code is not None:
        return code
    with work.store.lock():
        work.begin()
        say()
        with Display(work.store, STAGE, work.wanted, work.example.optim.epochs, console):
            run_all(jobs, work.store, work.resources)
    with telling(work, console):
        return work.finish()


def finished(store: StudyStore, trials: list[TrialConfig], console: Console) -> list[TrialResult]:
    """Those of the trials that are done; says which have failed, and how to go on when some are missing."""
    results = [store.result(config.key) for config in trials]
    done = [result for result in results if result is not None and result.status == "DONE"]
    for result in results:
        if result is not None and result.status == "FAILED":
            last_line = (result.error or "").strip().splitlines()[-1:]
            console.print(f"failed: trial {result.config.key}: {''.join(last_line)}", markup=False)
    if len(done) < len(trials):
        mend = "Mend the cause and remove trials/<key>.json of what failed; then the same command goes on."
        again = mend if any(result and result.status == "FAILED" for result in results) else "The same command goes on."
        console.print(f"{len(done)} of {len(trials)} final trials are done. {again}", soft_wrap=True)
    return done
