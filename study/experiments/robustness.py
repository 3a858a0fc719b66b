"""Robustness studies: how the test score of a method falls with worse training data or degraded test images.

A level is in percent, except for `subjects`, a number of people. Disturbances in `TRAINING` change the training data
and need new trials; those of `data.degrade` change the test images of detectors trained on unchanged data. Test labels
never change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from data.degrade import DEGRADATIONS
from data.errors import InputError
from model.metrics import auc, mean_defined
from study.records.config import NOISE_KINDS, DataSettings, TrialConfig
from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS, level_of, noise_name, scores_frame, with_level
from study.scoring.bootstrap import fold_mean
from study.scoring.evaluation import evaluation_of_scores
from study.scoring.sampled import ScoreRow, sampled_rows
from study.trial.degraded import DetectorScore

Change = Callable[[DataSettings, float], DataSettings]


def _noisy(kind: str, data: DataSettings, level: float) -> DataSettings:
    return replace(data, label_noise=level / 100, noise_kind=kind)


TRAINING: dict[str, Change] = {
    **{noise_name(kind): partial(_noisy, kind) for kind in NOISE_KINDS},
    "positives": lambda data, level: replace(data, positives=level / 100),
    "subjects": lambda data, level: replace(data, train_subjects=round(level)),
}
DISTURBANCES = (*TRAINING, *DEGRADATIONS)
UNDISTURBED = {"positives": 100.0}  # the level without effect, where it is not 0


@dataclass(frozen=True)
class Point:
    """One method at one level of one disturbance."""

    method: str
    kind: str
    level: float


def undisturbed(kind: str) -> float:
    """The level at which `kind` has no effect."""
    return UNDISTURBED.get(kind, 0.0)


def stressed(config: TrialConfig, kind: str, level: float) -> TrialConfig:
    """The trial with worse training data; `config` itself for a disturbance of test images."""
    if kind in DEGRADATIONS or level == undisturbed(kind):
        return config
    try:
        return replace(config, data=TRAINING[kind](config.data, level))
    except InputError as error:
        raise InputError(f"{kind} at {level:g}: {error}") from error


def robustness_table(points: Mapping[Point, Sequence[DetectorScore]], dataset: str) -> pl.DataFrame:
    """Scores of every point: F1 of each AU and their mean with intervals, and the mean AUC.

    F1 is the mean over folds. The bootstrap draws the same subjects for every point.
    """
    return scores_frame([row for point, detectors in points.items() for row in _rows(point, detectors, dataset)])


def _rows(point: Point, detectors: Sequence[DetectorScore], dataset: str) -> Iterator[ScoreRow]:
    found = evaluation_of_scores((one.fold, one.seed, one.score) for one in detectors)
    names = {"method": point.method, "condition": with_level(point.kind, point.level)}
    names |= {"source": dataset, "target": dataset, "rule": FIXED_THRESHOLD, "aggregate": "folds"}
    yield from sampled_rows(found.number("f1"), names | {"metric": "f1"})
    # For degraded images only histograms are saved: this AUC counts pairs in one bin as half won, and has no interval.
    areas: dict[str, list[float]] = {}
    for one in detectors:
        areas.setdefault(one.fold, []).append(mean_defined(auc(one.score.histogram)))
    yield names | {"metric": "auc", "value": float(fold_mean([np.array(seeds) for seeds in areas.values()]))}


def curves_of(scores: pl.DataFrame) -> pl.DataFrame:
    """The scores of a robustness study with columns for disturbance (`kind`) and `level`, for curves."""
    kinds, levels = zip(*map(level_of, scores["condition"]), strict=True) if scores.height else ((), ())
    return scores.select(
        "method",
        pl.Series("kind", kinds, dtype=pl.String),
        pl.Series("level", levels, dtype=pl.Float64),
        "metric",
        "au",
        *INTERVAL_ENDS,
    )
