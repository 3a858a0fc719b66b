"""Stop the command that runs trials of a study, and its jobs on the cluster: see --help.

No result is lost. Only what surely belongs to the study is stopped: the process that holds its lock, and jobs whose
name contains the digest of its folder.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("stop"))

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from data.errors import InputError
from launch.cluster import slurm
from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import our_jobs
from launch.keys.studies import StopKeys
from study.records.folder import StudyFolder, study_root

_POLL = 0.5
OBEY_S = 30.0  # seconds to wait for a graceful exit
GONE_S = 90.0  # seconds to wait after cancelling the jobs


def main(keys: StopKeys) -> int:
    """Ask the processes to stop, then force them, then say how to continue."""
    store, console = StudyFolder(study_root(keys.runs_root, keys.name)), Console()
    store.spec()
    folder = ClusterFolder(store.cluster_path)
    try:
        return _stop(store, folder, console)
    except slurm.SlurmError as error:
        raise InputError(f"{error}\nThe jobs of {store.root} have not ended yet; run this command again.") from error


def _stop(store: StudyFolder, folder: ClusterFolder, console: Console) -> int:
    driver, jobs = lock_holder(store.lock_path), _jobs(folder)
    if driver is None and not jobs:
        console.print(_nothing(folder), soft_wrap=True)
        return 0
    said = [f"job {job.id} ({job.name}, {job.state})" for job in jobs]
    if driver is not None:
        said.insert(0, f"process {driver}")
    console.print(f"stopping {store.root}: {', '.join(said)}", soft_wrap=True, markup=False, highlight=False)
    if folder.root.exists():
        folder.ask_stop()
    # jobs in the queue cannot read the request to stop
    slurm.cancel([job.id for job in jobs if job.state == "PENDING"])
    if driver is not None:
        # like Ctrl-C: the command ends its own workers
        _signal(driver, signal.SIGINT)
    if not _within(OBEY_S, lambda: _gone(store, folder)):
        slurm.cancel([job.id for job in _jobs(folder)])
        holder = lock_holder(store.lock_path)
        if holder is not None:
            _signal(holder, signal.SIGTERM)
    if not _within(GONE_S, lambda: _gone(store, folder)):
        console.print("some processes or jobs have not ended yet; run this command again")
        return 1
    console.print(f"{store.root} is stopped; the same command as before continues", soft_wrap=True)
    return 0


def _nothing(folder: ClusterFolder) -> str:
    head = folder.head() if folder.root.exists() else None
    text = "no command of this study runs on this machine"
    if head is not None and head.host != socket.gethostname():
        text += f"; its driver was last seen on {head.host}: run this command there"
    return text


def _jobs(folder: ClusterFolder) -> list[slurm.QueuedJob]:
    """The jobs of the study; empty without SLURM, and for a study that never used a cluster."""
    return our_jobs(folder) if folder.root.exists() and shutil.which("squeue") else []


def _gone(store: StudyFolder, folder: ClusterFolder) -> bool:
    return lock_holder(store.lock_path) is None and not _jobs(folder)


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def lock_holder(path: Path) -> int | None:
    """The process on this machine that holds the lock file `path`, or None."""
    if not path.exists():
        return None
    found = path.stat()
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        # a line with -> is a process that waits for the lock
        if "FLOCK" in words and place in words and "->" not in words:
            return int(words[words.index(place) - 1])
    holder = path.read_text().split()  # on a disk without kernel locks the file names its holder: process and machine
    return int(holder[0]) if holder[1:2] == [socket.gethostname()] and Path("/proc", holder[0]).exists() else None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
