"""Run a command in a head job: submit the job or find it, show its progress from files, detach at Ctrl-C."""

import importlib
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from rich.console import Console
from submitit.helpers import DelayedSubmission

from data.errors import InputError
from data.files import exclusive_lock
from launch.cluster import slurm
from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import our_jobs
from launch.cluster.jobs import submit
from launch.cluster.preflight import check_node
from launch.cluster.work import Work, plan_text
from launch.cluster.worker import Worker
from launch.keys.runs import RunKeys
from launch.run.told import CRASHED, exit_code, tell, told
from launch.show.display import Display

_POLL = 1.0  # seconds between two checks of files
LIVES = 3  # give up after so many head jobs in a row that crash without a finished trial


@dataclass(frozen=True)
class HeadTask:
    """The content of the head job: the same command with the same keys."""

    command: str
    keys: RunKeys
    typed: tuple[str, ...]  # the user's command line, for the provenance
    folder: ClusterFolder

    def __call__(self) -> int:
        """Run the command; returns its exit code."""
        sys.argv = [*self.typed]
        main = importlib.import_module(f"launch.{self.command}").main
        try:
            return int(
                main(replace(self.keys, in_head_job=True, retry_failed=False))
            )  # `begin` already removed the results
        except InputError as error:
            tell(self.folder, f"error: {error}")
            return 2
        except KeyboardInterrupt:  # a session raises this when the command is asked to stop
            tell(self.folder, "stopped; the same command continues")
            return 1

    def checkpoint(self) -> DelayedSubmission:
        """At SLURM's early signal: return to the queue; the whole state is in files."""
        return DelayedSubmission(self)


def elsewhere(work: Work, console: Console) -> int | None:
    """Handle dry_run and head jobs; returns the exit code, or None when this process must run the trials."""
    cluster = work.resources.cluster
    if work.keys.dry_run:
        console.print(plan_text(work), soft_wrap=True, markup=False, highlight=False)
        return 0
    if not cluster.uses_jobs or work.keys.in_head_job:
        return None
    work.folder.open()
    try:
        if cluster.head != "here":
            return _follow(work, console)
        check_node(work, console)
        return None
    except slurm.SlurmError as error:
        raise InputError(f"{error}\nRunning jobs continue. Run the same command again when SLURM answers.") from error


def _follow(work: Work, console: Console) -> int:
    job = _find_or_submit(work, console)
    try:
        with Display(work.store, work.stage, work.wanted, work.example.optim.epochs, console):
            job, code = _wait(work, job, console)
    except KeyboardInterrupt:
        console.print(_parting(work, job), soft_wrap=True, markup=False, highlight=False)
        return 1
    console.print(told(work.folder, job, code == CRASHED), soft_wrap=True, markup=False, highlight=False)
    return abs(code)


def _find_or_submit(work: Work, console: Console) -> str:
    """The head job of this study, queued, running or new; there are never two."""
    with exclusive_lock(work.folder.root / "submit.lock"):
        # a job that has written its exit code may stay in the queue for some seconds
        alive = [job for job in our_jobs(work.folder, "head") if exit_code(work.folder, job.id) is None]
        if alive:
            console.print(f"head job {alive[0].id} is {alive[0].state.lower()}: following it with its own keys")
            return alive[0].id
        check_node(work, console)
        with work.store.lock():
            work.begin(console)
        work.folder.clear_flags()
        job = _submit_head(work)
        console.print(f"head job {job} submitted; Ctrl-C detaches; the job keeps running")
        return job


def _submit_head(work: Work) -> str:
    """Submit the head job; with head=first_worker also the workers, because jobs may not submit jobs there."""
    cluster, folder = work.resources.cluster, work.folder
    job = submit(HeadTask(work.command, work.keys, tuple(sys.argv), folder), cluster, folder, "head")
    if cluster.head == "first_worker":
        worker = Worker(folder, cluster, work.placement.store.resolve())
        for _ in range(len(our_jobs(folder, "worker")) + 1, cluster.max_workers):
            submit(worker, cluster, folder, "worker")
    return job


def _wait(work: Work, job: str, console: Console) -> tuple[str, int]:
    """Wait for the end; returns the last head job and its exit code. A crashed head job is submitted again."""
    lives, finished, looked = LIVES, work.store.count(work.stage), time.monotonic()
    while (code := exit_code(work.folder, job)) is None:
        time.sleep(_POLL)
        if time.monotonic() - looked < work.resources.cluster.poll_s:
            continue
        looked = time.monotonic()
        # SLURM may be unavailable for minutes; the head job goes on
        with suppress(slurm.SlurmError):
            if our_jobs(work.folder, "head") or exit_code(work.folder, job) is not None:
                continue
            if work.folder.asked_to_stop():
                return job, 1
            # a crash after progress is bad luck (a lost node), without progress it is probably a fault in the code
            before, finished = finished, work.store.count(work.stage)
            lives = LIVES if finished > before else lives - 1
            if lives == 0:
                return job, CRASHED
            job = _submit_head(work)
            console.print(f"head job crashed; resubmitted as {job}")
    return job, code


def _parting(work: Work, job: str) -> str:
    root = work.keys.runs_root
    study = f"name={work.store.root.name}" + ("" if root == RunKeys.runs_root else f" runs_root={root}")
    return "\n".join(
        [
            f"head job {job} keeps running without this terminal.",
            "  follow it again: the same command",
            f"  show progress:   python launch/status.py {study} watch=true",
            f"  stop it:         python launch/stop.py {study}; afterwards the same command continues",
        ]
    )
