"""One worker job: a Ray node with the resources of its allocation, and a supervisor.

Once a second the supervisor checks its node, the rendezvous, the flags in the cluster's folder and its signals. SLURM's
early warning (SIGUSR2, only to the supervisor) drains the node: running trials go on until the drain time is over, and
continue elsewhere from their last epoch. Then the job goes back to the queue.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from data.errors import InputError
from launch.cluster import slurm
from launch.cluster.files import ClusterFault, ClusterFolder, Heartbeat, Rendezvous, State
from launch.cluster.node import RayNode, authentication, node_address, reachable
from launch.cluster.private_names import DRAIN_SECONDS
from launch.cluster.staging import Staging
from launch.cluster.versions import version_differences, versions
from launch.keys.cluster import ClusterSettings

Reason = Literal["cancelled", "warned", "stopped", "not needed", "no head"]
TICK_S = 1.0
_START_S = 90.0  # a node must join within this time
STEADY_S = 60.0  # after this time, the end of a node does not count as a failed start
ATTEMPTS = 3
LOOK_S = 2.0  # between two checks of all processes of the machine


@dataclass(frozen=True)
class Worker:
    """The content of a worker job, which submitit pickles."""

    folder: ClusterFolder
    settings: ClusterSettings
    store: Path | None = None  # frame store to copy to the node if `settings.stage`
    beat_s: float = 5.0
    keep_s: float = 600.0  # how long an allocation is kept without a head

    def __call__(self) -> str:
        """Run until there is a reason to end; returns the reason."""
        return Supervisor(self).run()


class Refused(Exception):
    """This node cannot run trials."""

    def __init__(self, fault: ClusterFault, text: str) -> None:
        super().__init__(text)
        self.fault: ClusterFault = fault


@dataclass(frozen=True)
class Allocation:
    """The resources of this job on this node."""

    cpus: int
    gpus: int


def allocation(environment: Mapping[str, str], asked_gpus: int) -> Allocation:
    """The resources of the job; `Refused` when SLURM and CUDA disagree, or when there are too few GPUs."""
    cpus = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE")
    granted = environment.get("SLURM_GPUS_ON_NODE", "").rpartition(":")[2]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    seen = [device for device in (visible or "").split(",") if device not in ("", "-1", "NoDevFiles")]
    if granted and visible is not None and int(granted) != len(seen):
        raise Refused("resources", f"SLURM_GPUS_ON_NODE={granted}, but CUDA_VISIBLE_DEVICES={visible}")
    gpus = int(granted) if granted else len(seen)
    if gpus < asked_gpus:
        raise Refused("resources", f"the node gives {gpus} GPUs, cluster.worker_gpus={asked_gpus}")
    return Allocation(int(cpus) if cpus else len(os.sched_getaffinity(0)), gpus)


def drain_seconds(warning: float) -> float:
    """How long trials may continue after SLURM's warning: its time minus the time to end the node."""
    return warning - min(60.0, max(2.0, warning / 4))


