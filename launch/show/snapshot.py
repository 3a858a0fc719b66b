"""The progress of a study as plain data, from its files only: works without Ray and SLURM, on any machine."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.errors import InputError
from launch.cluster.files import ClusterFolder, Event, Heartbeat
from study.records.latest_work import LatestWork
from study.records.origin import origins_from
from study.records.outcome import Outcome
from study.records.progress import progress_of, score_standing
from study.records.result import STATUSES, SWEEP
from study.records.said import Said
from study.records.study_spec import EXTERNAL, StudySpec, what_it_is
from study.records.study_trials import StudyTrials
from study.records.verdict import ON_VALIDATION, StudyVerdict
from study.search.objectives import goals_of

SILENT_AFTER_S = 60.0  # without a heartbeat for this long, a worker or head counts as dead
RECENT = 20  # number of finished trials for the estimate of the time left
ALIVE = ("starting", "staging", "joined", "idle", "busy", "draining", "running")
_ENDED = ("gone", "lost", "pending", "completing")
QUEUE = ("waiting", "queue", "error", "excluded")


@dataclass(frozen=True)
class Running:
    """A trial without a result."""

    key: str
    epoch: int
    value: float
    host: str
    seconds: float  # since its last epoch
    interrupted: bool  # no progress for much longer than an epoch takes
    settings: dict[str, Any]


@dataclass(frozen=True)
class WorkerView:
    """A worker that has not ended."""

    job: str
    node: str
    state: str
    text: str
    cpus: int
    gpus: int
    seconds: float  # since its last heartbeat
    silent: bool


@dataclass(frozen=True)
class Hours:
    """GPU-hours, or core-hours where trials use no GPU."""

    unit: str
    finished: float
    failed: float
    granted: float | None  # hours of all workers; None without a cluster

    @property
    def lost(self) -> float | None:
        """Granted hours outside of trials: starting, idle, and epochs repeated after a loss."""
        return None if self.granted is None else max(self.granted - self.finished - self.failed, 0.0)


@dataclass(frozen=True)
class Snapshot:
    """Everything that launch/status.py shows."""

    name: str
    stage: str
    wanted: int
    epochs: int
    counts: dict[str, int]  # finished trials by status
    bests: dict[str, Outcome]  # the best trial of each fold: scores of different folds cannot be compared
    running: list[Running]
    head: str
    workers: list[WorkerView]
    queue: str
    dashboard: str  # how to open Ray's dashboard
    hours: Hours
    left_s: float | None  # None if unknown
    stages: list[float]  # seconds since the last write of each pre-training
    said: list[Said]  # whose faces they are, and what the best trial is worth
    left_out: list[str]  # files that nothing reads, e.g. conflicted copies, and lost ones

    @property
    def finished(self) -> int:
        """Number of finished trials."""
        return sum(self.counts.values())


def take_snapshot(store: StudyTrials, stage: str = "", wanted: int = 0, epochs: int = 0) -> Snapshot:
    """The snapshot of a study; stage, wanted trials and epochs are by default those of its latest command."""
    spec, work, now = store.spec(), store.work(), time.time()
    if spec.kind == EXTERNAL:
        raise InputError(f"{store.root} has no trials: it {what_it_is(spec)}")
    stage = stage or work.stage or spec.stage
    # a sweep may be asked for more trials than its latest command ran
    wanted = wanted or (stage != SWEEP and work.trials) or spec.trials
    outcomes, folder = store.outcomes(stage), ClusterFolder(store.cluster_path)
    progress = [one for one in store.running() if one.stage == stage]
    begun = [_running(one, store, now) for one in progress]
    events, heartbeats = [*folder.events()], folder.heartbeats() if folder.root.exists() else {}
    workers = [_worker(last, now) for last in heartbeats.values() if last.state != "gone"]
    left = wanted - len(outcomes)
    moving = any(not trial.interrupted for trial in begun)
    bests = _bests(spec, outcomes) if stage == SWEEP else {}
    return Snapshot(
        name=spec.name,
        stage=stage,
        wanted=wanted,
        epochs=epochs or work.epochs or spec.epochs,
        counts={status: sum(one.status == status for one in outcomes) for status in STATUSES},
        bests=bests,
        running=begun,
        head=_head(folder, now) if left > 0 else "",
        workers=workers,
        queue=_queue(events),
        dashboard=_dashboard(events) if left > 0 else "",
        hours=_hours(outcomes, progress, work, granted(events, heartbeats, now)),
        left_s=time_left(outcomes, left) if moving and left > 0 else None,
        stages=sorted(now - path.stat().st_mtime for path in store.pretrained_path("").parent.glob("[!.]*.pt")),
        said=_said(store, stage, bests),
        left_out=store.left_out(),
    )


def _bests(spec: StudySpec, outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    ranked = goals_of(spec).ranked(outcomes)
    # reversed: the first, which is the best, is written last and stays
    found = {one.fold: one for one in reversed(ranked)}
    return {fold: found[fold] for fold in sorted(found)}


def _said(store: StudyTrials, stage: str, bests: Mapping[str, Outcome]) -> list[Said]:
    """The verdict; the first line has the counts of the trials of a complete study."""
    results = {fold: store.result(best.key) for fold, best in bests.items()}
    scores = {fold: result.scores["val"] for fold, result in results.items() if result and "val" in result.scores}
    several = len(scores) > 1
    standings = [
        score_standing(f"best trial of {fold}" if several else "best trial", val) for fold, val in scores.items()
    ]
    progress = [one for one in (progress_of(store, stage),) if not one.is_complete]
    people = len({name for val in scores.values() for name in val.subjects})
    origins = origins_from(store.provenance())
    return StudyVerdict(tuple(progress), origins, tuple(standings), None, ON_VALIDATION, people).said


def time_left(outcomes: Sequence[Outcome], left: int) -> float | None:
    """Seconds for `left` more trials at the pace of the latest ones."""
    # the pace of the latest trials, because the number of workers changes
    ends = sorted(one.started + one.seconds for one in outcomes)[-RECENT:]
    return left * (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else None


def granted(events: Iterable[Event], heartbeats: dict[str, Heartbeat], now: float) -> dict[str, float]:
    """Seconds that each worker had its node (from start until end or requeue), times its GPUs or cores."""
    since: dict[str, float] = {}
    total: dict[str, float] = {}
    for event in events:
        if event.kind in ALIVE:
            since.setdefault(event.job, event.time)
        elif event.kind in _ENDED and event.job in since:
            total[event.job] = total.get(event.job, 0.0) + event.time - since.pop(event.job)
    for job, begun in since.items():  # no driver recorded the end
        last = heartbeats.get(job)
        end = (
            now if last and last.state != "gone" and now - last.time < SILENT_AFTER_S else last.time if last else begun
        )
        total[job] = total.get(job, 0.0) + max(end - begun, 0.0)
    sizes = {job: last.gpus or last.cpus for job, last in heartbeats.items()}
    return {job: seconds * sizes.get(job, 0) for job, seconds in total.items()}


def _hours(
    outcomes: Iterable[Outcome], running: Iterable[Outcome], work: LatestWork, granted: dict[str, float]
) -> Hours:
    on_gpus, cpus = work.gpus > 0, work.cpus
    spent = [(one.status == "FAILED", one.seconds * (one.gpus if on_gpus else cpus) / 3600) for one in outcomes]
    used = sum(hours for failed, hours in spent if not failed)
    used += sum(one.seconds * (one.gpus if on_gpus else cpus) / 3600 for one in running)
    share = sum(granted.values()) / 3600 if granted else None
    return Hours("GPU-hours" if on_gpus else "core-hours", used, sum(hours for failed, hours in spent if failed), share)


def _running(trial: Outcome, store: StudyTrials, now: float) -> Running:
    try:
        age = now - store.progress_path(trial.key).stat().st_mtime
    except FileNotFoundError:  # just finished
        age = 0.0
    # epochs differ in length, e.g. the first one reads from a cold disk
    patience = SILENT_AFTER_S + 3 * trial.slowest
    settings = {"fold": trial.fold, "seed": trial.seed} if trial.stage != SWEEP else trial.settings
    return Running(trial.key, len(trial.curve), trial.curve[-1], trial.host, age, age > patience, settings)


def _worker(last: Heartbeat, now: float) -> WorkerView:
    age = now - last.time
    return WorkerView(last.job, last.node, last.state, last.text, last.cpus, last.gpus, age, age > SILENT_AFTER_S)


def _head(folder: ClusterFolder, now: float) -> str:
    head = folder.head() if folder.root.exists() else None
    if head is None:
        return ""
    where = f"{head.host}, job {head.job}" if head.job else f"{head.host}, pid {head.pid}"
    age = now - head.time
    return f"{where}; no heartbeat for {age:.0f} s" if age > SILENT_AFTER_S else where


def _dashboard(events: Sequence[Event]) -> str:
    """How to open the dashboard of the latest head."""
    last = next((event for event in reversed(events) if event.kind in ("head", "dashboard")), None)
    return last.text if last and last.kind == "dashboard" else ""


def _queue(events: Sequence[Event]) -> str:
    """How many workers wait in the queue, and the last known reason."""
    last = {event.job: event.kind for event in events if event.job}
    waiting = sum(kind in ("submitted", "pending") for kind in last.values())
    said = next((event.text for event in reversed(events) if event.kind in QUEUE), "")
    refused = next((event for event in reversed(events) if event.kind in ("submitted", "queue", "error")), None)
    if refused is not None and refused.kind != "submitted":
        return refused.text
    return f"{waiting} waiting: {said}".rstrip(": ") if waiting else ""
