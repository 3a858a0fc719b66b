"""Pre-training without labels: further frames to learn from, and the stage that comes before fine-tuning.

A stage is a fit like any other, and its checkpoint, once it is whole, is its result. It is named by the trial that it
would be on its own, so trials that differ only in how they are fine-tuned share it. No label reaches the encoder; the
epoch that is kept is the best of the watching probe on the validation subjects, as for every label-free method.
"""

from collections.abc import Iterator
from dataclasses import replace

from data.files import exclusive_lock
from data.store import FrameStore, named_store
from model.detector import Detector
from model.fit import EpochScore, Fitting, fit
from model.losses.settings import BceSettings, ClpSettings, MethodSettings
from model.methods import METHODS, Method
from model.settings import ProbeSettings
from study.records.config import Placement, PretrainSettings, TrialConfig


def finetuned(config: TrialConfig) -> bool:
    """Whether the trial is a stage of pre-training and then of fine-tuning."""
    return isinstance(config.method, ClpSettings) and config.method.then == "finetune"


def trained_by(config: TrialConfig) -> tuple[Method, MethodSettings]:
    """The method of the epochs that a trial reports, and its settings; cross-entropy where it fine-tunes."""
    if finetuned(config):
        return METHODS["bce"], BceSettings()
    return METHODS[config.method_name], config.method


def stage_of(config: TrialConfig) -> TrialConfig:
    """The pre-training of a trial that fine-tunes, as a trial of its own."""
    assert isinstance(config.method, ClpSettings)
    asked, probe = config.pretrain, config.probe
    return replace(
        config,
        method=replace(config.method, then="probe"),
        optim=replace(config.optim, epochs=asked.epochs, lr=asked.lr, weight_decay=asked.weight_decay),
        probe=ProbeSettings(online_lr=probe.online_lr, balance=probe.balance),
        pretrain=PretrainSettings(stores=asked.stores),
        score_test=False,
    )


def pretrain(detector: Detector, job: Fitting) -> Iterator[EpochScore]:
    """Pre-train the encoder of `detector`, or read what another trial pre-trained; yields the epochs of the stage.

    Trials that need the same stage wait for the one that is at it; a stage that was stopped goes on. The classifier
    stays as it was.
    """
    classifier = {name: value.clone() for name, value in detector.classifier.state_dict().items()}
    with exclusive_lock(job.checkpoint.with_suffix(".lock")):
        yield from fit(detector, job)
    detector.classifier.load_state_dict(classifier)


def pretrained_stores(config: TrialConfig, placement: Placement) -> tuple[FrameStore, ...]:
    """The stores that are pre-trained on without labels; they lie beside the trial's own."""
    return tuple(named_store(placement.store.parent, fingerprint) for fingerprint in config.pretrain.stores)
