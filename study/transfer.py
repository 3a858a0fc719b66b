"""What a final detector is worth on the frames of another dataset, on the AUs that both code."""

import json
from dataclasses import dataclass

import numpy as np
import torch

from data.aus import shared_aus
from data.errors import InputError
from data.files import write_once
from data.frames import aus_of
from data.loader import Loader
from data.store import FrameStore
from model.checkpoint import load_checkpoint
from model.detector import Detector
from model.evaluate import predict
from model.methods import method_named
from model.metrics import Score, always_positive_f1, f1, mean_defined, score_predictions
from study.result import TrialResult, score_from_plain, score_to_plain
from study.store import StudyStore


@dataclass(frozen=True)
class Pair:
    """Final detectors of one study on the dataset of another; F1 is the mean over the shared AUs."""

    aus: tuple[int, ...]
    f1: float  # mean over the source's detectors, each on all frames of the target
    always_positive: float
    own: float  # the target's detectors on their own test parts, mean over folds and seeds


def final_results(store: StudyStore) -> list[TrialResult]:
    """The finished trials of the final evaluation; `InputError` when there are none."""
    done = [result for result in store.results() if result.stage == "final" and result.status == "DONE"]
    if not done:
        raise InputError(f"no final detectors in {store.root}: run launch/final.py name={store.root.name}")
    return done


def transfer(store: StudyStore, result: TrialResult, target: FrameStore, device: str) -> Score:
    """Score of one final detector on all frames of `target`, on shared AUs, at threshold 0.5; computed only once."""
    path = store.transfer_path(result.config.key, target.fingerprint)
    if not path.exists():
        _check_size(store, target)
        score = _score(_detector(store, result).to(device), result, target, torch.device(device))
        write_once(path, json.dumps(score_to_plain(score)).encode())
    return score_from_plain(json.loads(path.read_bytes()))


def compare(source: list[Score], target: list[TrialResult]) -> Pair:
    """Put the scores of a source's detectors beside those of the target's own, on the AUs of the pair."""
    aus = source[0].aus
    own = [f1(_pooled(result.scores["test"], aus)) for result in target]
    return Pair(
        aus,
        f1=_mean([f1(_pooled(score, aus)) for score in source]),
        always_positive=_mean([always_positive_f1(_pooled(source[0], aus))]),
        own=_mean(own),
    )


def _detector(store: StudyStore, result: TrialResult) -> Detector:
    config, path = result.config, store.detector_path(result.config.key)
    weights = load_checkpoint(path)
    if weights is None:
        raise InputError(f"the detector {path} is gone; delete its result below trials/ and run launch/final.py again")
    aus, classifier = result.scores["test"].aus, method_named(config.method_name).classifier
    detector = Detector(aus, config.views.crop, config.backbone, config.head, config.seed, classifier=classifier)
    detector.load_state_dict(weights)
    return detector


def _check_size(store: StudyStore, target: FrameStore) -> None:
    size = store.study()["size"]
    if target.size != size:
        name = target.table["dataset"][0]
        raise InputError(
            f"{target.path.name} holds frames of {target.size} px, {store.root.name} was trained on {size} px. "
            f"Faces must have one scale: build it with launch/prepare.py dataset={name} dataset.size={size}"
        )


def _score(detector: Detector, result: TrialResult, target: FrameStore, device: torch.device) -> Score:
    aus = shared_aus(detector.aus, aus_of(target.table))
    if not aus:
        raise InputError(f"{target.path.name} codes no AU of this detector, which knows {list(detector.aus)}")
    loader = Loader(target, aus, result.config.views, result.config.optim.batch_size, device)
    probabilities = predict(detector, loader, np.arange(len(target)))
    columns = [detector.aus.index(au) for au in aus]
    return score_predictions(probabilities[:, columns], target.labels(aus), target.table["subject"].to_list(), aus)


def _pooled(score: Score, aus: tuple[int, ...]) -> np.ndarray:
    """Counts [A, 4] of some AUs of a score, pooled over subjects."""
    return np.asarray(score.counts.sum(axis=0)[[score.aus.index(au) for au in aus]])


def _mean(per_au: list[np.ndarray]) -> float:
    """Mean over detectors of the mean over AUs."""
    return float(np.mean([mean_defined(values) for values in per_au]))
