"""The detectors that final trials keep, as they were when their test part was scored."""

from dataclasses import replace

from data.errors import InputError
from model.checkpoint import load_checkpoint
from model.detector import Detector
from study.pretrain import trained_by
from study.result import TrialResult
from study.store import StudyStore


def kept_detector(store: StudyStore, result: TrialResult) -> Detector:
    """The detector of a final trial, on the CPU; `InputError` when its file is gone."""
    config, path = result.config, store.detector_path(result.config.key)
    weights = load_checkpoint(path)
    if weights is None:
        raise InputError(f"the detector {path} is gone; delete its result below trials/ and give the command again")
    aus, classifier = result.scores["test"].aus, trained_by(config)[0].classifier
    backbone = replace(config.backbone, weights="")  # what it began with is not needed, and may not be at hand
    detector = Detector(aus, config.views.crop, backbone, config.head, config.seed, classifier=classifier)
    detector.load_state_dict(weights)
    return detector
