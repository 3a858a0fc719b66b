"""A driver whose trials sleep: `python -m tests.launch.cluster.sleepers FOLDER TASKS SECONDS SETTINGS [slurm]`.

A trial writes FOLDER/runs.txt when it begins and FOLDER/done/<number> when it ends; no more of them end than the
number in FOLDER/allowed, where there is one. Without `slurm`, workers are processes of this machine that ask nobody,
and that a later driver finds again by their heartbeats.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import ray

from data.files import exclusive_lock
from launch.cluster.files import ClusterFolder
from launch.cluster.session import Site, cluster_session, slurm_site
from launch.cluster.slurm import QueuedJob
from launch.cluster.worker import worker_command
from launch.keys.cluster import ClusterSettings

SLOTS = 2


def local_site(folder: ClusterFolder, settings: ClusterSettings) -> Site:
    """Workers as processes: no queue, no requeue."""
    started: dict[str, subprocess.Popen[bytes]] = {}

    def alive() -> dict[str, int]:
        for process in started.values():
            process.poll()  # a dead child is listed until it is asked after
        known = {job: beat.pid for job, beat in folder.heartbeats().items() if beat.state != "gone"}
        known |= {job: process.pid for job, process in started.items()}
        return {job: pid for job, pid in known.items() if Path("/proc", str(pid)).exists()}

    def queue() -> list[QueuedJob]:
        return [QueuedJob(job, "worker", "RUNNING", "None", "", "here", None, 0) for job in alive()]

    def cancel(jobs: list[str]) -> None:
        for job, pid in alive().items():
            if job in jobs:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def submit(minutes: int, excluded: tuple[str, ...]) -> str:
        job = str(1 + len(folder.submitted()))
        place = {"SLURM_JOB_ID": job, "SLURM_CPUS_ON_NODE": str(SLOTS), "SLURMD_NODENAME": f"here{job}"}
        with (folder.jobs / f"{job}.log").open("wb") as log:
            started[job] = subprocess.Popen(
                worker_command(folder, settings, None),
                env=os.environ | place,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return job

    return Site(queue, cancel, submit)


def sleeper(number: int, seconds: float, folder: Path) -> None:
    """A trial: one that has a result is not run again."""
    if (folder / "done" / str(number)).exists():
        return
    with (folder / "runs.txt").open("a") as file:
        file.write(f"{number} {os.environ.get('SLURM_JOB_ID')}\n")
    time.sleep(seconds)
    while not ended(number, folder):
        time.sleep(0.1)


def ended(number: int, folder: Path) -> bool:
    """Note the end of a trial, unless as many have ended as may by now."""
    with exclusive_lock(folder / "ends.lock"):
        allowed = folder / "allowed"
        if allowed.exists() and len([*(folder / "done").iterdir()]) >= int(allowed.read_text()):
            return False
        (folder / "done" / str(number)).touch()
        return True


def main(folder: Path, tasks: int, seconds: float, settings: ClusterSettings, slurm: bool) -> None:
    """Run all of them; a trial may lose three nodes."""
    (folder / "done").mkdir(exist_ok=True)
    cluster = ClusterFolder(folder / "cluster").open()
    site = slurm_site(cluster, settings, None) if slurm else local_site(cluster, settings)

    def left() -> int:
        return tasks - len([*(folder / "done").iterdir()])

    with cluster_session(settings, cluster, SLOTS, left, site):
        task = ray.remote(num_cpus=1, max_retries=3)(sleeper)
        for reference in [task.remote(number, seconds, folder) for number in range(tasks)]:
            ray.get(reference)
    print(f"{tasks - left()} of {tasks}")


if __name__ == "__main__":
    place, tasks, seconds, settings, *where = sys.argv[1:]
    main(Path(place), int(tasks), float(seconds), ClusterSettings(**json.loads(settings)), where == ["slurm"])
