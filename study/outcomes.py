"""Outcome: what a search needs to know of a finished trial, a hundredth of its result; and the index that keeps them.

Results never change, so what was read once need not be read again: the driver, the only writer, keeps the outcomes in
one file. An entry counts only while its result has the same size and time, so the index can be lost or stale.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from study.result import TrialResult


@dataclass(frozen=True)
class Outcome:
    """A finished trial; `curve` holds the objective after each epoch, `numbers` what goals may be about."""

    key: str
    stage: str
    status: str
    value: float | None
    fold: str
    seed: int
    method: str
    curve: list[float]
    started: float
    seconds: float
    error: str | None
    numbers: dict[str, float]
    gpus: float  # that the trial had
    settings: dict[str, Any]  # the searched ones by dotted name; None where this trial has not got them
    stamp: tuple[int, int] = (0, 0)  # size and time of the file that it was read from

    @property
    def reports(self) -> dict[int, float]:
        """What the trial reported after each epoch; the last one of a finished trial is its value."""
        last = {len(self.curve): self.value} if self.status == "DONE" and self.value is not None else {}
        return dict(enumerate(self.curve, start=1)) | last


def outcome_of(result: TrialResult, searched: Iterable[str], numbers: dict[str, float]) -> Outcome:
    """What is kept of a result."""
    config = result.config
    return Outcome(
        key=config.key,
        stage=result.stage,
        status=result.status,
        value=result.value,
        fold=config.data.fold,
        seed=config.seed,
        method=config.method_name,
        curve=[epoch.value for epoch in result.epochs],
        started=result.started,
        seconds=result.seconds,
        error=result.error,
        numbers=numbers,
        gpus=gpus_of(result),
        settings={name: config.value(name) for name in searched},
    )


def gpus_of(result: TrialResult) -> float:
    """GPUs, or the share of one, that the trial had."""
    return float(result.environment.get("gpus", 0))


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and time of a file."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def index_to_bytes(outcomes: Iterable[Outcome]) -> bytes:
    """The index, one line an outcome."""
    return b"".join(json.dumps(asdict(outcome)).encode() + b"\n" for outcome in outcomes)


def index_from_bytes(content: bytes) -> dict[str, Outcome]:
    """Outcomes by key; nothing of an index that this version did not write."""
    try:
        read = [Outcome(**json.loads(line)) for line in content.splitlines()]
    except (ValueError, TypeError):
        return {}
    return {outcome.key: replace(outcome, stamp=(outcome.stamp[0], outcome.stamp[1])) for outcome in read}
