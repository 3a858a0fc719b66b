"""TrialResult: the result of one trial, a small JSON file of counts; needs no torch."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.checked import has_seal, json_bytes, json_object
from data.errors import DamagedError
from data.schemes import partition_number
from model.metrics import BINS, Score, mean_defined, objective_value, ratio
from study.records.config import TrialConfig, key_of, trial_from_dict

FORMAT = 1
STATUSES = ("DONE", "PRUNED", "FAILED")
SWEEP, FINAL, PARTITION = "sweep", "final", "partition"  # stages


@dataclass(frozen=True)
class Epoch:
    """One point of the learning curve, on the validation subjects."""

    epoch: int
    loss: float
    value: float
    counts: list[list[int]]  # [A, 4] tp, fp, fn, tn, pooled over subjects
    seconds: float


@dataclass(frozen=True)
class TrialResult:
    """Written once by `StudyStore`, never edited.

    `value` is the objective on the validation subjects after the linear evaluation; for a pruned trial it is the value
    of its last epoch, and None for a failed one. `scores` has "val", and "test" where the trial was asked for it.
    """

    config: TrialConfig
    status: str
    value: float | None
    epochs: list[Epoch]
    scores: dict[str, Score]
    started: float
    seconds: float
    error: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """`sweep`; for a trial that scored the test part `final`, or `partition` on a repeated random partition."""
        if not self.config.score_test:
            return SWEEP
        # never mixed up with the evaluation that may be reported: people of its test parts took part in the choice
        return PARTITION if partition_number(self.config.data.fold_scheme) else FINAL

    def to_json(self) -> bytes:
        """The file's content."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain |= {"format": FORMAT, "key": self.config.key, "config": self.config.to_dict()}
        plain["epochs"] = [dataclasses.asdict(epoch) for epoch in self.epochs]
        plain["scores"] = {split: score_to_plain(score) for split, score in self.scores.items()}
        return json_bytes(plain, self.config.key)


def result_from_json(content: bytes, origin: str, key: str) -> TrialResult:
    """The result of the trial `key`; `DamagedError` names `origin` when another version wrote it or it is damaged."""
    with _naming(origin):
        plain = json_object(content, key)
        if plain.pop("format") != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        if plain["status"] not in STATUSES:
            raise ValueError(f"status {plain['status']!r}; allowed: {', '.join(STATUSES)}")
        config = _checked_config(plain.pop("key"), plain.pop("config"), key)
        plain["epochs"] = [Epoch(**epoch) for epoch in plain["epochs"]]
        plain["scores"] = {split: score_from_plain(score) for split, score in plain["scores"].items()}
        result = TrialResult(config=config, **plain)
        if not has_seal(content):
            _check_numbers(result)
        return result


def _check_numbers(result: TrialResult) -> None:
    """`ValueError` unless the numbers of a result without a checksum, of a former revision, fit each other."""
    for split, score in result.scores.items():
        inactive, active = score.histogram.sum(axis=-1).T
        tp, fp, fn, tn = np.moveaxis(score.counts.sum(axis=0), -1, 0)
        if (tp + fn != active).any() or (fp + tn != inactive).any():
            raise ValueError(f"the counts of its {split} part do not fit its histogram")
    if result.value is not None and "val" in result.scores:
        computed = [*_objectives(result.scores["val"], result.config.optim.objective)]
        if not any(math.isclose(result.value, value, rel_tol=1e-9, abs_tol=1e-9) for value in computed):
            raise ValueError(f"its value is {result.value}, but its counts give {computed[0]}")


def _objectives(score: Score, objective: str) -> Iterator[float]:
    """The objective, and what former revisions took for it: an AU that does not occur, but is predicted, had F1 0."""
    yield objective_value(score, objective)
    if objective == "f1":
        tp, fp, fn, _ = np.moveaxis(score.counts.sum(axis=0), -1, 0)
        yield mean_defined(ratio(2 * tp, 2 * tp + fp + fn))


def _checked_config(key: str, plain: Mapping[str, Any], named: str) -> TrialConfig:
    """The configuration of the trial `key`; `ValueError` when it belongs to another trial or version."""
    config = trial_from_dict(plain)
    if config.key == key == named:
        return config
    if config.key == key:
        raise ValueError(f"it is the result of trial {key}")
    written = key_of(plain)
    if written != key:
        raise ValueError(f"it says it is trial {key}, but its configuration is trial {written}")
    # with defaults for new settings it would look like another trial
    raise ValueError("its configuration lacks settings of this version")


@contextmanager
def _naming(origin: str) -> Iterator[None]:
    """Turn every error in the content of a result into an `InputError` that names the file."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedError(
            f"{origin} is not a trial result: {error}. Restore it, or move it away to run the trial again."
        ) from error


def score_to_plain(score: Score) -> dict[str, Any]:
    """A score as plain lists, for JSON."""
    return {
        "subjects": list(score.subjects),
        "aus": list(score.aus),
        "counts": score.counts.tolist(),
        "histogram": score.histogram.tolist(),
    }


def score_from_plain(plain: Mapping[str, Any]) -> Score:
    """The score that `score_to_plain` wrote; `ValueError` when it is none."""
    # counts, not scores: every metric and every interval can be computed from them later
    counts, histogram = (np.array(plain[name], dtype=np.int64) for name in ("counts", "histogram"))
    score = Score(tuple(plain["subjects"]), tuple(plain["aus"]), counts, histogram)
    _check_score(score)
    return score


def _check_score(score: Score) -> None:
    people, aus = len(score.subjects), len(score.aus)
    if score.counts.size == people * aus * 4 and score.histogram.size == aus * 2 * BINS:
        problems = [name for name in ("subjects", "aus") if len({*getattr(score, name)}) < len(getattr(score, name))]
        problems += [name for name in ("counts", "histogram") if (getattr(score, name) < 0).any()]
    else:
        problems = ["counts"]
    if problems:
        raise ValueError(f"its {' and '.join(problems)} are not those of a score")
