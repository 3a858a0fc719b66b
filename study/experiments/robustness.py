"""Stress studies: how a method's test score falls when its training data or its pictures get worse.

A level is in percent, but for `subjects`, where it is a number of people. Kinds of `TRAINING` make training data worse
and are trials of their own; those of `data.degrade` make the test pictures worse for detectors that were trained on
good ones. The test labels are always as they were.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from data.degrade import DEGRADATIONS
from data.errors import InputError
from data.seeds import numpy_generator
from model.metrics import auc, f1, mean_defined
from study.experiments.ablation import score_cubes
from study.records.config import DataSettings, TrialConfig
from study.scoring.bootstrap import resample, subject_interval
from study.trial.degraded import DetectorScore

Change = Callable[[DataSettings, float], DataSettings]

TRAINING: dict[str, Change] = {
    "label_noise": lambda data, level: replace(data, label_noise=level / 100),
    "per_au_noise": lambda data, level: replace(data, label_noise=level / 100, noise_kind="per_au"),
    "boundary_noise": lambda data, level: replace(data, label_noise=level / 100, noise_kind="boundary"),
    "positives": lambda data, level: replace(data, positives=level / 100),
    "subjects": lambda data, level: replace(data, train_subjects=round(level)),
}
DISTURBANCES = (*TRAINING, *DEGRADATIONS)
UNDISTURBED = {"positives": 100.0}  # where it is not 0

CURVES_SCHEMA: dict[str, type[pl.DataType]] = {
    "method": pl.String,
    "kind": pl.String,
    "level": pl.Float64,
    "metric": pl.String,
    "au": pl.Int64,  # null: the mean over AUs
    "value": pl.Float64,  # fractions
    "low": pl.Float64,  # of a bootstrap of subjects
    "high": pl.Float64,
}


@dataclass(frozen=True)
class Point:
    """One level of one kind for one method."""

    method: str
    kind: str
    level: float


def undisturbed(kind: str) -> float:
    """The level at which `kind` changes nothing."""
    return UNDISTURBED.get(kind, 0.0)


def stressed(config: TrialConfig, kind: str, level: float) -> TrialConfig:
    """The trial that trains on data made worse; `config` itself for a kind that is about test pictures."""
    if kind in DEGRADATIONS or level == undisturbed(kind):
        return config
    try:
        return replace(config, data=TRAINING[kind](config.data, level))
    except InputError as error:
        raise InputError(f"{kind} at {level:g}: {error}") from error


def robustness_table(points: Mapping[Point, Sequence[DetectorScore]]) -> pl.DataFrame:
    """CURVES rows of every point: F1 of each AU and their mean with intervals, and the mean AUC.

    F1 is the mean of folds, as everywhere. Every point is resampled with the same draws of subjects.
    """
    rows = [row for point, detectors in points.items() for row in _rows(point, detectors)]
    return pl.DataFrame(rows, schema=CURVES_SCHEMA).with_columns(pl.selectors.float().fill_nan(None))


def _rows(point: Point, detectors: Sequence[DetectorScore]) -> list[dict[str, Any]]:
    same = {"method": point.method, "kind": point.kind, "level": point.level}
    draws = resample(
        score_cubes((one.fold, one.seed, one.score) for one in detectors), numpy_generator("bootstrap", "test")
    ).mean_of_folds(f1)
    people = {one.fold: len(one.score.subjects) for one in detectors}
    overall, aus = draws.overall(), detectors[0].score.aus
    numbers = [(None, *overall), *zip(aus, draws.point.tolist(), draws.replicates.T, strict=True)]
    rows = [
        same | {"metric": "f1", "au": au, "value": value} | _interval(value, replicates, people)
        for au, value, replicates in numbers
    ]
    area = _mean_of_folds([(one.fold, mean_defined(auc(one.score.histogram))) for one in detectors])
    return [*rows, same | {"metric": "auc", "au": None, "value": area, "low": None, "high": None}]


def _interval(value: float, replicates: np.ndarray, people: Mapping[str, int]) -> dict[str, float]:
    low, high = np.clip(subject_interval(value, replicates, sum(people.values()), len(people)), 0, 1)
    return {"low": low, "high": high}


def _mean_of_folds(values: Sequence[tuple[str, float]]) -> float:
    """Mean over seeds, then over folds."""
    folds_seen = dict.fromkeys(fold for fold, _ in values)
    return float(np.mean([np.mean([value for fold, value in values if fold == name]) for name in folds_seen]))
