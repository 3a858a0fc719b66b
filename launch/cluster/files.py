"""ClusterFolder: the folder of a study's cluster, and the only place that knows its file names.

    rendezvous.json        where the head is; its generation grows whenever a new head takes over
    token                  the secret of this generation
    head.json              who drives, and when it was last seen
    workers/<job>.json     heartbeat of a worker; its last one says how it ended
    drain/<job>            asks one worker to leave
    stop                   asks all of them to leave
    jobs/                  what submitit writes: submissions and logs
    events.jsonl           what happened, a line each; written by the driver alone, as shared disks lose lines otherwise

All of it is closed to everyone else, as it says how to run code in the name of its owner. A file is whole or absent.
"""

import dataclasses
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from launch.cluster.security import private_folder, write_private, write_token

State = Literal["starting", "staging", "joined", "idle", "busy", "draining", "gone"]
ClusterFault = Literal["", "version", "resources", "staging", "start"]
Record = TypeVar("Record")


@dataclass(frozen=True)
class Rendezvous:
    """What a worker needs to find the head, and to know whether it fits."""

    address: str  # host:port
    cluster_id: str
    generation: int
    ray: str
    python: str
    packages: dict[str, str]  # name -> version, and a digest of our own code
    token: str  # path of the token
    host: str
    pid: int
    time: float


@dataclass(frozen=True)
class Head:
    """Who drives the study."""

    job: str  # empty outside SLURM
    host: str
    pid: int
    since: float
    time: float  # of this heartbeat
    generation: int


@dataclass(frozen=True)
class Heartbeat:
    """How a worker is. Clocks differ between nodes: whether it is alive shows in the heartbeat changing."""

    job: str
    node: str
    host: str
    pid: int
    state: State
    cpus: int
    gpus: int
    time: float
    ends: float  # unix time at which its job ends; 0 when nobody knows
    generation: int
    since: float  # begin of this state
    text: str = ""
    fault: ClusterFault = ""  # why a worker is gone that could not work on this node


@dataclass(frozen=True)
class Event:
    """One line of what happened."""

    time: float
    kind: str
    job: str
    text: str


@dataclass(frozen=True)
class ClusterFolder:
    """Files of one cluster."""

    root: Path
    _folders: tuple[str, ...] = field(default=("workers", "drain", "jobs"), repr=False)

    def open(self) -> "ClusterFolder":
        """Make the folder, or check that the one that is there is private; `InputError` when it is not."""
        private_folder(self.root)
        for name in self._folders:
            private_folder(self.root / name)
        return self

    @property
    def jobs(self) -> Path:
        """What submitit writes."""
        return self.root / "jobs"

    @property
    def token(self) -> Path:
        """Where the secret of this generation lies."""
        return self.root / "token"

    @property
    def rendezvous_path(self) -> Path:
        """Where the rendezvous lies."""
        return self.root / "rendezvous.json"

    @property
    def events_path(self) -> Path:
        """Where the events lie."""
        return self.root / "events.jsonl"

    # --- head

    def new_token(self) -> Path:
        """A fresh secret; whoever holds an old one is no longer let in."""
        return write_token(self.token)

    def write_rendezvous(self, rendezvous: Rendezvous) -> None:
        """Tell the workers where the head is."""
        _write(self.rendezvous_path, rendezvous)

    def rendezvous(self) -> Rendezvous | None:
        """Where the head is or was; None before the first one."""
        return _read(self.rendezvous_path, Rendezvous)

    def write_head(self, head: Head) -> None:
        """Show that somebody drives."""
        _write(self.root / "head.json", head)

    def head(self) -> Head | None:
        """Who drives, or did."""
        return _read(self.root / "head.json", Head)

    # --- workers

    def beat(self, heartbeat: Heartbeat) -> None:
        """Replace the heartbeat of a worker."""
        _write(self.root / "workers" / f"{heartbeat.job}.json", heartbeat)

    def heartbeat(self, job: str) -> Heartbeat | None:
        """The last heartbeat of the worker that is the job `job`."""
        return _read(self.root / "workers" / f"{job}.json", Heartbeat)

    def heartbeats(self) -> dict[str, Heartbeat]:
        """The last heartbeat of every worker that ever started, by its job."""
        names = sorted(path.stem for path in (self.root / "workers").glob("[!.]*.json"))
        found = {job: self.heartbeat(job) for job in names}
        return {job: heartbeat for job, heartbeat in found.items() if heartbeat}

    def ask_drain(self, job: str) -> None:
        """Ask a worker to end its trials and leave for good."""
        write_private(self.root / "drain" / job, b"")

    def drains(self) -> set[str]:
        """The jobs that are asked to leave."""
        return {path.name for path in (self.root / "drain").glob("[!.]*")}

    def asked_to_drain(self, job: str) -> bool:
        """Whether the worker `job` is asked to leave."""
        return (self.root / "drain" / job).exists()

    # --- the end

    def ask_stop(self) -> None:
        """Ask all workers, and the driver, to leave."""
        write_private(self.root / "stop", str(time.time()).encode())

    def asked_to_stop(self) -> bool:
        """Whether everybody is asked to leave."""
        return (self.root / "stop").exists()

    def clear_flags(self) -> None:
        """Forget what an earlier driver asked of its workers."""
        for path in [self.root / "stop", *(self.root / "drain").glob("*")]:
            path.unlink(missing_ok=True)

    # --- what happened

    def event(self, kind: str, job: str = "", text: str = "") -> Event:
        """Add an event; for the driver alone."""
        event = Event(time.time(), kind, job, text)
        line = json.dumps(dataclasses.asdict(event)).encode() + b"\n"
        handle = os.open(self.events_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, line)
        finally:
            os.close(handle)
        return event

    def events(self) -> Iterator[Event]:
        """Everything that happened, in its order; a line that was cut off by a crash is left out."""
        if not self.events_path.exists():
            return
        for line in self.events_path.read_text().splitlines():
            try:
                yield Event(**json.loads(line))
            except (ValueError, TypeError):
                continue

    def submitted(self) -> set[str]:
        """Every worker job that was ever submitted for this cluster."""
        return {event.job for event in self.events() if event.kind == "submitted"} | {*self.heartbeats()}


def _write(path: Path, record: Any) -> None:
    write_private(path, json.dumps(dataclasses.asdict(record), indent=1).encode())


def _read(path: Path, kind: type[Record]) -> Record | None:
    """The record in a file; None where there is none, and for one that another version of this code wrote."""
    try:
        return kind(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return None
