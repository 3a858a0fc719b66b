"""TrialConfig: one frozen, nested configuration, whose hash is the name of the trial.

Everything that can change the result is in `TrialConfig`. Where and how a trial runs (paths, devices, threads) is in
`Placement`, which is not part of the name.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from data.errors import raise_all
from data.settings import (
    VAL_SHARE,
    ViewSettings,
    check_choices,
    check_ranges,
    setting,
    settings_from_dict,
    settings_to_dict,
)
from model.losses.settings import METHOD_SETTINGS, AunceSettings, ClpSettings, MethodSettings, settings_of
from model.settings import NORMS, BackboneSettings, HeadSettings, OptimSettings, ProbeSettings

NOISE_KINDS = ("symmetric", "per_au", "boundary", "event", "onset")


@dataclass(frozen=True)
class DataSettings:
    """Which frames, and how they are divided into folds."""

    dataset: str = setting("synthetic", "name of the dataset")
    fingerprint: str = setting("", "fingerprint of the frame store")
    fold_scheme: str = setting("parts", "parts, official or random<k>")
    fold: str = setting("", "name of the fold, which says what is held out")
    fold_seed: int = setting(0, "seed of random folds and of the inner validation subjects")
    val_share: float = setting(VAL_SHARE, "share of the training subjects that become the inner validation set")
    label_noise: float = setting(0.0, "share of coded training and validation labels that are flipped; never of test")
    noise_kind: str = setting("symmetric", f"which labels flip: {', '.join(NOISE_KINDS)}")
    positives: float = setting(1.0, "share of the active training labels of every AU that are kept")
    train_subjects: int = setting(0, "people to train on, drawn from the training part; 0 for all")

    def __post_init__(self) -> None:
        ranges = {"label_noise": (0.0, 0.5), "positives": (0.0, 1.0), "train_subjects": (0, 1e6)}
        raise_all("data:", check_ranges(self, ranges) + check_choices(self, {"noise_kind": NOISE_KINDS}))


@dataclass(frozen=True)
class PretrainSettings:
    """Pre-training without labels, before fine-tuning; all settings that are not here are those of `optim`."""

    epochs: int = setting(16, "method.then=finetune: epochs of pre-training, before the `optim.epochs` of fine-tuning")
    lr: float = setting(2e-3, "method.then=finetune: peak learning rate of pre-training")
    weight_decay: float = setting(1e-3, "method.then=finetune: weight decay of pre-training")
    stores: tuple[str, ...] = setting(
        (), "method=clp: further stores in store_root to pre-train on, [disfa,...] or names of their folders"
    )

    def __post_init__(self) -> None:
        ranges = {"epochs": (1, 100_000), "lr": (0.0, 10.0), "weight_decay": (0.0, 10.0)}
        raise_all("pretrain:", check_ranges(self, ranges))


@dataclass(frozen=True)
class SourceSettings:
    """Training on several datasets at once."""

    stores: tuple[str, ...] = setting((), "fingerprints of the frame stores that are trained on together")
    balanced: bool = setting(True, "as many frames of each dataset in every batch; false for as many as there are")
    norm: str = setting("shared", "BatchNorm: shared, per_dataset, or shared and adapted to the target's pictures")

    def __post_init__(self) -> None:
        given = [name for name in ("balanced", "norm") if getattr(self, name) != getattr(SourceSettings, name)]
        problems = [f"{name}={getattr(self, name)!r} is only for launch/generalize.py" for name in given]
        raise_all("sources:", check_choices(self, {"norm": NORMS}) or problems * (not self.stores))


@dataclass(frozen=True)
class TrialConfig:
    """The complete configuration of one trial."""

    data: DataSettings = field(default_factory=DataSettings)
    sources: SourceSettings = field(default_factory=SourceSettings)
    views: ViewSettings = field(default_factory=ViewSettings)
    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    method_name: str = setting("aunce", f"one of {', '.join(METHOD_SETTINGS)}")
    method: MethodSettings = field(default_factory=AunceSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    seed: int = setting(0, "seed of initial weights, order, views and loss")
    score_test: bool = setting(False, "score the test part, once, at the end; never set in a search")

    def __post_init__(self) -> None:
        assert type(self.method) is METHOD_SETTINGS[self.method_name], "the settings of another method"
        raise_all("pretrain:", _unused_pretraining(self))
        raise_all("sources:", _not_of_several(self))

    def to_dict(self) -> dict[str, Any]:
        """Nested plain dict; `from_dict` is its inverse."""
        return settings_to_dict(self)

    def value(self, name: str) -> Any:
        """Value of the setting with the dotted name `name`, e.g. `method.ratios.max`.

        `bce:method.balance` is a setting of the method bce; for a trial of another method it is None.
        """
        owner, _, path = name.rpartition(":")
        # a setting of another method is no error: tables show it as empty
        return reduce(getattr, path.split("."), self) if owner in ("", self.method_name) else None

    @cached_property
    def key(self) -> str:
        """Name of the trial."""
        return key_of(self.to_dict())


def key_of(config: Mapping[str, Any]) -> str:
    """Name of the trial with this configuration: sha1 of all of it."""
    # sorted and without spaces, so that equal configurations have equal text
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    # 64 bits: among a million trials a collision has the chance 1 in 30 million
    return hashlib.sha1(text.encode()).hexdigest()[:16]


def is_key(name: str) -> bool:
    """Whether `name` could be the name of a trial."""
    return re.fullmatch("[0-9a-f]{16}", name) is not None


@dataclass(frozen=True)
class Placement:
    """Where a trial runs and keeps its files; not part of its name."""

    store: Path
    study: Path
    device: str = "cpu"
    threads: int = 1
    weights_file: Path | None = None
    keep_detector: bool = True  # whether a trial that scores the test part saves its weights
    targets: tuple["PredictionTarget", ...] = ()  # predictions wanted of a trial on several datasets
    worse: tuple[tuple[str, float], ...] = ()  # disturbances and levels of test images to score as well
    gpus: float = 0.0  # GPUs of the trial, to count GPU hours
    timeout: float = 0.0  # minutes without a report after which the trial counts as hung; 0 for never


# (weights of the "best" or the "last" epoch, fingerprint of a store beside `Placement.store`)
PredictionTarget = tuple[str, str]


def _not_of_several(config: TrialConfig) -> list[str]:
    """Settings that a trial on several datasets cannot have."""
    names = [f"data.{name}" for name in ("label_noise", "positives", "train_subjects")] + ["pretrain.stores"]
    default = {name: getattr(DataSettings, name.removeprefix("data."), ()) for name in names}
    given = [name for name in names if config.value(name) != default[name]]
    problems = [f"{name}={config.value(name)!r} is not for several datasets" for name in given]
    if isinstance(config.method, AunceSettings) and config.method.form == "official":
        problems.append("method.form=official takes what a dataset does not code for negatives; give form=corrected")
    return problems if config.sources.stores else []


def _unused_pretraining(config: TrialConfig) -> list[str]:
    """Pre-training settings of a trial without pre-training."""
    asked, method = config.pretrain, config.method
    if isinstance(method, ClpSettings) and method.then == "finetune":
        return []
    names = ["epochs", "lr", "weight_decay"]
    if not isinstance(method, ClpSettings):
        names.append("stores")
    given = [name for name in names if getattr(asked, name) != getattr(PretrainSettings, name)]
    wanted = "method=clp" if "stores" in given else "method=clp method.then=finetune"
    return [f"{name}={getattr(asked, name)!r} is only for {wanted}" for name in given]


def trial_from_dict(values: Mapping[str, Any]) -> TrialConfig:
    """The `TrialConfig` of these values; `InputError` lists wrong keys with the nearest allowed names."""
    method = settings_of(values.get("method_name", TrialConfig.method_name))
    # an absent method means the defaults of the named one, not those of the field
    config: TrialConfig = settings_from_dict(TrialConfig, {"method": {}, **values}, types={"method": method})
    return config
