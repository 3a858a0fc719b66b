"""A Ray session, on this machine or on SLURM workers; trials can be submitted until it ends.

On a cluster the head runs on the machine of the driver, and the scaler, a thread of the driver, submits workers. The
end of a session ends the workers; after a kill or SIGTERM they wait for the next head.
"""

import os
import subprocess
import sys
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import NoReturn

import ray

from data.errors import InputError
from launch.cluster import jobs, private_names, slurm
from launch.cluster.files import ClusterFolder
from launch.cluster.head import RayHead
from launch.cluster.job_names import our_jobs
from launch.cluster.local import local_ray, quieten
from launch.cluster.scaler import (
    ScalerMemory,
    accepted,
    fleet_news,
    hopeless,
    of_generation,
    rejected,
    scaling_decision,
)
from launch.cluster.worker import Worker, worker_command
from launch.keys.cluster import ClusterSettings
from launch.plan.resources import Resources
from study.records.store import StudyStore

Left = Callable[[], int]  # number of trials without a result; called in the scaler's thread
BEAT_S = 10.0


@contextmanager
def ray_session(resources: Resources, store: StudyStore, left: Left | None = None) -> Iterator[None]:
    """Run Ray until the block ends. `left` counts the remaining trials for a cluster, by default from the study."""
    if not resources.cluster.uses_jobs:
        with local_ray(resources):
            yield
    else:
        slots = max(resources.cluster.slots(resources.cpus, resources.gpus), 1)
        folder, frames = ClusterFolder(store.cluster_path), Path(store.spec().store) if store.exists() else None
        site = slurm_site(folder, resources.cluster, frames)
        with cluster_session(resources.cluster, folder, slots, left or trials_left(store), site):
            yield


def trials_left(store: StudyStore) -> Left:
    """A counter of the study's trials without a result."""
    own = StudyStore(store.root)  # only for the scaler's thread
    return own.lacking


@dataclass(frozen=True)
class Site:
    """The functions of SLURM that the scaler uses; tests replace them."""

    queue: Callable[[], list[slurm.QueuedJob]]
    cancel: Callable[[list[str]], None]
    submit: Callable[[int, tuple[str, ...]], str]  # (minutes, nodes not to use) -> job
    beside: Callable[[], AbstractContextManager[None]] = nullcontext  # runs a worker in the driver's allocation


def slurm_site(folder: ClusterFolder, settings: ClusterSettings, frames: Path | None) -> Site:
    """The SLURM of this machine; `frames` is the store that workers may copy to their own disks."""

    def submit(minutes: int, excluded: tuple[str, ...]) -> str:
        exclude = ",".join(filter(None, [settings.exclude, *excluded]))
        asked = replace(settings, time=minutes, exclude=exclude)
        return jobs.submit(Worker(folder, settings, frames), asked, folder, "worker")

    @contextmanager
    def beside() -> Iterator[None]:
        if settings.head != "first_worker":
            yield
            return
        with (folder.jobs / "beside.log").open("ab") as log:
            worker = subprocess.Popen(worker_command(folder, settings, frames), stdout=log, stderr=log)
        try:
            yield
        finally:
            worker.terminate()
            worker.wait()

    return Site(lambda: our_jobs(folder, "worker"), slurm.cancel, submit, beside)


@contextmanager
def cluster_session(
    settings: ClusterSettings, folder: ClusterFolder, slots: int, left: Left, site: Site
) -> Iterator[None]:
    """Run a head on this machine, workers of `slots` trials from `site`, and this process as the driver."""
    folder.open().clear_flags()
    quieten()
    head = RayHead(folder, settings)
    try:
        os.environ |= head.environment
        context = private_names.connect(head.node.temporary, address=head.address)
        head.publish()
        folder.event("head", os.environ.get("SLURM_JOB_ID", ""), f"generation {head.generation} at {head.address}")
        if settings.dashboard:
            folder.event("dashboard", "", head.dashboard(context.dashboard_url))
        with site.beside(), Scaler(folder, head, site, settings, slots, left):
            try:
                yield
            finally:
                ray.shutdown()  # before the workers end, so that Ray does not report lost nodes
    finally:
        ray.shutdown()
        head.end()


