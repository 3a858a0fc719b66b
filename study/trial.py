"""A trial from its configuration to its result: a pure function, but for the files that make it resumable."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from data.folds import Fold, folds, protocol_hash
from data.frames import aus_of
from data.loader import Loader
from data.pool import pool
from data.store import FrameStore, open_store
from model.checkpoint import save_checkpoint
from model.detector import Detector
from model.evaluate import linear_evaluation, score_rows
from model.fit import Fitting, fit
from model.metrics import Score, objective_value
from study.config import Placement, TrialConfig
from study.noise import with_label_noise
from study.pretrain import finetuned, pretrain, stage_of, trained_by, unlabelled_stores
from study.result import Epoch, TrialResult, environment, epoch_of
from study.store import StudyStore

Report = Callable[[int, float], None]  # (epoch, value of the objective)


def no_report(epoch: int, value: float) -> None:
    """The `Report` that nobody reads."""


def run_trial(config: TrialConfig, placement: Placement, report: Report = no_report) -> TrialResult:
    """Run one trial and write its result; a trial that has a result is not run again.

    `report` is called after every epoch; for the last one with the value of the finished trial, whose result is then
    written. It may end a trial earlier by raising `SystemExit`: no result is written, and the same call goes on from
    that epoch. Any `Exception` becomes a FAILED result. Bad input should be found before: see `launch/preflight.py`.
    """
    store = StudyStore(placement.study)
    finished = store.result(config.key)
    if finished is not None:
        return finished
    begun = TrialResult(
        config, "FAILED", None, [], {}, time.time(), 0.0, environment=environment(placement.device, placement.threads)
    )
    try:
        result = _train_and_evaluate(begun, placement, store, report)
        result = store.write(result)
    except Exception:
        result = _write_failed(store, store.progress(config.key) or begun, traceback.format_exc())
    if result.value is not None:
        report(config.optim.epochs, result.value)
    return result


@dataclass(frozen=True)
class _Parts:
    """What a configuration becomes."""

    frames: FrameStore
    loader: Loader
    fold: Fold
    detector: Detector
    unlabelled: tuple[FrameStore, ...]


def lost_trial(config: TrialConfig, store: StudyStore, reason: str) -> TrialResult:
    """Write the FAILED result of a trial that could not do so itself."""
    begun = TrialResult(config, "FAILED", None, [], {}, time.time(), 0.0)
    return _write_failed(store, store.progress(config.key) or begun, reason)


def _write_failed(store: StudyStore, so_far: TrialResult, reason: str) -> TrialResult:
    return store.write(replace(so_far, status="FAILED", value=None, error=reason))


def _train_and_evaluate(begun: TrialResult, placement: Placement, store: StudyStore, report: Report) -> TrialResult:
    config = begun.config
    torch.set_num_threads(placement.threads)
    frames = open_store(placement.store)
    if frames.fingerprint != config.data.fingerprint:
        raise ValueError(f"{placement.store} is store {frames.fingerprint}, the trial is on {config.data.fingerprint}")
    parts = _build(config, frames, placement)
    facts = {"protocol": protocol_hash(frames.table, parts.fold, frames.alignment)}
    facts |= {"pretrained": stage_of(config).key} if finetuned(config) else {}
    begun = replace(begun, environment=begun.environment | facts)
    spent = _pretrained(config, parts, store) if finetuned(config) else 0.0
    epochs: list[Epoch] = []
    job = _fitting(config, parts, store.checkpoint_path(config.key))
    for score in fit(parts.detector, job):
        epochs.append(epoch_of(score))
        store.write_progress(
            replace(
                begun, value=score.value, epochs=epochs, scores={"val": score.score}, seconds=spent + _seconds(epochs)
            )
        )
        if score.epoch < config.optim.epochs:
            report(score.epoch, score.value)
    evaluated = time.perf_counter()
    scores = _final_scores(config, parts)
    if config.score_test and placement.keep_detector:
        save_checkpoint(parts.detector.state_dict(), store.detector_path(config.key))
    value = objective_value(scores["val"], config.optim.objective)
    seconds = spent + _seconds(epochs) + time.perf_counter() - evaluated
    return replace(begun, status="DONE", value=value, epochs=epochs, scores=scores, seconds=seconds)


def _build(config: TrialConfig, frames: FrameStore, placement: Placement) -> _Parts:
    aus = aus_of(frames.table)
    fold = folds(frames.table, config.data.fold_scheme, config.data.val_share, config.data.fold_seed)[config.data.fold]
    device = torch.device(placement.device)
    classifier, weights = trained_by(config)[0].classifier, placement.weights_file
    detector = Detector(aus, config.views.crop, config.backbone, config.head, config.seed, weights, classifier)
    noisy = with_label_noise(frames, fold, config.data.label_noise, config.seed)
    loader = Loader(noisy, aus, config.views, config.optim.batch_size, device)
    return _Parts(noisy, loader, fold, detector.to(device), unlabelled_stores(config, placement))


def _pretrained(config: TrialConfig, parts: _Parts, store: StudyStore) -> float:
    """Pre-train the encoder; returns the seconds that its epochs took, whichever trial they were trained for."""
    stage = stage_of(config)
    job = _fitting(stage, parts, store.pretrained_path(stage.key))
    return sum(score.seconds for score in pretrain(parts.detector, job))


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
    )


def _final_scores(config: TrialConfig, parts: _Parts) -> dict[str, Score]:
    """Validation score of the final detector, and its one look at the test part where the trial is asked for it."""
    detector, loader, fold = parts.detector, parts.loader, parts.fold
    if trained_by(config)[0].end_to_end:
        val = score_rows(detector, loader, fold.val)
    else:
        objective = config.optim.objective
        val = linear_evaluation(detector, loader, fold.train, fold.val, config.probe, objective, config.seed)
    return {"val": val, "test": score_rows(detector, loader, fold.test)} if config.score_test else {"val": val}


def _seconds(epochs: list[Epoch]) -> float:
    return sum(epoch.seconds for epoch in epochs)
