"""Faults of a cluster, each done to a running search in the sandbox; see `tests.benchmarks.cluster`."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from launch.cluster.files import ClusterFolder
from launch.cluster.jobs import our_jobs
from study.store import StudyStore
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
        """Wait until some trials are finished and all workers are busy."""
        self.until(lambda: self.done >= trials and len(self.busy()) >= workers, "the middle")

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

    def busy(self) -> list[str]:
        """Workers that have trials."""
        return [job for job, beat in self.cluster.heartbeats().items() if beat.state == "busy"]

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
        self, place: Path | None = None, name: str = "", cluster: dict[str, object] | None = None, **spec: object
    ) -> Sweep:
        """A new study."""
        self.number += 1
        name = name or f"s{self.number:03}"
        root, log = (place or self.place / "r") / name, self.place / "l" / name
        root.mkdir(parents=True)
        log.mkdir(parents=True)
        scratch = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))  # short, for unix sockets
        asked = Spec(str(log), CLUSTER | {"scratch": str(scratch)} | (cluster or {}), **spec)  # type: ignore[arg-type]
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


# --- what happens to workers


def worker_cancelled(bench: Bench) -> Outcome:
    """scancel of a busy worker."""
    sweep = bench.sweep().start()
    sweep.middle()
    bench.slurm.output("scancel", sweep.busy()[0])
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


def worker_killed(bench: Bench) -> Outcome:
    """kill -9 of the supervisor."""
    sweep = bench.sweep().start()
    sweep.middle()
    os.kill(sweep.supervisor(sweep.busy()[0]), signal.SIGKILL)
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


def raylet_killed(bench: Bench) -> Outcome:
    """kill -9 of a raylet."""
    sweep = bench.sweep().start()
    sweep.middle()
    os.kill(sweep.raylet(sweep.busy()[0]), signal.SIGKILL)
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted: its job starts another")


def node_down(bench: Bench) -> Outcome:
    """slurmd and everything on the node killed, state=down."""
    sweep = bench.sweep().start()
    sweep.middle()
    node = sweep.node(sweep.busy()[0])
    with lost(bench.slurm, node):
        sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


@contextmanager
def lost(slurm: Sandbox, node: str) -> Iterator[None]:
    """A node that is gone for a while."""
    slurm.lose_node(node)
    slurm.output("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        yield
    finally:
        slurm.start_node(node)
        slurm.output("scontrol", "update", f"nodename={node}", "state=resume")
        slurm.wait_for(lambda: "down" not in slurm.output("sinfo", "-h", "-N", "-n", node, "-o", "%T"), "the node")


def preempted(bench: Bench) -> Outcome:
    """Every node is wanted by a partition of higher priority."""
    sweep = bench.sweep(cluster={"partition": "low"}, trials=16).start()
    sweep.middle()
    bench.slurm.output("sbatch", "-phigh", "-N4", "--exclusive", "-o/dev/null", "--wrap", "sleep 5")
    sweep.finish()
    kinds = sweep.kinds()
    check("draining" in kinds, "no worker was preempted")
    return outcome(sweep, f"{kinds.count('submitted')} submitted, {kinds.count('joined')} joined")


def worker_time_limit(bench: Bench) -> Outcome:
    """Workers of one minute, shorter than the search."""
    short = {"partition": "short", "time": 1, "signal_s": 20}
    sweep = bench.sweep(cluster=short, trials=24, seconds=0.8).start()
    sweep.finish()
    kinds = sweep.kinds()
    check("draining" in kinds, "no worker reached its limit")
    return outcome(sweep, f"{kinds.count('submitted')} submitted, {kinds.count('joined')} joined")


# --- what happens to the head


HEAD = {"head": "job", "head_partition": "main"}


def head_time_limit(bench: Bench) -> Outcome:
    """A head job of one minute, shorter than the search."""
    sweep = bench.sweep(cluster={**HEAD, "head_partition": "short", "head_time": 1}, trials=24, seconds=0.8).start()
    sweep.finish(seconds=500)
    heads = sweep.kinds().count("head")
    check(heads > 1, "the head did not reach its limit")
    return outcome(sweep, f"{heads} heads, {sweep.kinds().count('submitted')} workers")


def driver_killed(bench: Bench) -> Outcome:
    """kill -9 of the driver, and the same command again."""
    sweep = bench.sweep().start()
    sweep.middle()
    sweep.drivers[-1].kill()
    sweep.drivers[-1].wait()
    sweep.start().finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted in all")


def head_node_down(bench: Bench) -> Outcome:
    """The node of the head job is gone; the command that follows goes on."""
    sweep = bench.sweep(cluster=HEAD).start()
    sweep.middle()
    head = our_jobs(sweep.cluster, "head")[0]
    with lost(bench.slurm, head.node):
        sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('head')} heads, {sweep.kinds().count('submitted')} workers")


def controller_restarted(bench: Bench) -> Outcome:
    """slurmctld is away for ten seconds, while a worker is killed."""
    sweep = bench.sweep().start()
    sweep.middle()
    victim = sweep.supervisor(sweep.busy()[0])
    bench.slurm.stop_controller()
    os.kill(victim, signal.SIGKILL)
    time.sleep(10)
    bench.slurm.start_controller()
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


# --- what happens to the disk


def read_only(bench: Bench) -> Outcome:
    """The study's folder is read-only for 30 s: a read-only bind mount over it."""
    sweep = bench.sweep(trials=24).start()
    sweep.middle()
    begun = sweep.done
    with mounted_read_only(sweep.root):
        time.sleep(30)
    again = sweep.drivers[-1].poll() is not None
    if again or sweep.finish(0, 1, 2):
        sweep.start().finish()
        return outcome(sweep, f"at {begun} trials; the command ended, and was given again: {sweep.said()[:120]!r}")
    return outcome(sweep, f"at {begun} trials; the same command went on")


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    """Whatever is opened in `folder` by its path meets a read-only file system."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def disk_full(bench: Bench) -> Outcome:
    """A disk of 16 MB is full: the command ends, room is made, the command is given again."""
    disk = bench.place / "disk"
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "au-bench", disk], check=True)
    try:
        sweep = bench.sweep(place=disk, trials=24).start()
        sweep.middle()
        at = sweep.done
        subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=64k"], capture_output=True)
        with (disk / "filler").open("ab") as file:
            try:
                for _ in range(100_000):
                    file.write(b"0" * 512)
                    file.flush()
            except OSError:
                pass
        code = sweep.finish(1)
        said = next((line for line in sweep.said().splitlines() if "no space" in line), "NOT SAID WHY")
        (disk / "filler").unlink()
        sweep.start().finish()
        return outcome(sweep, f"full at {at}, exit {code} {said[:60]!r}, then given again")
    finally:
        bench.end()
        subprocess.run(["umount", "-l", disk], check=True)


# --- what trials do


def bad_trial(bench: Bench, failures: int, **spec: object) -> Outcome:
    sweep = bench.sweep(bad=spec.pop("bad"), **spec).start()
    sweep.finish()
    return outcome(sweep, "", failures)


def raises(bench: Bench) -> Outcome:
    """A trial raises, always."""
    return bad_trial(bench, 1, bad="raise")


def crashes_once(bench: Bench) -> Outcome:
    """A segmentation fault, once."""
    return bad_trial(bench, 0, bad="crash", times=1)


def crashes(bench: Bench) -> Outcome:
    """A segmentation fault, each time."""
    return bad_trial(bench, 1, bad="crash")


def hangs_once(bench: Bench) -> Outcome:
    """No report for trial.timeout=0.2 minutes, once."""
    return bad_trial(bench, 0, bad="hang", times=1, timeout=0.2)


def hangs(bench: Bench) -> Outcome:
    """No report for trial.timeout=0.1 minutes, each time."""
    return bad_trial(bench, 1, bad="hang", timeout=0.1)


def leaks(bench: Bench) -> Outcome:
    """Memory is leaked until the kernel kills the process: a memory cgroup of 256 MB, each time."""
    return bad_trial(bench, 1, bad="leak")


def nan(bench: Bench) -> Outcome:
    """A trial comes to NaN."""
    return bad_trial(bench, 1, bad="nan")


# --- several searches, and workers that do not fit


def same_name_here(bench: Bench) -> Outcome:
    """The same command twice at once, both drivers here: one refuses."""
    sweep = bench.sweep().start().start()
    codes = sorted(driver.wait(PATIENCE) for driver in sweep.drivers)
    check(codes == [0, 2], f"exit codes {codes}: {sweep.said()[-300:]}")
    line = next(line for line in sweep.said().splitlines() if "another command is running" in line)
    return outcome(sweep, f"exit codes {codes}: {line[:60]!r}")


def same_name_in_job(bench: Bench) -> Outcome:
    """The same command twice at once, the driver in a job: the second follows the first's head job."""
    sweep = bench.sweep(cluster=HEAD).start().start()
    codes = sorted(driver.wait(PATIENCE) for driver in sweep.drivers)
    heads = sweep.kinds().count("head")
    check(codes == [0, 0] and heads == 1, f"exit codes {codes}, {heads} heads: {sweep.said()[-300:]}")
    return outcome(sweep, f"exit codes {codes}, 1 head")


