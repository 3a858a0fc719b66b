"""Messages from a head job to the terminal that follows it: events of the cluster, and an exit code."""

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from submitit.core.utils import JobPaths

from launch.cluster.files import ClusterFolder
from launch.cluster.work import Work

SAID = "said"  # kind of the events
CRASHED = -1  # in place of an exit code
_LINES = 40  # last lines of the log of a crashed job


def tell(folder: ClusterFolder, text: str) -> None:
    """Write `text` to the log of this job and to the terminal that follows it."""
    print(text, flush=True)
    folder.event(SAID, os.environ.get("SLURM_JOB_ID", ""), text)


@contextmanager
def telling(work: Work, console: Console) -> Iterator[None]:
    """In a head job, send what the block prints to the terminal that follows it, also when the block fails."""
    if not work.keys.in_head_job:
        yield
        return
    captured = console.capture()
    try:
        with captured:
            yield
    finally:
        tell(work.folder, captured.get().rstrip())


def exit_code(folder: ClusterFolder, job: str) -> int | None:
    """The exit code of a head job; None while it runs, and if it was killed."""
    try:
        kind, value = pickle.loads(JobPaths(folder.jobs, job, 0).result_pickle.read_bytes())
    except FileNotFoundError:
        return None
    # "error": the job raised, and submitit saved the traceback
    return int(value) if kind == "success" else CRASHED


def told(folder: ClusterFolder, job: str, crashed: bool = False) -> str:
    """The messages of a head job; for a crashed one also the end of its log."""
    words = [event.text for event in folder.events() if (event.kind, event.job) == (SAID, job)]
    log = JobPaths(folder.jobs, job, 0).stderr
    if crashed and log.exists():
        last = log.read_text(errors="replace").splitlines()[-_LINES:]
        words += [f"head job {job} crashed; the end of {log}:", *last]
    return "\n".join(words)
