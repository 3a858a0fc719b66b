"""Training on several datasets: the frames of a trial, and the predictions of its detector on other datasets."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from data.aus import shared_aus
from data.errors import InputError, raise_all
from data.folds import Fold, folds
from data.frames import aus_of
from data.loader import Loader
from data.same_people import leaks
from data.seeds import numpy_generator
from data.store import FrameStore, named_store, open_store
from data.union import UnionStore, dataset_of, size_problems, source_fold
from model.detector import Detector
from model.evaluate import predict
from model.norm import adapt_norms
from study.records.config import Placement, TrialConfig
from study.records.predictions import Predictions, predictions_of, write_predictions
from study.records.store import StudyStore
from study.trial.detectors import weights_key

ADAPTED = 20_000  # unlabelled frames of the target from which norm=adapt estimates BatchNorm statistics


def opened(config: TrialConfig, placement: Placement) -> FrameStore | UnionStore:
    """The frames of a trial, from one store or several; `ValueError` when the store is not that of the trial."""
    if config.sources.stores:
        return UnionStore(tuple(named_store(placement.store.parent, name) for name in config.sources.stores))
    frames = open_store(placement.store)
    if frames.fingerprint != config.data.fingerprint:
        raise ValueError(f"{placement.store} is store {frames.fingerprint}, the trial is on {config.data.fingerprint}")
    return frames


def divided(config: TrialConfig, frames: FrameStore | UnionStore) -> Fold:
    """The fold of a trial."""
    data = config.data
    if isinstance(frames, UnionStore):
        return source_fold(frames, data.val_share, data.fold_seed)
    return folds(frames.table, data.fold_scheme, data.val_share, data.fold_seed)[data.fold]


def new_loader(config: TrialConfig, frames: FrameStore | UnionStore, device: torch.device) -> Loader:
    """The loader of a trial."""
    domains, balanced = (frames.domains, config.sources.balanced) if isinstance(frames, UnionStore) else (None, False)
    return Loader(
        frames, aus_of(frames.table), config.views, config.optim.batch_size, device, domains=domains, balanced=balanced
    )


def check_target(target: FrameStore, sources: UnionStore) -> tuple[int, ...]:
    """The AUs to test on `target` after training on `sources`.

    `InputError` when they share no AU, when frame sizes differ, and when both show the same people.
    """
    aus = shared_aus(aus_of(target.table), sources.aus)
    problems = [line for store in sources.stores for line in leaks(target, store)]
    problems += size_problems((sources.stores[0], target))
    if not aus:
        problems.append(f"{target.path.name} codes no AU of {sources.name}")
    raise_all(f"training on {sources.name} cannot be tested on {dataset_of(target)}:", problems)
    return aus


def predict_target(config: TrialConfig, detector: Detector, target: FrameStore, device: torch.device) -> Predictions:
    """Predictions of `detector` for all frames of a new dataset; its labels are only attached at the end."""
    aus = shared_aus(detector.aus, aus_of(target.table))
    if not aus:
        raise InputError(f"{target.path.name} codes no AU of this detector, which knows {list(detector.aus)}")
    loader = Loader(target, aus, config.views, config.optim.batch_size, device)
    if config.sources.norm == "adapt":
        # the next target must start from the trained statistics
        detector = copy.deepcopy(detector)
        adapt_norms(detector, _some_pictures(loader, config.seed))
    probabilities = predict(detector, loader, np.arange(len(target)))
    columns = [detector.aus.index(au) for au in aus]
    return predictions_of(target.table, probabilities[:, columns], target.labels(aus), aus, "test")


def _some_pictures(loader: Loader, seed: int) -> Iterator[Tensor]:
    rows = numpy_generator("adapt", seed).permutation(len(loader.store))[:ADAPTED]
    whole = max(len(rows) // loader.batch_size, 1) * loader.batch_size  # a small last batch would get the same weight
    return (batch.views[:, 0] for batch in loader.score(rows[:whole]))


def keep_predictions(
    config: TrialConfig, detector: Detector, weights: str, loader: Loader, val: np.ndarray, store: StudyStore
) -> None:
    """Save the predictions of `detector` for the validation subjects."""
    path = store.predictions_path(weights_key(config, weights))
    probabilities, labels = predict(detector, loader, val), loader.store.labels(loader.aus)[val]
    write_predictions(path, predictions_of(loader.store.table[val], probabilities, labels, loader.aus, "val"))


def keep_target(
    config: TrialConfig, detector: Detector, weights: str, target: FrameStore, store: StudyStore, device: torch.device
) -> None:
    """Save the predictions of `detector` for `target`."""
    path = store.predictions_path(weights_key(config, weights), target.fingerprint)
    write_predictions(path, predict_target(config, detector, target, device))
