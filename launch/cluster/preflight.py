"""Checks of a cluster before anything is submitted.

`check_cluster` asks SLURM; `check_node` runs a short probe job on a compute node, with the Python of the workers.
"""

import os
import pickle
import resource
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rich.console import Console
from submitit.core.utils import JobPaths

from data.errors import raise_all
from launch.cluster import slurm
from launch.cluster.files import ClusterFolder
from launch.cluster.jobs import HEAD_CPUS, HEAD_MEM_GB, OURS, submit
from launch.cluster.private_names import DASHBOARD
from launch.cluster.versions import version_differences, versions
from launch.cluster.work import Work, disk_bytes, size
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import RunKeys
from launch.plan.resources import resources

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
_FILES, PROCESSES = 4096, 2048  # Ray needs at least these limits on a node
PROBE_S = 120.0  # limit for the probe job, with its wait in the queue
_POLL = 0.5


@dataclass(frozen=True)
class Ask:
    """What one kind of job needs from a partition, and the keys that set it."""

    partition: str
    partition_key: str
    minutes: int
    minutes_key: str
    cpus: int
    gpus: int
    memory_mb: float


def check_cluster(keys: RunKeys) -> None:
    """One `InputError` with everything that SLURM cannot provide."""
    settings = resources(keys).cluster
    lacking = [name for name in PROGRAMS if not shutil.which(name)]
    if lacking:
        problems = [f"no {', '.join(lacking)} on this machine; run the command on a login node, or give cluster=local"]
    else:
        try:
            problems = [*_extra(settings), *_partitions(settings), *_account(settings)]
        except slurm.SlurmError as error:
            problems = [f"SLURM does not answer: {error}"]
    problems += limits() if settings.head == "here" else []
    problems += _dashboard() if settings.dashboard else []
    raise_all("the cluster cannot be used with these settings:", problems)


def _dashboard() -> list[str]:
    """Packages of Ray's dashboard that are missing; workers have the same packages."""
    try:
        import_module(DASHBOARD)
    except ImportError as error:
        return [f"cluster.dashboard=true: {error}; pip install 'ray[default]', or leave it out"]
    return []


def _extra(settings: ClusterSettings) -> Iterator[str]:
    for name in settings.extra:
        if name.replace("_", "-") in OURS:
            yield f"cluster.extra.{name}: the command sets this itself; leave it out"


def _partitions(settings: ClusterSettings) -> Iterator[str]:
    known = {fields["PartitionName"]: fields for fields in map(_fields, _lines("scontrol", "show", "partition", "-o"))}
    for ask in _asks(settings):
        name = ask.partition or next((name for name, fields in known.items() if fields["Default"] == "YES"), "")
        if name in known:
            yield from _partition(ask, name, known[name])
        else:
            yield f"{ask.partition_key}={ask.partition!r}; allowed: {', '.join(known)}"


def _asks(settings: ClusterSettings) -> Iterator[Ask]:
    memory = 1024 * settings.worker_mem_gb
    size = settings.worker_cpus, settings.worker_gpus, memory
    yield Ask(settings.partition, "cluster.partition", settings.time, "cluster.time", *size)
    if settings.head == "job":
        partition, key = settings.head_partition or settings.partition, "cluster.head_partition"
        yield Ask(partition, key, settings.head_time, "cluster.head_time", HEAD_CPUS, 0, 1024 * HEAD_MEM_GB)


def _partition(ask: Ask, name: str, fields: dict[str, str]) -> Iterator[str]:
    if fields["State"] != "UP":
        yield f"{ask.partition_key}: partition {name} is {fields['State']}; choose another, or ask its administrators"
    longest = slurm.slurm_seconds(fields["MaxTime"])
    if longest is not None and 60 * ask.minutes > longest:
        yield f"{ask.minutes_key}={ask.minutes} minutes; partition {name} allows {longest / 60:.0f}"
    nodes = [_node(line) for line in _lines("sinfo", "-h", "-p", name, "-O", "CPUs:|,Memory:|,Gres:|,StateCompact:|")]
    up = [(cpus, memory, gpus) for cpus, memory, gpus, state in nodes if state.rstrip("*~#$@+") not in ("down", "fail")]
    if not any(c >= ask.cpus and m >= ask.memory_mb and g >= ask.gpus for c, m, g in up):
        there = "; ".join(f"{c} cores {m} MB {g} GPUs" for c, m, g in dict.fromkeys(up)) or "no node that is up"
        asked = f"{ask.cpus} cores {ask.memory_mb:.0f} MB {ask.gpus} GPUs"
        yield f"partition {name} has no node for {asked}; it has: {there}. Change cluster.worker_* or the partition"


def _node(line: str) -> tuple[int, int, int, str]:
    """Cores, memory, GPUs and state of a group of nodes."""
    cpus, memory, gres, state, _ = line.split("|")
    return int(cpus.rstrip("+")), int(memory.rstrip("+")), gpus_of(gres), state


def gpus_of(gres: str) -> int:
    """Number of GPUs in SLURM's notation, e.g. gpu:2 or gpu:a100:4(S:0-1),shard:8."""
    kinds = [kind.partition("(")[0].split(":") for kind in gres.split(",")]
    return sum(int(kind[-1]) if kind[-1].isdigit() else 1 for kind in kinds if kind[0] == "gpu")


