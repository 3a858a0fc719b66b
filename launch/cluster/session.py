"""The time in which trials can be submitted to Ray: on this machine, or on workers that SLURM grants.

On a cluster the head runs beside the driver, in a thread of which the scaler asks SLURM for workers. A session that is
over ends its workers; one that is killed, or told to end by SIGTERM, leaves them waiting for the next head.
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

Left = Callable[[], int]  # how many trials have no result yet; called in the scaler's thread
BEAT_S = 10.0


@contextmanager
def ray_session(resources: Resources, store: StudyStore, left: Left | None = None) -> Iterator[None]:
    """Ray for the time of the block. `left` tells a cluster how many trials are left to run.

    Without it, those that the study asks for and that have no result are counted.
    """
    if resources.cluster.name == "local":
        with local_ray(resources):
            yield
    else:
        slots = max(resources.cluster.slots(resources.cpus, resources.gpus), 1)
        folder, frames = cluster_folder(store), Path(store.spec().store) if store.exists() else None
        site = slurm_site(folder, resources.cluster, frames)
        with cluster_session(resources.cluster, folder, slots, left or trials_left(store), site):
            yield


def cluster_folder(store: StudyStore) -> ClusterFolder:
    """The folder of the study's cluster."""
    return ClusterFolder(store.root.resolve() / "cluster")


def trials_left(store: StudyStore) -> Left:
    """Counts the trials that the study asks for and that have no result."""
    own = StudyStore(store.root)  # of the scaler's thread alone
    return own.lacking


@dataclass(frozen=True)
class Site:
    """What the scaler needs of SLURM; tests give their own."""

    queue: Callable[[], list[slurm.QueuedJob]]
    cancel: Callable[[list[str]], None]
    submit: Callable[[int, tuple[str, ...]], str]  # (minutes, nodes not to use) -> job
    beside: Callable[[], AbstractContextManager[None]] = nullcontext  # a worker in the allocation of the driver


def slurm_site(folder: ClusterFolder, settings: ClusterSettings, frames: Path | None) -> Site:
    """The SLURM of this machine; `frames` is what workers copy to their own disks, when they are asked to."""

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
    """A head on this machine, workers from `site` with `slots` trials each, and this process as the driver."""
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
                ray.shutdown()  # before the workers end: their end is no news
    finally:
        ray.shutdown()
        head.end()


class Scaler(Thread):
    """Looks at the queue and the heartbeats every `poll_s` seconds, and does what `decide` says."""

    def __init__(
        self, folder: ClusterFolder, head: RayHead, site: Site, settings: ClusterSettings, slots: int, left: Left
    ) -> None:
        super().__init__(daemon=True)
        self.folder, self.head, self.site, self.settings = folder, head, site, settings
        self.slots, self.left, self.memory = slots, left, ScalerMemory()
        self.over, self.said = Event(), ""
        self.reason: BaseException | None = None  # why this thread has ended the command

    def __enter__(self) -> "Scaler":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """End the workers, unless somebody told this process to make place for another head."""
        self.over.set()
        self.join(timeout=60)
        if not isinstance(error, SystemExit):
            with suppress(slurm.SlurmError, OSError):
                self.folder.ask_stop()
                self.site.cancel([job.id for job in self.site.queue()])
        if self.reason and isinstance(error, KeyboardInterrupt):
            raise self.reason from None

    def run(self) -> None:
        """Rounds until the session is over; an error of one round is said, and the next one comes."""
        looked = -self.settings.poll_s
        while not self.over.is_set():
            try:
                self.head.beat()
                if time.monotonic() - looked >= self.settings.poll_s:
                    looked = time.monotonic()
                    self.round()
                self._look_at_the_head()
            except Exception as error:  # whatever it is, trials go on on the workers that there are
                self._say("error", f"{type(error).__name__}: {error}")
            self.over.wait(min(self.settings.poll_s, BEAT_S))

    def round(self) -> None:
        """Look once, and act."""
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
        """End this process: without a head, Ray would keep it for minutes and then end it without a message.

        The workers stay and wait for the next head: for the requeued job, or for the same command.
        """
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
        print(f"{show_cursor}{reason}\nThe same command continues.", file=sys.stderr, flush=True)
        with suppress(slurm.SlurmError, OSError):
            self.folder.event("end", "", reason)
            if self.settings.head != "here" and "SLURM_JOB_ID" in os.environ:
                slurm.requeue(os.environ["SLURM_JOB_ID"])
        os._exit(1)

    def _end(self, reason: BaseException) -> None:
        """End the command: nothing that could be waited for will come."""
        if not self.over.is_set():
            self.over.set()
            self.reason = reason
            self.folder.event("end", "", str(reason))
            interrupt_main()

    def _say(self, kind: str, text: str) -> None:
        """An event, once for as long as it stays the same."""
        if text != self.said:
            self.said = text
            with suppress(OSError):
                self.folder.event(kind, "", text)
