"""The detectors of trials: new ones, and the saved ones of finished trials."""

from dataclasses import replace
from pathlib import Path

from data.errors import DamagedError, InputError
from model.checkpoint import is_whole, load_checkpoint
from model.detector import Detector
from study.records.config import Placement, TrialConfig
from study.records.folder import train_again_text
from study.records.predictions import has_predictions
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.trial.pretrain import trained_by


def new_detector(config: TrialConfig, aus: tuple[int, ...], weights_file: Path | None = None) -> Detector:
    """The untrained detector of a trial."""
    # one set of BatchNorm statistics for each source
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
    """The file stem for the "best" or "last" weights of a trial."""
    assert weights in ("best", "last")
    return config.key if weights == "best" else f"{config.key}-last"


def lacks_files(config: TrialConfig, placement: Placement, store: StudyStore) -> bool:
    """Whether files that the finished trial saved beside its result are missing or damaged."""
    if not (config.score_test and placement.keep_detector):
        return False
    names = [weights_key(config, weights) for weights in (("best", "last") if config.sources.stores else ("best",))]
    whole = (is_whole(store.detector_path(name)) and has_predictions(store.predictions_path(name)) for name in names)
    return not all(whole)


def kept_detector(store: StudyStore, result: TrialResult, weights: str = "best") -> Detector:
    """The saved detector of a finished trial, on the CPU; `InputError` when its file is missing or damaged."""
    config, path = result.config, store.detector_path(weights_key(result.config, weights))
    try:
        state = load_checkpoint(path)
    except DamagedError as error:
        raise DamagedError(f"the detector {error}. {train_again_text(store.root)}") from error
    if state is None:
        raise InputError(f"the detector {path} is missing. {train_again_text(store.root)}")
    backbone = replace(config.backbone, weights="")  # the initial weights are not needed, and may not be available
    detector = new_detector(replace(config, backbone=backbone), result.scores["val"].aus)
    try:
        detector.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise DamagedError(f"the detector {path} is not that of its trial. {train_again_text(store.root)}") from error
    return detector
