"""Run one trial: from its configuration to its result, with the files that make it resumable."""

import platform
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from data.files import disk_fails
from data.folds import Fold, protocol_hash
from data.frames import aus_of
from data.loader import Loader
from data.pool import pool
from data.store import FrameStore, named_store
from data.union import UnionStore
from model.checkpoint import load_checkpoint, save_checkpoint
from model.detector import Detector
from model.evaluate import linear_evaluation, predict, score_rows
from model.fit import EpochScore, Fitting, fit
from model.metrics import Score, objective_value, score_predictions
from study.records.config import Placement, TrialConfig
from study.records.predictions import Predictions, predictions_of, write_predictions
from study.records.result import Epoch, TrialResult
from study.records.store import StudyStore
from study.trial.degraded import degraded
from study.trial.detectors import new_detector, weights_key
from study.trial.label_noise import worsened
from study.trial.multi_source import divided, keep_predictions, keep_target, new_loader, opened
from study.trial.pretrain import finetuned, pretrain, pretrained_stores, stage_of, trained_by

Report = Callable[[int, float], None]  # (epoch, value of the objective)


def no_report(epoch: int, value: float) -> None:
    """A `Report` that does nothing."""


def run_trial(config: TrialConfig, placement: Placement, report: Report = no_report) -> TrialResult:
    """Run one trial and write its result; a trial with a result is not run again.

    `report` is called after every epoch; at the last one with the final value, after the result is written. It may stop
    the trial by raising `SystemExit`: then no result is written, and the next call continues from that epoch. Any
    `Exception` becomes a FAILED result, except for a full or failing disk. `launch/plan/preflight.py` finds bad input
    before the first trial.
    """
    store = StudyStore(placement.study)
    finished = store.result(config.key)
    if finished is not None:
        return finished
    facts = environment(placement.device, placement.threads, placement.gpus)
    begun = TrialResult(config, "FAILED", None, [], {}, time.time(), 0.0, environment=facts)
    try:
        result = _train_and_evaluate(begun, placement, store, report)
        result = store.write(result)
    except Exception as error:
        # the result could not be written either; the driver ends the search
        if disk_fails(error):
            raise
        result = _write_failed(store, store.progress(config.key) or begun, traceback.format_exc())
    if result.value is not None:
        report(config.optim.epochs, result.value)
    return result


