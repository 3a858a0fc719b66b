"""SLURM's commands as functions, without any state."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

_COLUMNS = ("JobID", "Name", "State", "Reason", "Partition", "NodeList", "TimeLeft", "RestartCnt")
PATIENCE = 60.0  # time limit of a command in seconds


class SlurmError(RuntimeError):
    """A SLURM command failed, or the controller does not answer; a later try may succeed."""


@dataclass(frozen=True)
class QueuedJob:
    """One line of the queue."""

    id: str
    name: str
    state: str  # PENDING, RUNNING, COMPLETING (also before a requeue), ...
    reason: str  # why it waits, e.g. Resources, QOSMaxJobsPerUserLimit
    partition: str
    node: str  # empty while it waits
    time_left_s: float | None  # None without a limit
    restarts: int


def command(*words: str) -> str:
    """The output of a SLURM command; `SlurmError` when it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise SlurmError(f"no {words[0]} on this machine; run this command on a login node of the cluster") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]} did not answer for {PATIENCE:g} s") from None
    if done.returncode:
        raise SlurmError(f"{' '.join(words[:2])}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def queue(jobs: Sequence[str] | None = None) -> list[QueuedJob]:
    """Our jobs in the queue (with the ids `jobs` if given), by one call of squeue."""
    lines = command("squeue", "--me", "--noheader", "-O", _FORMAT).splitlines()
    found = [_job(line) for line in lines if line.strip()]
    return [job for job in found if jobs is None or job.id in jobs]


def cancel(ids: Sequence[str]) -> None:
    """Cancel jobs; ended ones are ignored."""
    if ids:
        command("scancel", "--quiet", *ids)


def requeue(id: str) -> None:
    """End a job and put it back in the queue, with the same id."""
    command("scontrol", "requeue", id)


def slurm_seconds(text: str) -> float | None:
    """Seconds of SLURM's [days-][[hours:]minutes:]seconds; None for UNLIMITED and other words."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text.strip())
    if not found:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 86400 * days + 3600 * hours + 60 * minutes + seconds


_FORMAT = ",".join(f"{column}:|" for column in _COLUMNS)  # a width would cut off long values


def _job(line: str) -> QueuedJob:
    id, name, state, reason, partition, node, left, restarts, _ = line.strip().rsplit("|", len(_COLUMNS))
    return QueuedJob(id, name, state, reason, partition, node, slurm_seconds(left), int(restarts))
