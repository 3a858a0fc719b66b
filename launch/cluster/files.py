"""ClusterFolder: the folder of a study's cluster, and the only place that knows its file names.

    rendezvous.json        address of the head; its generation grows with every new head
    token                  secret of this generation
    head.json              heartbeat of the driver
    workers/<job>.json     heartbeat of a worker; the last one says how it ended
    drain/<job>            asks one worker to end
    stop                   asks all workers to end
    jobs/                  files of submitit: submissions and logs
    events.jsonl           one line for each event; only the driver writes it, because shared disks lose lines otherwise

The folder is closed to other users, because its content allows to run code as its owner. No file is ever half written.
"""

import dataclasses
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from data.files import private_folder
from launch.cluster.security import write_private, write_token

State = Literal["starting", "staging", "joined", "idle", "busy", "draining", "gone"]
ClusterFault = Literal["", "version", "resources", "staging", "start"]
Record = TypeVar("Record")


@dataclass(frozen=True)
class Rendezvous:
    """The address of the head, and the versions that a worker must have."""

    address: str  # host:port
    cluster_id: str
    generation: int
    ray: str
    python: str
    packages: dict[str, str]  # name -> version, with a digest of our own code
    token: str  # path of the token
    host: str
    pid: int
    time: float


@dataclass(frozen=True)
class Head:
    """The driver of the study."""

    job: str  # empty outside SLURM
    host: str
    pid: int
    since: float
    time: float  # of this heartbeat
    generation: int


@dataclass(frozen=True)
class Heartbeat:
    """The state of a worker. Clocks differ between nodes, so only a change shows that a worker is alive."""

    job: str
    node: str
    host: str
    pid: int
    state: State
    cpus: int
    gpus: int
    time: float
    ends: float  # unix time at which its job ends; 0 if unknown
    generation: int
    since: float  # start of this state
    text: str = ""
    fault: ClusterFault = ""  # why a worker could not run on this node


@dataclass(frozen=True)
class Event:
    """One line of events.jsonl."""

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
        """Make the folder, or check an existing one; `InputError` if it is not private."""
        private_folder(self.root)
        for name in self._folders:
            private_folder(self.root / name)
        return self

    @property
    def jobs(self) -> Path:
        """The folder of submitit."""
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
        """Write a new secret; processes with an old one are no longer accepted."""
        return write_token(self.token)

    def write_rendezvous(self, rendezvous: Rendezvous) -> None:
        """Publish the address of the head."""
        _write(self.rendezvous_path, rendezvous)

    def rendezvous(self) -> Rendezvous | None:
        """The latest rendezvous; None before the first."""
        return _read(self.rendezvous_path, Rendezvous)

    def write_head(self, head: Head) -> None:
        """Replace the heartbeat of the driver."""
        _write(self.root / "head.json", head)

    def head(self) -> Head | None:
        """The latest driver, or None."""
        return _read(self.root / "head.json", Head)

    # --- workers

    def beat(self, heartbeat: Heartbeat) -> None:
        """Replace the heartbeat of a worker."""
        _write(self.root / "workers" / f"{heartbeat.job}.json", heartbeat)

    def heartbeat(self, job: str) -> Heartbeat | None:
        """The last heartbeat of the worker job `job`, or None."""
        return _read(self.root / "workers" / f"{job}.json", Heartbeat)

    def heartbeats(self) -> dict[str, Heartbeat]:
        """The last heartbeat of every worker, by job."""
        names = sorted(path.stem for path in (self.root / "workers").glob("[!.]*.json"))
        found = {job: self.heartbeat(job) for job in names}
        return {job: heartbeat for job, heartbeat in found.items() if heartbeat}

    def ask_drain(self, job: str) -> None:
        """Ask a worker to finish its trials and end."""
        write_private(self.root / "drain" / job, b"")

    def drains(self) -> set[str]:
        """The jobs that were asked to end."""
        return {path.name for path in (self.root / "drain").glob("[!.]*")}

    def asked_to_drain(self, job: str) -> bool:
        """Whether the worker `job` was asked to end."""
        return (self.root / "drain" / job).exists()

    # --- the end

    def ask_stop(self) -> None:
        """Ask all workers and the driver to end."""
        write_private(self.root / "stop", str(time.time()).encode())

    def asked_to_stop(self) -> bool:
        """Whether all were asked to end."""
        return (self.root / "stop").exists()

    def clear_flags(self) -> None:
        """Remove the requests of an earlier driver."""
        for path in [self.root / "stop", *(self.root / "drain").glob("*")]:
            path.unlink(missing_ok=True)

    # --- events

    def event(self, kind: str, job: str = "", text: str = "") -> Event:
        """Add an event; only the driver may do this."""
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
        """All events in their order; a line cut off by a crash is left out."""
        if not self.events_path.exists():
            return
        for line in self.events_path.read_text().splitlines():
            try:
                yield Event(**json.loads(line))
            except (ValueError, TypeError):
                continue

    def submitted(self) -> set[str]:
        """Every worker job of this cluster so far."""
        return {event.job for event in self.events() if event.kind == "submitted"} | {*self.heartbeats()}


def _write(path: Path, record: Any) -> None:
    write_private(path, json.dumps(dataclasses.asdict(record), indent=1).encode())


def _read(path: Path, kind: type[Record]) -> Record | None:
    """The record in a file; None if it is missing or written by another version of this code."""
    try:
        return kind(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return None