def environment(device: str, threads: int, gpus: float = 0.0) -> dict[str, str]:
    """Versions, machine, threads and GPUs that a result depends on."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        **{name: version(name) for name in ("torchvision", "numpy", "polars", "optuna")},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": str(threads),
        **({"gpus": f"{gpus:g}"} if gpus else {}),
        "host": platform.node(),
    }


@dataclass(frozen=True)
class _Parts:
    """Everything that is built from a configuration."""

    frames: FrameStore | UnionStore
    loader: Loader
    fold: Fold
    detector: Detector
    unlabelled: tuple[FrameStore, ...]


def lost_trial(config: TrialConfig, store: StudyStore, reason: str) -> TrialResult:
    """Write the FAILED result of a trial whose process died."""
    begun = TrialResult(config, "FAILED", None, [], {}, time.time(), 0.0)
    return _write_failed(store, store.progress(config.key) or begun, reason)


def _write_failed(store: StudyStore, so_far: TrialResult, reason: str) -> TrialResult:
    return store.write(replace(so_far, status="FAILED", value=None, error=reason))


def _train_and_evaluate(begun: TrialResult, placement: Placement, store: StudyStore, report: Report) -> TrialResult:
    config = begun.config
    # else every trial starts a thread for every core of the machine
    torch.set_num_threads(placement.threads)
    frames = opened(config, placement)
    parts = _build(config, frames, placement)
    facts = {"protocol": protocol_hash(frames.table, parts.fold, frames.alignment)}
    facts |= {"pretrained": stage_of(config).key} if finetuned(config) else {}
    begun = replace(begun, environment=begun.environment | facts)
    told: list[str] = []
    spent = _pretrained(config, parts, store, told) if finetuned(config) else 0.0
    epochs: list[Epoch] = []
    job = replace(_fitting(config, parts, store.checkpoint_path(config.key)), tell=_telling(told))
    for score in fit(parts.detector, job):
        epochs.append(epoch_of(score))
        store.write_progress(
            replace(
                begun, value=score.value, epochs=epochs, scores={"val": score.score}, seconds=spent + _seconds(epochs)
            )
        )
        # the last report follows after the result is written, with the final value
        if score.epoch < config.optim.epochs:
            report(score.epoch, score.value)
    evaluated = time.perf_counter()
    scores, predictions = _final_scores(config, parts)
    if config.score_test and placement.keep_detector:
        # before the result: a trial with a result has all of its files
        save_checkpoint(parts.detector.state_dict(), store.detector_path(config.key))
        if predictions is not None:
            write_predictions(store.predictions_path(config.key), predictions)
    if config.sources.stores:
        _score_targets(config, parts, placement, store)
    value = objective_value(scores["val"], config.optim.objective)
    seconds = spent + _seconds(epochs) + time.perf_counter() - evaluated
    facts = begun.environment | ({"restarted": "; ".join(told)} if told else {})
    result = replace(
        begun, status="DONE", value=value, epochs=epochs, scores=scores, seconds=seconds, environment=facts
    )
    for kind, level in placement.worse:
        assert isinstance(frames, FrameStore)
        degraded(store, result, frames, kind, level, placement.device)
    return result


def _build(config: TrialConfig, frames: FrameStore | UnionStore, placement: Placement) -> _Parts:
    fold = divided(config, frames)
    device = torch.device(placement.device)
    detector = new_detector(config, aus_of(frames.table), placement.weights_file)
    if isinstance(frames, FrameStore):
        frames, fold = worsened(frames, fold, config.data, config.seed)
    loader = new_loader(config, frames, device)
    return _Parts(frames, loader, fold, detector.to(device), pretrained_stores(config, placement))


def _pretrained(config: TrialConfig, parts: _Parts, store: StudyStore, told: list[str]) -> float:
    """Pre-train the encoder; returns the seconds of its epochs, also when another trial trained them."""
    stage = stage_of(config)
    job = replace(_fitting(stage, parts, store.pretrained_path(stage.key)), tell=_telling(told))
    return sum(score.seconds for score in pretrain(parts.detector, job))


def _telling(told: list[str]) -> Callable[[str], None]:
    """Prints a line for the log of the trial, and adds it to `told`, for its result."""

    def tell(text: str) -> None:
        print(text, flush=True)
        told.append(text)

    return tell


def _fitting(config: TrialConfig, parts: _Parts, checkpoint: Path) -> Fitting:
    method, settings = trained_by(config)
    frames, fold = pool(parts.frames, () if method.end_to_end else parts.unlabelled, parts.fold)
    return Fitting(
        loader=replace(parts.loader, store=frames),
        fold=fold,
        method=method,
        method_settings=settings,
        optim=config.optim,
        probe=config.probe,
        seed=config.seed,
        checkpoint=checkpoint,
        # the oracle rule scores the last epoch
        keep_last=bool(config.sources.stores),
    )


def _final_scores(config: TrialConfig, parts: _Parts) -> tuple[dict[str, Score], Predictions | None]:
    """Validation score of the final detector, and its test score and predictions if the trial scores the test part."""
    detector, loader, fold = parts.detector, parts.loader, parts.fold
    if trained_by(config)[0].end_to_end:
        val = score_rows(detector, loader, fold.val)
    else:
        objective = config.optim.objective
        # the classifier of these methods is only a probe; a new one is fitted on the final encoder
        val = linear_evaluation(detector, loader, fold.train, fold.val, config.probe, objective, config.seed)
    if not config.score_test or not len(fold.test):
        return {"val": val}, None
    predictions = _predictions(parts)
    tested = predictions.part("test")
    test = score_predictions(tested.probabilities, tested.labels, tested.subjects, tested.aus)
    return {"val": val, "test": test}, predictions


def _predictions(parts: _Parts) -> Predictions:
    """Predictions of the detector for the validation and test frames."""
    loader, fold = parts.loader, parts.fold
    rows = np.concatenate([fold.val, fold.test])
    splits = ["val"] * len(fold.val) + ["test"] * len(fold.test)
    labels = loader.store.labels(loader.aus)[rows]
    return predictions_of(loader.store.table[rows], predict(parts.detector, loader, rows), labels, loader.aus, splits)


def _score_targets(config: TrialConfig, parts: _Parts, placement: Placement, store: StudyStore) -> None:
    """Save predictions for the target datasets, of the best weights and of the last ones, which no labels selected."""
    for weights in ("best", "last"):
        if weights == "last":
            state = load_checkpoint(store.checkpoint_path(config.key))
            assert state is not None
            parts.detector.load_state_dict(state["model"])
            _final_scores(replace(config, score_test=False), parts)
            save_checkpoint(parts.detector.state_dict(), store.detector_path(weights_key(config, weights)))
        keep_predictions(config, parts.detector, weights, parts.loader, parts.fold.val, store)
        for name in (name for which, name in placement.targets if which == weights):
            target = named_store(placement.store.parent, name)
            keep_target(config, parts.detector, weights, target, store, parts.loader.device)


def epoch_of(score: EpochScore) -> Epoch:
    """The record of an epoch, with counts summed over subjects."""
    return Epoch(score.epoch, score.loss, score.value, score.score.counts.sum(axis=0).tolist(), score.seconds)


def _seconds(epochs: list[Epoch]) -> float:
    return sum(epoch.seconds for epoch in epochs)
