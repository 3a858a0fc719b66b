"""What a head job tells the terminal that follows it: records among the events of its cluster, and an exit code."""

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from submitit.core.utils import JobPaths

from launch.cluster.files import ClusterFolder
from launch.cluster.work import Work

SAID = "said"  # kind of the events
CRASHED = -1  # instead of an exit code
_LINES = 40  # of what a job that crashed wrote last


def tell(folder: ClusterFolder, text: str) -> None:
    """Say `text` in the log of this job, and to whoever follows it."""
    print(text, flush=True)
    folder.event(SAID, os.environ.get("SLURM_JOB_ID", ""), text)


@contextmanager
def telling(work: Work, console: Console) -> Iterator[None]:
    """In a head job, what the block prints goes to whoever follows it, too, however the block ends."""
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
    """The exit code of a head job; None while it has not ended by itself."""
    try:
        kind, value = pickle.loads(JobPaths(folder.jobs, job, 0).result_pickle.read_bytes())
    except FileNotFoundError:
        return None
    return int(value) if kind == "success" else CRASHED


def told(folder: ClusterFolder, job: str, crashed: bool = False) -> str:
    """What a head job told; the end of its errors when it crashed, which it could not tell."""
    words = [event.text for event in folder.events() if (event.kind, event.job) == (SAID, job)]
    log = JobPaths(folder.jobs, job, 0).stderr
    if crashed and log.exists():
        last = log.read_text(errors="replace").splitlines()[-_LINES:]
        words += [f"head job {job} crashed; the end of {log}:", *last]
    return "\n".join(words)
