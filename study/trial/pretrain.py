"""Pre-training without labels, before fine-tuning, also on further datasets.

Pre-training is a fit like any other, and its final checkpoint is its result. The file has the key of a trial that would
only pre-train, so trials that differ only in fine-tuning share it. The encoder sees no label; the online probe chooses
the best epoch on the validation subjects, as for every method without labels.
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
    """Whether the trial pre-trains first and then fine-tunes."""
    return isinstance(config.method, ClpSettings) and config.method.then == "finetune"


def trained_by(config: TrialConfig) -> tuple[Method, MethodSettings]:
    """The method, and its settings, of the epochs that a trial reports; fine-tuning uses cross-entropy."""
    if finetuned(config):
        return METHODS["bce"], BceSettings()
    return METHODS[config.method_name], config.method


def stage_of(config: TrialConfig) -> TrialConfig:
    """The pre-training of a trial that fine-tunes, as a separate trial."""
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
    """Pre-train the encoder of `detector`, or load the weights that another trial pre-trained; yields the epochs.

    Trials that need the same weights wait for the one that trains them; interrupted pre-training continues. The
    classifier does not change.
    """
    # fine-tuning starts from the initial classifier, whatever `fit` does to it
    classifier = {name: value.clone() for name, value in detector.classifier.state_dict().items()}
    # trials of the same encoder run at once; only one of them may train it
    with exclusive_lock(job.checkpoint.with_suffix(".lock")):
        yield from fit(detector, job)
    detector.classifier.load_state_dict(classifier)


def pretrained_stores(config: TrialConfig, placement: Placement) -> tuple[FrameStore, ...]:
    """The further stores for pre-training; they lie beside the trial's own store."""
    return tuple(named_store(placement.store.parent, fingerprint) for fingerprint in config.pretrain.stores)
