"""Searches of sleeping trials in the sandbox: begun, watched, counted and ended; for `tests.benchmarks.cluster`."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import our_jobs
from study.records.store import StudyStore
from tests.benchmarks._cluster_trial import Spec, rates, worth
from tests.slurm.sandbox import Sandbox

REPOSITORY = Path(__file__).parents[2]
CLUSTER = {
    "name": "slurm",
    "head": "here",
    "partition": "main",
    "time": 10,
    "signal_s": 30,
    "head_time": 20,
    "max_workers": 2,
    "worker_cpus": 1,
    "poll_s": 1.0,
    "idle_s": 3,
    "stagger": 0.0,
}
PATIENCE = 300.0


class Failed(Exception):
    """The run did not come to where the fault is, or not to its end."""


@dataclass
class Sweep:
    """One study of sleeping trials, its drivers and all that it left."""

    root: Path  # of the study
    log: Path
    scratch: Path
    spec: Spec
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def cluster(self) -> ClusterFolder:
        """Its cluster."""
        return ClusterFolder(self.root / "cluster")

    @property
    def out(self) -> Path:
        """What its drivers say."""
        return self.log / "driver.out"

    def start(self) -> "Sweep":
        """Give the command, or give it again."""
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        with self.out.open("ab") as out:
            words = [sys.executable, "-m", "tests.benchmarks._cluster_sweep", str(self.root)]
            self.drivers.append(subprocess.Popen(words, stdout=out, stderr=out, env=environment, cwd=REPOSITORY))
        return self

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE, alive: bool = True) -> None:
        """Wait; the driver must live."""
        deadline = time.monotonic() + seconds
        while not condition():
            if alive and self.drivers[-1].poll() is not None:
                raise Failed(f"the driver ended before {what}: {self.said()[-300:]}")
            if time.monotonic() > deadline:
                raise Failed(f"no {what} within {seconds:g} s; {self.done} trials")
            time.sleep(0.05)

    def middle(self, trials: int = 3, workers: int = 2) -> None:
        """Wait until some trials are finished and so many workers are in the middle of others."""
        self.until(lambda: self.done >= trials and len(self.at_work()) >= workers, "the middle")

    def finish(self, *codes: int, seconds: float = PATIENCE) -> int:
        """The exit code of the last driver, one of `codes` (0)."""
        try:
            code = self.drivers[-1].wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"not over within {seconds:g} s; {self.done} trials: {self.said()[-200:]}") from None
        if code not in (codes or (0,)):
            raise Failed(f"exit code {code}: {self.said()[-300:]}")
        return code

    def said(self) -> str:
        """What the drivers said."""
        return self.out.read_text(errors="replace").strip()

    @property
    def done(self) -> int:
        """Trials with a result."""
        return len([*(self.root / "trials").glob("[!.]*.json")])

    def kinds(self) -> list[str]:
        """What happened."""
        return [event.kind for event in self.cluster.events()]

    def begun(self) -> list[tuple[str, int, str, int, float]]:
        """Every epoch that was begun: trial, epoch, job, process, time."""
        found = []
        for path in self.log.glob("*"):
            for line in path.read_text().splitlines() if path.suffix == "" else []:
                epoch, job, pid, at = line.split(" ")
                found.append((path.name, int(epoch), job, int(pid), float(at)))
        return sorted(found, key=lambda one: one[-1])

    def running(self) -> list[tuple[str, int, str, int, float]]:
        """The last epoch of each trial that has no result."""
        last = {one[0]: one for one in self.begun()}
        return [one for key, one in last.items() if not (self.root / "trials" / f"{key}.json").exists()]

    def at_work(self) -> list[str]:
        """Workers that are in the middle of an epoch."""
        jobs = [one[2] for one in self.running() if time.time() - one[-1] < 2 * self.spec.seconds]
        return sorted({job for job in jobs if (beat := self.cluster.heartbeat(job)) and beat.state != "gone"})

    def supervisor(self, job: str) -> int:
        """The process of a worker job."""
        beat = self.cluster.heartbeat(job)
        assert beat is not None
        return beat.pid

    def node(self, job: str) -> str:
        """Where a worker is."""
        beat = self.cluster.heartbeat(job)
        assert beat is not None
        return beat.node

    def processes(self) -> list[int]:
        """Everything on this machine that belongs to this study."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_ours(pid)]  # noqa: PTH208

    def _is_ours(self, pid: int) -> bool:
        try:
            titles = [Path("/proc", str(pid), name).read_text(errors="replace") for name in ("cmdline", "environ")]
        except OSError:
            return False
        words = (str(self.root), str(self.scratch))
        return pid != os.getpid() and any(word in title for title in titles for word in words)

    def raylet(self, job: str) -> int:
        """The raylet of a worker."""
        mark = f"au-w-{self.supervisor(job)}-"
        owners = [pid for pid in self.processes() if mark in Path("/proc", str(pid), "cmdline").read_text()]
        return next(pid for pid in owners if Path("/proc", str(pid), "comm").read_text().strip() == "raylet")

    def left(self, seconds: float = 45) -> str:
        """What is still there after the end: jobs, processes and Ray's folders; all may take a moment to go."""
        deadline = time.monotonic() + seconds
        while True:
            jobs = [job.id for job in our_jobs(self.cluster)]
            found = [*(f"job {job}" for job in jobs), *(f"pid {pid}" for pid in self.processes())]
            found += [path.name for path in self.scratch.iterdir()]
            if not found or time.monotonic() > deadline:
                return ", ".join(found)
            time.sleep(0.2)

    def end(self) -> None:
        """Kill what is left."""
        for driver in self.drivers:
            driver.kill()
            driver.wait()
        for pid in self.processes():
            _kill(pid)