def two_sweeps(bench: Bench) -> Outcome:
    """Two searches at once, a worker of one is cancelled: the other loses nothing."""
    one, other = bench.sweep().start(), bench.sweep().start()
    one.middle(3, 1)
    other.until(lambda: other.done >= 3, "three trials")
    bench.slurm.output("scancel", one.busy()[0])
    one.finish()
    other.finish()
    mine, theirs = ({job for _, _, job, _, _ in sweep.begun()} for sweep in (one, other))
    check(not mine & theirs, f"jobs of both: {mine & theirs}")
    second = outcome(other)
    check(second.lost == second.again == 0 and second.best, f"the other search: {second.row()}")
    check("lost" not in other.kinds(), "the other lost a worker")
    return outcome(one, f"the other: {second.done} of {second.asked}, {second.again} again")


def other_version(bench: Bench) -> Outcome:
    """One node has another numpy: it is refused by name, the others do the work."""
    packages = bench.place / "other" / "numpy-9.9.9.dist-info"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9.9\n")
    setup = f'if [ "$SLURMD_NODENAME" = node1 ]; then export PYTHONPATH={packages.parent}:$PYTHONPATH; fi'
    sweep = bench.sweep(cluster={"setup": (setup,), "extra": {"exclusive": ""}}).start()
    sweep.finish()
    texts = [event.text for event in sweep.cluster.events() if event.kind == "excluded"]
    check(any("numpy is 9.9.9 here" in text for text in texts), f"nobody was refused: {texts}")
    check(all(job not in {one[2] for one in sweep.begun()} for job in refused(sweep)), "it ran trials")
    return outcome(sweep, texts[0])