class Scaler(Thread):
    """Reads the queue and the heartbeats every `poll_s` seconds, and carries out `scaling_decision`."""

    def __init__(
        self, folder: ClusterFolder, head: RayHead, site: Site, settings: ClusterSettings, slots: int, left: Left
    ) -> None:
        super().__init__(daemon=True)
        self.folder, self.head, self.site, self.settings = folder, head, site, settings
        self.slots, self.left, self.memory = slots, left, ScalerMemory()
        self.over, self.said = Event(), ""
        self.reason: BaseException | None = None  # why this thread ended the command

    def __enter__(self) -> "Scaler":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """End the workers, except after SIGTERM, when another head will take them over."""
        self.over.set()
        self.join(timeout=60)
        if not isinstance(error, SystemExit):
            with suppress(slurm.SlurmError, OSError):
                self.folder.ask_stop()
                self.site.cancel([job.id for job in self.site.queue()])
        if self.reason and isinstance(error, KeyboardInterrupt):
            raise self.reason from None

    def run(self) -> None:
        """Run rounds until the session is over; an error of one round is recorded as an event."""
        looked = -self.settings.poll_s
        while not self.over.is_set():
            try:
                self.head.beat()
                if time.monotonic() - looked >= self.settings.poll_s:
                    looked = time.monotonic()
                    self.round()
                self._look_at_the_head()
            except Exception as error:  # trials continue on the present workers whatever it is
                self._say("error", f"{type(error).__name__}: {error}")
            self.over.wait(min(self.settings.poll_s, BEAT_S))

    def round(self) -> None:
        """Run one round."""
        now, listed = time.monotonic(), self.site.queue()
        heartbeats = of_generation(self.folder.heartbeats(), self.head.generation)
        news, self.memory = fleet_news(now, listed, heartbeats, self.memory)
        for kind, job, text in news:
            self.folder.event(kind, job, text)
        actions = scaling_decision(now, self.left(), self.slots, listed, heartbeats, self.settings, self.memory)
        for job in (*actions.cancel, *actions.drain):
            self.folder.ask_drain(job)
            self.folder.event("cancelled" if job in actions.cancel else "asked to leave", job)
        self.memory = replace(self.memory, leaving=self.memory.leaving | {*actions.cancel, *actions.drain})
        if actions.cancel:
            self.site.cancel([*actions.cancel])
        self._submit(now, actions.submit)
        if reason := hopeless(self.memory):
            self._end(InputError(reason))

    def _submit(self, now: float, minutes: tuple[int, ...]) -> None:
        for limit in minutes:
            try:
                job = self.site.submit(limit, self.memory.excluded)
            except InputError as error:
                return self._end(error)
            except slurm.SlurmError as error:
                self.memory = rejected(now, self.memory)
                return self._say("queue", str(error))
            self.memory = accepted(job, now, self.memory)
            self.folder.event("submitted", job, f"{limit} minutes")
        return None

    def _look_at_the_head(self) -> None:
        if not self.head.node.running:
            self._leave_at_once(f"the head of the cluster ended: {self.head.node.log_tail(3)}")
        elif self.folder.asked_to_stop():
            self._end(KeyboardInterrupt("asked to stop"))

    def _leave_at_once(self, reason: str) -> NoReturn:
        """End this process: without a head, Ray would block for minutes and then end it without a message.

        The workers wait for the next head: that of the requeued job, or of the same command.
        """
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
        print(f"{show_cursor}{reason}\nThe same command continues.", file=sys.stderr, flush=True)
        with suppress(slurm.SlurmError, OSError):
            self.folder.event("end", "", reason)
            if self.settings.head != "here" and "SLURM_JOB_ID" in os.environ:
                slurm.requeue(os.environ["SLURM_JOB_ID"])
        os._exit(1)

    def _end(self, reason: BaseException) -> None:
        """End the command, because waiting is useless."""
        if not self.over.is_set():
            self.over.set()
            self.reason = reason
            self.folder.event("end", "", str(reason))
            interrupt_main()

    def _say(self, kind: str, text: str) -> None:
        """Record an event, unless it repeats the last one."""
        if text != self.said:
            self.said = text
            with suppress(OSError):
                self.folder.event(kind, "", text)