class Supervisor:
    """Supervises the Ray node of one job."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.folder, self.settings = worker, worker.folder, worker.settings
        self.job = os.environ.get("SLURM_JOB_ID") or f"local-{os.getpid()}"
        self.node: RayNode | None = None
        self.rendezvous: Rendezvous | None = None  # of the head that `node` belongs to
        self.staging: Staging | None = None
        self.signals: set[int] = set()
        self.attempts = 0
        self.begun = self.head_seen = self.beaten = self.looked = time.monotonic()
        name, host = os.environ.get("SLURMD_NODENAME") or socket.gethostname(), socket.gethostname()
        now, pid = time.time(), os.getpid()
        self.state = Heartbeat(self.job, name, host, pid, "starting", 0, 0, now, self._ends(), 0, now)

    def run(self) -> str:
        """Run until there is a reason to end; returns the reason."""
        for number in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, lambda number, _: self.signals.add(number))
        try:
            self.resources = allocation(os.environ, self.settings.worker_gpus)
            self.state = replace(self.state, cpus=self.resources.cpus, gpus=self.resources.gpus)
            self._show("starting", "waiting for the head")
            while (reason := self._reason()) is None:
                with suppress(OSError):  # the shared folder may be unavailable for a moment
                    self._step()
                time.sleep(TICK_S)
            return self._leave(reason)
        except Refused as refusal:
            self._part()
            self._show("gone", str(refusal), refusal.fault)
            return f"refused: {refusal}"
        finally:
            self._part()
            if self.staging:
                self.staging.release()

    # --- one check of everything

    def _reason(self) -> Reason | None:
        """The reason to end now, or None."""
        if signal.SIGTERM in self.signals:
            return "cancelled"
        with suppress(OSError):
            if self.folder.asked_to_stop():
                return "stopped"
            if self.folder.asked_to_drain(self.job):
                return "not needed"
        if signal.SIGUSR2 in self.signals:
            return "warned"
        return "no head" if time.monotonic() - self.head_seen > self.worker.keep_s else None

    def _step(self) -> None:
        current = self.folder.rendezvous()
        if self.node and self.rendezvous and current and current.generation != self.rendezvous.generation:
            self._part()
        if self.node:
            self._look_after(self.node)
        if self.node is None:
            self._join(current)
        if time.monotonic() - self.beaten > self.worker.beat_s:
            self._show(self.state.state, self.state.text)

    def _look_after(self, node: RayNode) -> None:
        """Show what the node does; end a node that crashed or does not start."""
        alive, age = node.running, time.monotonic() - self.begun
        if alive and node.address:
            self.head_seen = time.monotonic()
            if self.head_seen - self.looked > LOOK_S:
                self.looked = self.head_seen
                self._show_work(node.tasks())
        elif not alive or age > _START_S:
            self.attempts = 1 if age > STEADY_S and node.address else self.attempts + 1
            said = node.log_tail()
            self._part()
            if self.attempts >= ATTEMPTS:
                raise Refused("start", f"Ray ended {self.attempts} times: {said}")
            self._show("starting", f"Ray ended: {said}")

    def _join(self, head: Rendezvous | None) -> None:
        """Start a node for the head, when the head answers and the frame store is copied."""
        if head is None or not reachable(head.address):
            return self._show_change("starting", "waiting for the head")
        self.head_seen = time.monotonic()
        wrong = version_differences(versions(), head.packages)
        if wrong:
            raise Refused("version", "; ".join(wrong))
        if self.settings.stage and self.worker.store and not self._staged(self.worker.store):
            return None
        self.rendezvous, self.begun = head, time.monotonic()
        self.state = replace(self.state, generation=head.generation)
        self.node = RayNode("w", self._arguments(head), self._environment(head), self.settings.scratch_path)
        return self._show_change("starting", "joining")

    def _staged(self, store: Path) -> bool:
        """Whether the copy of the frame store is ready; starts copying."""
        if self.staging is None:
            self.staging = Staging(store, self.settings.scratch_path)
        if self.staging.problem:
            raise Refused("staging", self.staging.problem)
        if not self.staging.store:
            self._show_change("staging", self.staging.text)
        return self.staging.store is not None

    def _arguments(self, head: Rendezvous) -> list[str]:
        size = [f"--num-cpus={self.resources.cpus}", f"--num-gpus={self.resources.gpus}"]
        named = {"worker": 1, f"job_{self.job}": 1}
        return [f"--address={head.address}", *size, f"--resources={json.dumps(named)}", *_interface(self.settings)]

    def _environment(self, head: Rendezvous) -> dict[str, str]:
        drain = {DRAIN_SECONDS: f"{drain_seconds(self.settings.signal_s):g}"}
        copy = self.staging.store.environment if self.staging and self.staging.store else {}
        return {**authentication(Path(head.token)), **drain, **copy}

    # --- the end

    def _leave(self, reason: Reason) -> str:
        """End the node; after a warning put the job back in the queue."""
        if self.node and reason in ("warned", "not needed"):
            self._show("draining", reason)
            self._drain(self.node)
        self._part()
        again = reason == "warned" and not {signal.SIGTERM} & self.signals
        text = "back to the queue: time limit or preemption" if again else reason
        self._show("gone", text)
        if again and "SLURM_JOB_ID" in os.environ:
            try:
                slurm.requeue(self.job)
            except slurm.SlurmError as error:
                self._show("gone", f"requeue failed: {error}")
        return text

    def _drain(self, node: RayNode) -> None:
        node.drain()
        deadline = time.monotonic() + drain_seconds(self.settings.signal_s) + 2
        while node.running and time.monotonic() < deadline and signal.SIGTERM not in self.signals:
            if time.monotonic() - self.beaten > self.worker.beat_s:
                self._show("draining", self.state.text)
            time.sleep(TICK_S / 4)

    def _part(self) -> None:
        """End the node, if there is one."""
        if self.node:
            self.node.end()
        self.node = None

    # --- heartbeats

    def _show_work(self, tasks: int) -> None:
        known: State = "busy" if tasks else "idle"
        self._show_change(known, f"{tasks} trials" if tasks else "")

    def _show_change(self, state: State, text: str) -> None:
        if (state, text) != (self.state.state, self.state.text):
            self._show(state, text)

    def _show(self, state: State, text: str, fault: ClusterFault = "") -> None:
        now = time.time()
        since = self.state.since if state == self.state.state else now
        self.state = replace(self.state, state=state, text=text, fault=fault, time=now, since=since)
        self.beaten = time.monotonic()
        with suppress(OSError):
            self.folder.beat(self.state)

    def _ends(self) -> float:
        """Unix time at which SLURM ends this job; 0 if unknown."""
        if "SLURM_JOB_END_TIME" in os.environ:
            return float(os.environ["SLURM_JOB_END_TIME"])
        try:
            left = [job.time_left_s for job in slurm.queue([self.job])] if "SLURM_JOB_ID" in os.environ else []
        except slurm.SlurmError:
            return 0.0
        return time.time() + left[0] if left and left[0] else 0.0


def _interface(settings: ClusterSettings) -> list[str]:
    try:
        return node_address(settings.interface)
    except InputError as error:
        raise Refused("start", str(error)) from error


def worker_command(folder: ClusterFolder, settings: ClusterSettings, store: Path | None) -> list[str]:
    """The command line of a worker that runs inside the driver's job."""
    plain = json.dumps(asdict(settings))
    return [sys.executable, "-m", "launch.cluster.worker", str(folder.root), plain, str(store or "")]


def main(arguments: list[str]) -> int:
    """The program of `worker_command`."""
    folder, settings, store = arguments
    frames = Path(store) if store else None
    print(Worker(ClusterFolder(Path(folder)), ClusterSettings(**json.loads(settings)), frames)())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
