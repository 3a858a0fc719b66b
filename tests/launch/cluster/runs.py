"""A driver in a process of its own, whose trials sleep, and everything that belongs to its cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from data.files import write_atomic
from launch.cluster.files import ClusterFolder
from tests.launch.cluster.make import settings

TASKS = 16


class Run:
    """A driver in a process of its own, its cluster and what its trials wrote."""

    def __init__(self, folder: Path, scratch: Path, slurm: bool = False) -> None:
        self.folder, self.scratch, self.slurm = folder, scratch, slurm
        self.drivers: list[subprocess.Popen[str]] = []
        self.cluster = ClusterFolder(folder / "cluster")

    def start(self, seconds: float = 1.0, tasks: int = TASKS, **changed: object) -> subprocess.Popen[str]:
        """Begin, or go on with, trials of so many seconds on two workers."""
        small = {"max_workers": 2, "worker_cpus": 2, "idle_s": 2, "scratch": str(self.scratch)}
        plain = json.dumps(asdict(settings(**small | changed)))
        what = [str(self.folder), str(tasks), str(seconds), plain, *["slurm"] * self.slurm]
        command = [sys.executable, "-m", "tests.launch.cluster.sleepers", *what]
        output = subprocess.STDOUT
        self.drivers.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True))
        return self.drivers[-1]

    def allow(self, trials: int) -> None:
        """So many trials may end in all, and the others wait: what a test does comes in time on a slow machine, too."""
        write_atomic(self.folder / "allowed", str(trials).encode())

    def wait(self, condition: Callable[[], object]) -> None:
        """Until something is so, while the driver lives."""
        deadline = time.monotonic() + 600
        while not condition():
            over = self.drivers[-1].poll() is not None and not condition()
            assert not over, self.drivers[-1].communicate()[0]
            assert time.monotonic() < deadline, [*self.cluster.events()]
            time.sleep(0.05)

    def finish(self, code: int = 0, timeout: float = 600) -> str:
        """What the driver said."""
        output = self.drivers[-1].communicate(timeout=timeout)[0]
        assert self.drivers[-1].returncode == code, output
        return output

    def kill(self) -> None:
        """The driver is gone from one moment to the next."""
        self.drivers[-1].kill()
        self.drivers[-1].wait()

    @property
    def done(self) -> int:
        """Trials with a result."""
        return len([*(self.folder / "done").glob("*")])

    def begun(self) -> dict[int, list[str]]:
        """The jobs in which each trial was begun."""
        found: dict[int, list[str]] = {}
        for line in (self.folder / "runs.txt").read_text().splitlines():
            number, job = line.split()
            found.setdefault(int(number), []).append(job)
        return found

    def kinds(self, job: str = "") -> list[str]:
        """What happened, or what happened to a job."""
        return [event.kind for event in self.cluster.events() if job in ("", event.job)]

    def joined(self) -> set[str]:
        """Workers that the driver has seen at work, which is later than their heartbeats say so."""
        return {event.job for event in self.cluster.events() if event.kind == "joined"}

    def busy(self) -> list[str]:
        """Workers that have trials."""
        return [job for job, beat in self.cluster.heartbeats().items() if beat.state == "busy"]

    def processes(self) -> list[int]:
        """Everything on this machine that belongs to this cluster."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_ours(pid)]  # noqa: PTH208

    def _is_ours(self, pid: int) -> bool:
        try:
            titles = [Path("/proc", str(pid), name).read_text(errors="replace") for name in ("cmdline", "environ")]
        except OSError:
            return False
        words = (str(self.cluster.root), str(self.scratch))
        return pid != os.getpid() and any(word in title for title in titles for word in words)

    def raylet(self, job: str) -> int:
        """The raylet of a worker."""
        beat = self.cluster.heartbeat(job)
        assert beat is not None
        return self.process("raylet", f"au-w-{beat.pid}-")

    def process(self, name: str, part: str) -> int:
        """The process of this cluster with this name whose command line has this part."""
        for pid in self.processes():
            with suppress(OSError):  # it may end in this moment
                place = Path("/proc", str(pid))
                if part in (place / "cmdline").read_text() and (place / "comm").read_text().strip() == name:
                    return pid
        raise AssertionError(f"no {name} of ours")

    def end(self) -> None:
        """Kill what is left."""
        for driver in self.drivers:
            driver.kill()
            driver.communicate()
        deadline = time.monotonic() + 60
        while (pids := self.processes()) and time.monotonic() < deadline:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)


def left(run: Run) -> list[str]:
    """What of the cluster is still there: processes, and folders of Ray's; both may take a moment to go."""
    deadline = time.monotonic() + 60
    while (found := [*map(str, run.processes()), *map(str, run.scratch.iterdir())]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
