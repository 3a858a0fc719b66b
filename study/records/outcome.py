"""Outcome: the summary of a trial that a search needs, a hundredth of its result; and the index file of all outcomes.

Results never change, so the driver keeps all outcomes in one file and need not read the results again. An entry is used
only while its result file has the same size and time, and the index its checksum: a lost, old or damaged index costs
time and nothing else.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from data.checked import has_seal, json_bytes, json_object
from model.metrics import Score, f1, mean_defined, objective_value, rarest_third
from model.settings import OBJECTIVES
from study.records.result import TrialResult

INDEX = "trials.index"
Stamp = tuple[int, int]


@dataclass(frozen=True)
class Outcome:
    """A finished or running trial; `curve` is the objective after each epoch, `numbers` the scores by name."""

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
    host: str  # where it ran; empty if unknown
    slowest: float  # seconds of its longest epoch
    settings: dict[str, Any]  # the searched ones by dotted name; None where this trial has no such setting
    stamp: Stamp = (0, 0)  # of the file that it was read from

    @property
    def reports(self) -> dict[int, float]:
        """Objective by epoch; for a finished trial, the last epoch has its final value."""
        last = {len(self.curve): self.value} if self.status == "DONE" and self.value is not None else {}
        return dict(enumerate(self.curve, start=1)) | last


def outcome_of(result: TrialResult, searched: Iterable[str]) -> Outcome:
    """The outcome of a result; `searched` are the dotted names of the settings to keep."""
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
        numbers=numbers_of(result.scores.get("val")),
        gpus=float(result.environment.get("gpus", 0)),
        host=result.environment.get("host", ""),
        slowest=max((epoch.seconds for epoch in result.epochs), default=0.0),
        settings={name: config.value(name) for name in searched},
    )


def numbers_of(score: Score | None) -> dict[str, float]:
    """Objectives, and F1 on rare AUs, on the validation subjects; empty for no score."""
    if score is None:
        return {}
    return {name: objective_value(score, name) for name in OBJECTIVES} | {"rare_f1": rare_f1(score)}


def rare_f1(score: Score) -> float:
    """Mean F1 over the rarest third of the AUs (at least one); counts are summed over subjects first."""
    counts = score.counts.sum(axis=0)
    return mean_defined(f1(counts[rarest_third(counts)]))


def stamp_of(file: os.stat_result) -> Stamp:
    """Size and time of a file."""
    return file.st_size, file.st_mtime_ns


def index_to_bytes(outcomes: Iterable[Outcome]) -> bytes:
    """The content of the index file."""
    return json_bytes({"outcomes": [vars(outcome) for outcome in outcomes]}, INDEX, indent=None)


def index_from_bytes(content: bytes) -> dict[str, Outcome]:
    """Outcomes by key; empty for a damaged index, or that of another version, which is then built again."""
    if not has_seal(content):
        return {}
    try:
        plain = json_object(content, INDEX)["outcomes"]
        return {one["key"]: Outcome(**{**one, "stamp": tuple(one["stamp"])}) for one in plain}
    except (ValueError, TypeError, KeyError):
        return {}