def refused(sweep: Sweep) -> list[str]:
    """Workers that were refused."""
    return [event.job for event in sweep.cluster.events() if event.kind == "excluded"]


def given_trials(bench: Bench) -> Outcome:
    """Trials that are given (final evaluation): a worker is killed and a trial's process crashes once."""
    sweep = bench.sweep(final=True, bad="crash", times=1).start()
    sweep.middle()
    os.kill(sweep.supervisor(sweep.busy()[0]), signal.SIGKILL)
    sweep.finish()
    return outcome(sweep)


def check(holds: bool, otherwise: str) -> None:
    """`Failed` unless it holds."""
    if not holds:
        raise Failed(otherwise)


FAULTS: dict[str, Callable[[Bench], Outcome]] = {
    "worker_cancelled": worker_cancelled,
    "worker_killed": worker_killed,
    "raylet_killed": raylet_killed,
    "node_down": node_down,
    "preempted": preempted,
    "worker_time_limit": worker_time_limit,
    "head_time_limit": head_time_limit,
    "driver_killed": driver_killed,
    "head_node_down": head_node_down,
    "controller_restarted": controller_restarted,
    "read_only": read_only,
    "disk_full": disk_full,
    "raises": raises,
    "crashes_once": crashes_once,
    "crashes": crashes,
    "hangs_once": hangs_once,
    "hangs": hangs,
    "leaks": leaks,
    "nan": nan,
    "same_name_here": same_name_here,
    "same_name_in_job": same_name_in_job,
    "two_sweeps": two_sweeps,
    "other_version": other_version,
    "given_trials": given_trials,
}