def _account(settings: ClusterSettings) -> Iterator[str]:
    """Problems of account and QOS, if the site has accounting and lets users read it."""
    if not (settings.account or settings.qos):
        return
    user = f"user={os.environ.get('USER') or os.getuid()}"
    try:
        rows = [line.split("|") for line in _lines("sacctmgr", "-nP", "show", "assoc", user, "format=account,qos")]
    except slurm.SlurmError:
        return
    accounts, allowed = {row[0] for row in rows}, {name for row in rows for name in row[1].split(",") if name}
    if settings.account and accounts and settings.account not in accounts:
        yield f"cluster.account={settings.account!r}; yours: {', '.join(sorted(accounts))}"
    if settings.qos and allowed and settings.qos not in allowed:
        yield f"cluster.qos={settings.qos!r}; yours: {', '.join(sorted(allowed))}"


def _lines(*command: str) -> list[str]:
    return [line for line in slurm.command(*command).splitlines() if line.strip()]


def _fields(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in line.split())}


def limits() -> list[str]:
    """Limits of this machine that are too low for Ray."""
    asked = (
        ("open files (ulimit -n)", resource.RLIMIT_NOFILE, _FILES),
        ("processes (ulimit -u)", resource.RLIMIT_NPROC, PROCESSES),
    )
    found = [(name, resource.getrlimit(kind)[1], least) for name, kind, least in asked]
    return [
        f"{socket.gethostname()} allows {limit} {name}; Ray needs {least}: raise it, or ask the administrators to"
        for name, limit, least in found
        if limit != resource.RLIM_INFINITY and limit < least
    ]


# --- the probe job


@dataclass(frozen=True)
class Seen:
    """What the probe job found on a node."""

    host: str
    versions: dict[str, str]
    read: str  # content of the file that we wrote, or the error
    problems: list[str]


@dataclass(frozen=True)
class Look:
    """The content of the probe job."""

    asked: Path  # file that we wrote, with a random word
    answer: Path  # file that the probe writes
    frames: Path
    scratch: Path | None

    def __call__(self) -> Seen:
        """Check this node."""
        host = socket.gethostname()
        problems = limits()
        if not self.frames.is_dir():
            problems.append(f"{host} does not see {self.frames}; put store_root on a shared disk")
        if self.scratch and not os.access(self.scratch, os.W_OK):
            problems.append(f"{host} cannot write to cluster.scratch={self.scratch}; give a folder of the node's own")
        try:
            word = self.asked.read_text()
            self.answer.write_text(word[::-1])
        except OSError as error:
            word = str(error)
        return Seen(host, versions(), word, problems)


def check_node(work: Work, console: Console) -> None:
    """One `InputError` with everything that a compute node lacks; only a note if no node was free in time."""
    folder, settings = work.folder, work.resources.cluster
    raise_all("the disk is too small:", disk_problems(work))
    if not settings.probe:
        return
    with console.status("checking a compute node (cluster.probe=false skips it)"):
        word = uuid.uuid4().hex
        asked, answer = folder.root / f"probe-{word}", folder.root / f"answer-{word}"
        asked.write_text(word)
        look = Look(asked, answer, work.placement.store.resolve(), settings.scratch_path if settings.stage else None)
        try:
            problems = _probe(look, word, settings, folder, console)
        finally:
            asked.unlink(missing_ok=True)
            answer.unlink(missing_ok=True)
    raise_all("the compute nodes cannot be used with these settings:", problems)


def _probe(look: Look, word: str, settings: ClusterSettings, folder: ClusterFolder, console: Console) -> list[str]:
    """Problems that the probe job found."""
    job = submit(look, settings, folder, "probe")
    state = _wait(folder, job)
    if state is not None:
        slurm.cancel([job])
        console.print(f"no check of a compute node: the probe job {job} {state}; continuing without it")
        return []
    paths = JobPaths(folder.jobs, job, 0)
    if not paths.result_pickle.exists():
        log = paths.stderr.read_text(errors="replace").strip() if paths.stderr.exists() else ""
        there = log or f"it left no file in {folder.jobs}: put runs_root on a disk that compute nodes share"
        return [f"the probe job {job} ended without a result: {there}"]
    kind, found = pickle.loads(paths.result_pickle.read_bytes())
    return [*_verdict(found, look, word)] if kind == "success" else [f"the probe job {job} failed: {found.strip()}"]


def _verdict(seen: Seen, look: Look, word: str) -> Iterator[str]:
    shared = f"is different there and here: put runs_root on a disk that {seen.host} shares"
    if seen.read != word:
        yield f"{look.asked.parent} {shared} ({seen.read})"
    elif not _appears(look.answer):
        yield f"what {seen.host} writes to {look.asked.parent} {shared}"
    for line in version_differences(seen.versions, versions()):
        said = line.replace(" here,", f" on {seen.host},").replace("the head", "this machine")
        yield f"{said}; see cluster.python and cluster.setup"
    yield from seen.problems


def _wait(folder: ClusterFolder, job: str) -> str | None:
    """None when the job has ended; its state when the time is over."""
    deadline, result = time.monotonic() + PROBE_S, JobPaths(folder.jobs, job, 0).result_pickle
    state = "was not seen in the queue"
    while time.monotonic() < deadline:
        if result.exists():
            return None
        alive = slurm.queue([job])
        if not alive:
            _appears(result)
            return None
        state = f"is {alive[0].state} ({alive[0].reason}) for {PROBE_S:.0f} s"
        time.sleep(_POLL)
    return state


def _appears(path: Path, seconds: float = 10.0) -> bool:
    """Whether a file appears; on shared disks, files of other machines may appear seconds late."""
    deadline = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(_POLL)
    return path.exists()


def disk_problems(work: Work) -> list[str]:
    """A problem if the remaining trials do not fit on the study's disk."""
    needed, free = disk_bytes(work), shutil.disk_usage(work.folder.root).free
    if free >= needed:
        return []
    return [f"{work.store.root} has {size(free)} left, about {size(needed)} are needed"]