def _kill(pid: int) -> None:
    """Kill a process that may be gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    asked: int
    done: int
    failed: int
    lost: int
    again: int  # epochs that were begun more than once
    best: bool  # every value, and so the best, is what the configuration is worth
    note: str

    def row(self) -> str:
        """Cells of the table."""
        best = "unchanged" if self.best else "CHANGED"
        return f"{self.asked} | {self.done} | {self.failed} | {self.lost} | {self.again} | {best} | {self.note}"


def outcome(sweep: Sweep, note: str = "", failures: int = 0) -> Outcome:
    """Count; `failures` trials are meant to fail."""
    store, spec = StudyStore(sweep.root), sweep.spec
    found = [*store.results()]
    done = [one for one in found if one.status == "DONE"]
    right = all(one.value == worth(one.config.optim.lr) for one in done)
    tried = {one.config.optim.lr for one in found}
    best = max(done, key=lambda one: one.value or 0, default=None)
    wanted = max(rates(spec), key=worth)
    again = len(sweep.begun()) - len({one[:2] for one in sweep.begun()})
    failed = len(found) - len(done)
    errors = {(one.error or "").strip().splitlines()[-1][:90] for one in found if one.status == "FAILED"}
    notes = [note, *errors]
    notes += [f"{failed} FAILED, not {failures}"] * (failed != failures)
    notes += [f"LEFT: {left}" for left in [sweep.left()] if left]
    same = right and tried == {*rates(spec)} and best is not None and best.config.optim.lr == wanted
    return Outcome(
        spec.trials, len(done), failed, spec.trials - len(found), again, same, "; ".join(filter(None, notes))
    )


class Bench:
    """The sandbox, and the studies in it."""

    def __init__(self, place: Path, slurm: Sandbox) -> None:
        self.place, self.slurm = place, slurm
        self.number = 0
        self.sweeps: list[Sweep] = []

    def sweep(
        self, place: Path | None = None, name: str = "", cluster: Mapping[str, object] | None = None, **spec: object
    ) -> Sweep:
        """A new study."""
        self.number += 1
        name = name or f"s{self.number:03}"
        root, log = (place or self.place / "r") / name, self.place / "l" / name
        root.mkdir(parents=True)
        log.mkdir(parents=True)
        scratch = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))  # short, for unix sockets
        asked = Spec(str(log), CLUSTER | {"scratch": str(scratch)} | dict(cluster or {}), **spec)  # type: ignore[arg-type]
        asked.write(root)
        self.sweeps.append(Sweep(root, log, scratch, asked))
        return self.sweeps[-1]

    def end(self) -> None:
        """After each row: nothing of it may disturb the next."""
        for sweep in self.sweeps:
            sweep.end()
        self.slurm.cancel_all()
        for sweep in self.sweeps:
            shutil.rmtree(sweep.scratch, ignore_errors=True)
        self.sweeps.clear()


def check(holds: bool, otherwise: str) -> None:
    """`Failed` unless it holds."""
    if not holds:
        raise Failed(otherwise)
