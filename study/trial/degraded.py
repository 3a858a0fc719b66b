"""Scores of final detectors on degraded test images; the labels stay the same."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from data.checked import json_bytes, json_object
from data.degrade import Degraded
from data.errors import DamagedError
from data.files import write_once
from data.folds import folds
from data.frames import aus_of
from data.loader import Loader
from data.store import FrameStore
from model.evaluate import score_rows
from model.metrics import Score
from study.records.result import TrialResult, score_from_plain, score_to_plain
from study.records.store import StudyStore
from study.trial.detectors import kept_detector


@dataclass(frozen=True)
class DetectorScore:
    """The score of one detector on the test part of its fold."""

    fold: str
    seed: int
    score: Score


def detector_score(result: TrialResult) -> DetectorScore:
    """The test score of a finished final trial."""
    return DetectorScore(result.config.data.fold, result.config.seed, result.scores["test"])


def degraded(
    store: StudyStore, result: TrialResult, frames: FrameStore, kind: str, level: float, device: str
) -> DetectorScore:
    """Score of a final detector on degraded test images; computed once, then read from its file."""
    path = store.degraded_path(result.config.key, kind, level)
    if not path.exists():
        detector, config = kept_detector(store, result).to(device), result.config
        data, worse = config.data, Degraded(frames, kind, level)
        fold = folds(frames.table, data.fold_scheme, data.val_share, data.fold_seed)[data.fold]
        loader = Loader(worse, aus_of(frames.table), config.views, config.optim.batch_size, torch.device(device))
        # a file for each level: a killed command continues where it was
        write_once(path, json_bytes(score_to_plain(score_rows(detector, loader, fold.test)), path.stem, indent=None))
    return replace(detector_score(result), score=_read(path, result.scores["test"]))


def _read(path: Path, tested: Score) -> Score:
    """The score in a file, of the same subjects and AUs as the one on `tested`."""
    try:
        score = score_from_plain(json_object(path.read_bytes(), path.stem))
        if (score.subjects, score.aus) != (tested.subjects, tested.aus):
            raise DamagedError("it is of other subjects or AUs")
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{path} is damaged: {error}. Remove it; the same command computes it again.") from error
    return score
