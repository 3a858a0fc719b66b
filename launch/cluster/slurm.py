"""What SLURM knows about our jobs: its commands, and nothing that is kept between two calls."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

_COLUMNS = ("JobID", "Name", "State", "Reason", "Partition", "NodeList", "TimeLeft", "RestartCnt")
PATIENCE = 60.0  # seconds that a command may take


class SlurmError(RuntimeError):
    """A command of SLURM failed, or its controller does not answer; both may pass."""


@dataclass(frozen=True)
class QueuedJob:
    """One line of the queue."""

    id: str
    name: str
    state: str  # PENDING, RUNNING, COMPLETING (also on its way to being requeued), ...
    reason: str  # why it waits, e.g. Resources, QOSMaxJobsPerUserLimit
    partition: str
    node: str  # empty while it waits
    time_left_s: float | None  # None without a limit
    restarts: int


def command(*words: str) -> str:
    """What a SLURM command prints; `SlurmError` when it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise SlurmError(f"no {words[0]} on this machine; start this command on a login node of the cluster") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]} did not answer for {PATIENCE:g} s") from None
    if done.returncode:
        raise SlurmError(f"{' '.join(words[:2])}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def queue(jobs: Sequence[str] | None = None) -> list[QueuedJob]:
    """Our jobs that have not ended, those with the ids `jobs` when given; one call of squeue."""
    lines = command("squeue", "--me", "--noheader", "-O", _FORMAT).splitlines()
    found = [_job(line) for line in lines if line.strip()]
    return [job for job in found if jobs is None or job.id in jobs]


def cancel(ids: Sequence[str]) -> None:
    """Cancel jobs; those that have ended already are no mistake."""
    if ids:
        command("scancel", "--quiet", *ids)


def requeue(id: str) -> None:
    """End a job and let it wait in the queue again, under the same id."""
    command("scontrol", "requeue", id)


def slurm_seconds(text: str) -> float | None:
    """Seconds of SLURM's [days-][[hours:]minutes:]seconds; None for UNLIMITED and other words."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text.strip())
    if not found:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 86400 * days + 3600 * hours + 60 * minutes + seconds


_FORMAT = ",".join(f"{column}:|" for column in _COLUMNS)  # without a width nothing is cut off


def _job(line: str) -> QueuedJob:
    id, name, state, reason, partition, node, left, restarts, _ = line.strip().rsplit("|", len(_COLUMNS))
    return QueuedJob(id, name, state, reason, partition, node, slurm_seconds(left), int(restarts))
