"""Scaling: how many workers to submit, cancel or drain, from the trials left, the queue and the heartbeats.

`fleet_news` and `scaling_decision` are pure functions of the present state and the memory of earlier rounds. All times
are from the clock of this process, because clocks differ between nodes: a worker is silent when its heartbeat does not
change.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from launch.cluster.files import Heartbeat
from launch.cluster.slurm import QueuedJob
from launch.keys.cluster import ClusterSettings

BURST = 4  # submissions in one round
BACKOFF_S, LONGEST_BACKOFF_S = 30.0, 1800.0
SILENT_S = 300.0  # a running worker without a new heartbeat for this long counts as dead
UNSEEN_S = 60.0  # a submitted job must appear in the queue within this time
REFUSALS = 3  # give up after so many workers in a row that could not run
_ENDED = ("CANCELLED", "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")
STUCK = "launch failed requeued held"  # SLURM's own error: such a job never starts
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples modulo 1 are evenly spread, for any number of workers


@dataclass(frozen=True)
class Actions:
    """The actions of one round."""

    submit: tuple[int, ...] = ()  # time limit of each new worker in minutes
    cancel: tuple[str, ...] = ()
    drain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sight:
    """One job at its last change."""

    signature: tuple[object, ...]
    changed: float  # time of the last change
    state: str  # state of the worker; of the job until the worker's first heartbeat
    since: float  # start of this state


@dataclass(frozen=True)
class ScalerMemory:
    """The memory from one round to the next."""

    submitted: int = 0
    fresh: Mapping[str, float] = field(default_factory=dict)  # submitted jobs that are not yet in the queue
    sights: Mapping[str, Sight] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()  # jobs that were drained or cancelled
    excluded: tuple[str, ...] = ()  # nodes on which workers could not run
    refusals: tuple[str, ...] = ()  # reasons, since the last worker that could run
    judged: frozenset[str] | None = None  # jobs whose refusal is counted; None before the first round
    failures: int = 0  # rejected submissions in a row
    retry_at: float = 0.0
    waiting: str = ""  # why jobs wait in the queue


News = tuple[str, str, str]  # kind, job and text of an event


def fleet_news(
    now: float, jobs: Sequence[QueuedJob], heartbeats: Mapping[str, Heartbeat], memory: ScalerMemory
) -> tuple[list[News], ScalerMemory]:
    """Events since the last round, and the new memory."""
    alive = {job.id: job for job in jobs if job.state not in _ENDED}
    known = {job: sight for job, sight in memory.sights.items() if job in alive}
    news: list[News] = []
    for id in memory.sights.keys() - alive.keys():
        last = heartbeats.get(id)
        expected = id in memory.leaving or (last is not None and last.state == "gone")
        news.append(("gone" if expected else "lost", id, _farewell(last, memory.sights[id])))
    for job in alive.values():
        sight = _sight(now, job, heartbeats.get(job.id), known.get(job.id))
        before = known.get(job.id)
        if before is None or _phase(before) != _phase(sight):
            news.append((_phase(sight), job.id, _place(job, heartbeats.get(job.id))))
        known[job.id] = sight
    memory = replace(
        memory,
        sights=known,
        leaving=memory.leaving & alive.keys(),
        fresh={job: time for job, time in memory.fresh.items() if job not in alive and now - time < UNSEEN_S},
    )
    refused, memory = _refusals(heartbeats, memory)
    waiting, memory = _waiting(list(alive.values()), memory)
    return news + refused + waiting, memory


def scaling_decision(
    now: float,
    left: int,
    slots: int,
    jobs: Sequence[QueuedJob],
    heartbeats: Mapping[str, Heartbeat],
    settings: ClusterSettings,
    memory: ScalerMemory,
) -> Actions:
    """The actions to get as many workers as `left` trials need, with `slots` trials on each.

    At least one worker is kept: a trial may have a result of which the driver does not know yet.
    """
    target = min(settings.max_workers, max(math.ceil(left / slots), 1))
    alive = [job for job in jobs if job.state not in _ENDED and job.id not in memory.leaving]
    dead = [job.id for job in alive if _is_dead(now, job, memory)]
    staying = [job for job in alive if job.id not in dead]
    surplus = len(staying) + len(memory.fresh) - target
    pending = sorted((job.id for job in staying if job.state == "PENDING"), key=_number, reverse=True)
    cancel = pending[: max(surplus, 0)]
    idle = _idle(now, staying, heartbeats, settings.idle_s, memory)
    drain = idle[: max(surplus - len(cancel), 0)]
    new = min(-surplus, BURST) if settings.head != "first_worker" and now >= memory.retry_at else 0
    submit = tuple(worker_minutes(settings, memory.submitted + number) for number in range(max(new, 0)))
    return Actions(submit, (*dead, *cancel), tuple(drain))


def worker_minutes(settings: ClusterSettings, number: int) -> int:
    """Time limit of the `number`-th worker; limits differ, so that workers do not all end at once."""
    least = max(1, math.ceil(settings.signal_s / 60) + 1)
    spread = round(settings.time * (1 - settings.stagger * (number * GOLDEN % 1)))
    return max(spread, min(least, settings.time))


def of_generation(heartbeats: Mapping[str, Heartbeat], generation: int) -> dict[str, Heartbeat]:
    """The heartbeats, with workers of an earlier head marked as starting."""
    return {
        job: replace(last, state="starting", text="leaves an earlier head")
        if last.state in ("idle", "busy") and last.generation != generation
        else last
        for job, last in heartbeats.items()
    }


def accepted(job: str, now: float, memory: ScalerMemory) -> ScalerMemory:
    """The memory after SLURM accepted a job."""
    fresh = {**memory.fresh, job: now}
    return replace(memory, submitted=memory.submitted + 1, fresh=fresh, failures=0, retry_at=0.0)


def rejected(now: float, memory: ScalerMemory) -> ScalerMemory:
    """The memory after SLURM rejected a job; the pause before the next try doubles each time."""
    pause = min(BACKOFF_S * 2**memory.failures, LONGEST_BACKOFF_S)
    return replace(memory, failures=memory.failures + 1, retry_at=now + pause)


def hopeless(memory: ScalerMemory) -> str:
    """Why no worker can run; empty if there is hope."""
    if len(memory.refusals) < REFUSALS:
        return ""
    return f"{len(memory.refusals)} workers in a row could not start work: " + "; ".join(dict.fromkeys(memory.refusals))


def _sight(now: float, job: QueuedJob, heartbeat: Heartbeat | None, before: Sight | None) -> Sight:
    speaks = heartbeat is not None and job.state == "RUNNING"
    signature = (job.state, job.restarts, heartbeat.time if heartbeat else 0.0)
    state = heartbeat.state if heartbeat and speaks and heartbeat.state != "gone" else job.state
    if before is None:
        return Sight(signature, now, state, now)
    changed = before.changed if signature == before.signature else now
    return Sight(signature, changed, state, before.since if state == before.state else now)


def _phase(sight: Sight) -> str:
    """The state as an event: idle and busy are both `joined`, because single trials are no events."""
    return "joined" if sight.state in ("idle", "busy") else sight.state.lower()


def _refusals(heartbeats: Mapping[str, Heartbeat], memory: ScalerMemory) -> tuple[list[News], ScalerMemory]:
    """Exclude nodes on which workers cannot run; a worker that runs resets the count of refusals."""
    at_fault = {job: last for job, last in heartbeats.items() if last.state == "gone" and last.fault}
    if memory.judged is None:  # problems of an earlier driver may be fixed by now
        return [], replace(memory, judged=frozenset(at_fault))
    faults = [last for job, last in at_fault.items() if job not in memory.judged]
    new = [last for last in faults if last.node not in memory.excluded]
    works = any(sight.state in ("idle", "busy") for sight in memory.sights.values())
    reasons = () if works else memory.refusals
    memory = replace(
        memory,
        excluded=(*memory.excluded, *dict.fromkeys(last.node for last in new)),
        refusals=(*reasons, *(f"{last.node}: {last.text}" for last in faults)),
        judged=memory.judged | at_fault.keys(),
    )
    return [("excluded", last.job, f"{last.node}: {last.text}") for last in new], memory


def _waiting(alive: Sequence[QueuedJob], memory: ScalerMemory) -> tuple[list[News], ScalerMemory]:
    """An event when the reason why jobs wait has changed."""
    reasons = sorted({job.reason for job in alive if job.state == "PENDING"} - {"", "None"})
    text = ", ".join(reasons)
    news = [("waiting", "", text)] if text and text != memory.waiting else []
    return news, replace(memory, waiting=text)


def _is_dead(now: float, job: QueuedJob, memory: ScalerMemory) -> bool:
    """Whether a job will never run again, although SLURM still lists it."""
    if job.state == "PENDING":
        return STUCK in job.reason
    sight = memory.sights.get(job.id)
    return job.state == "RUNNING" and sight is not None and now - sight.changed > SILENT_S


def _idle(
    now: float, jobs: Sequence[QueuedJob], heartbeats: Mapping[str, Heartbeat], idle_s: float, memory: ScalerMemory
) -> list[str]:
    """Workers without a trial for `idle_s`, the longest first."""
    sights = {job.id: memory.sights[job.id] for job in jobs if job.id in memory.sights and job.id in heartbeats}
    found = {id: sight.since for id, sight in sights.items() if sight.state == "idle" and now - sight.since >= idle_s}
    return sorted(found, key=lambda id: (found[id], _number(id)))


def _number(job: str) -> tuple[int, str]:
    return (int(job), job) if job.isdigit() else (0, job)


def _place(job: QueuedJob, heartbeat: Heartbeat | None) -> str:
    if job.state == "PENDING":
        return job.reason
    said = heartbeat.text if heartbeat and heartbeat.state != "gone" else ""  # "gone" is from before the requeue
    return f"{job.node} {said}".strip()


def _farewell(last: Heartbeat | None, sight: Sight) -> str:
    if last is None:
        return f"was {sight.state.lower()}, and never sent a heartbeat"
    return f"{last.node}: {last.text}" if last.state == "gone" else f"{last.node}: was {last.state}"
