"""Reasons to end a search early: budgets, repeated failures, a failing disk."""

import time
from collections.abc import Callable
from typing import Any

from ray import tune

from launch.plan.budget import Budget, Ending, in_words
from study.records.outcome import Outcome
from study.records.store import StudyStore

ALIKE = 3  # so many equal failures in a row stop a search
DISK = "disk_fails"  # what a trial reports instead of a value
RETRY = "Fix the cause, then run the same command with retry_failed=true."
_POLL_S = 2.0  # between two checks of the GPU-hours


def disk_text(cause: object) -> str:
    """The message when results cannot be written."""
    return f"the disk fails: {cause}. Fix it or free some space, then run the same command."


class Watch(tune.Stopper):  # type: ignore[misc]
    """Ends the search early; running trials stop without a result and continue with the next command."""

    def __init__(self, store: StudyStore, budget: Budget, now: Callable[[], float] = time.monotonic) -> None:
        self.store, self.budget, self.now = store, budget, now
        # a monotonic clock: the time of the machine may be changed while a search runs
        self.begun, self.looked = now(), -_POLL_S
        self.ending: Ending | None = None
        self.alike: list[str] = []

    def end(self, code: int, said: str) -> None:
        """Set the ending; the first one is kept."""
        self.ending = self.ending or Ending(code, said)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Read a report of a trial; never stops a single trial."""
        if DISK in result:
            self.end(1, disk_text(result[DISK]))
        return False

    def stop_all(self) -> bool:
        """Whether the search is over; Tune calls this many times a second."""
        if self.ending is None and self.budget.seconds and self.now() - self.begun >= self.budget.seconds:
            self.end(0, f"the time budget of {in_words(self.budget.seconds)} is used up")
        if self.ending is None and self.budget.gpu_hours and self.now() - self.looked >= _POLL_S:
            self.looked = self.now()
            if used_gpu_hours(self.store) >= self.budget.gpu_hours:
                hours = f"{self.budget.gpu_hours:g} GPU-hours"
                self.end(0, f"the budget of {hours} is used up; give a larger gpu_hours= to continue")
        return self.ending is not None

    def finished(self, outcome: Outcome) -> None:
        """Record how a trial ended: the same failure several times in a row ends the search."""
        cause = failure_signature(outcome.error or "") if outcome.status == "FAILED" else ""
        before = self.alike if cause in self.alike else []
        self.alike = [*before, cause] if cause else []
        if len(self.alike) >= ALIKE:
            error = (outcome.error or "").strip()
            said = f"{ALIKE} trials in a row failed with the same error; the last one is {outcome.key}:\n{error}\n"
            self.end(1, f"{said}{RETRY}")

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves a copy that is never read

    def __deepcopy__(self, memo: dict[int, Any]) -> "Watch":
        return self


def used_gpu_hours(store: StudyStore) -> float:
    """GPU-hours of the study: of its results, and of running and interrupted trials."""
    running = [one for one in store.running() if one.stage == "sweep"]
    return sum(one.gpus * one.seconds for one in [*store.outcomes("sweep"), *running]) / 3600


def failure_signature(error: str) -> str:
    """The common part of failures with one cause: the last line, and the last place in the project's own code.

    Empty for NaN and overflow, which come from the settings of a trial and not from the code.
    """
    lines = error.strip().splitlines()
    if not lines or "FloatingPointError" in lines[-1] or "NaN probability" in lines[-1]:
        return ""
    # lines in libraries differ between versions and threads
    places = [line.strip() for line in lines if line.startswith('  File "') and "site-packages" not in line]
    return "\n".join([*places[-1:], lines[-1]])
