"""The detectors of trials: new ones, and those that finished trials keep."""

from dataclasses import replace
from pathlib import Path

from data.errors import InputError
from model.checkpoint import load_checkpoint
from model.detector import Detector
from study.records.config import Placement, TrialConfig
from study.records.folder import train_again_text
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.trial.pretrain import trained_by


def new_detector(config: TrialConfig, aus: tuple[int, ...], weights_file: Path | None = None) -> Detector:
    """The detector of a trial, not trained yet."""
    domains = len(config.sources.stores) if config.sources.norm == "per_dataset" else 1
    return Detector(
        aus,
        config.views.crop,
        config.backbone,
        config.head,
        config.seed,
        weights_file,
        trained_by(config)[0].classifier,
        domains,
    )


def weights_key(config: TrialConfig, weights: str) -> str:
    """What files about the "best" or "last" weights of a trial are called after."""
    assert weights in ("best", "last")
    return config.key if weights == "best" else f"{config.key}-last"


def lacks_files(config: TrialConfig, placement: Placement, store: StudyStore) -> bool:
    """Whether files are gone that the trial, which is finished, kept beside its result."""
    if not (config.score_test and placement.keep_detector):
        return False
    names = [weights_key(config, weights) for weights in (("best", "last") if config.sources.stores else ("best",))]
    return not all(store.detector_path(name).exists() and store.predictions_path(name).exists() for name in names)


def kept_detector(store: StudyStore, result: TrialResult, weights: str = "best") -> Detector:
    """The detector of a finished trial, on the CPU; `InputError` when its file is gone."""
    config, path = result.config, store.detector_path(weights_key(result.config, weights))
    state = load_checkpoint(path)
    if state is None:
        raise InputError(f"the detector {path} is gone. {train_again_text(store.root)}")
    backbone = replace(config.backbone, weights="")  # what it began with is not needed, and may not be at hand
    detector = new_detector(replace(config, backbone=backbone), result.scores["val"].aus)
    detector.load_state_dict(state)
    return detector
