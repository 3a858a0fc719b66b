"""Keys of the commands that run trials."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from data.settings import VAL_SHARE, ViewSettings, setting
from launch.keys.cluster import ClusterSettings
from launch.keys.fields import DRY_RUN, empty, mutable, nested
from launch.keys.frames import StoreKeys
from model.losses.settings import METHOD_SETTINGS
from model.settings import BackboneSettings, HeadSettings, OptimSettings, ProbeSettings
from study.records.config import PretrainSettings, SourceSettings

ViewsKeys, BackboneKeys, HeadKeys = mutable(ViewSettings), mutable(BackboneSettings), mutable(HeadSettings)
OptimKeys, ProbeKeys, PretrainKeys = mutable(OptimSettings), mutable(ProbeSettings), mutable(PretrainSettings)
ClusterFields = mutable(ClusterSettings)


@dataclass
class ClusterKeys(ClusterFields):  # type: ignore[misc, valid-type]
    """Where trials run."""

    probe: bool = setting(True, "slurm: first run a job of seconds that looks at a compute node")
    extra: dict[str, Any] = empty("further sbatch parameters, e.g. +cluster.extra.reservation=au")


@dataclass
class TrialKeysOfOne:
    """What one trial gets."""

    gpus: float = setting(0.0, "GPUs of a trial, may be a fraction; 0 runs on the CPU")
    cpus: int = setting(0, "CPU cores of a trial; 0 shares them out evenly")
    timeout: float = setting(60.0, "minutes without a report after which a trial counts as hung; 0 for never")


@dataclass
class PruningKeys:
    """Early stopping of trials that fall behind."""

    name: str = setting("asha", "asha, hyperband (asynchronous), median or none")
    grace: int = setting(4, "epochs before a trial may be stopped; as many as epochs, and none is")
    reduction: int = setting(3, "asha, hyperband: one in this many trials goes on from rung to rung")


@dataclass
class BoundKeys:
    """A bound on a number of a finished trial."""

    at_least: float | None = setting(None, "the trials with less are not chosen")
    at_most: float | None = setting(None, "the trials with more are not chosen")


@dataclass
class ConstraintKeys:
    """What a trial must keep to, on the validation subjects, to be chosen."""

    f1: BoundKeys = nested(BoundKeys, "mean F1 over the AUs, a fraction")
    auc: BoundKeys = nested(BoundKeys, "mean AUC over the AUs, a fraction")
    rare_f1: BoundKeys = nested(BoundKeys, "mean F1 over the rarest third of the AUs, a fraction")
    hours: BoundKeys = nested(BoundKeys, "hours that the trial took")
    gpu_hours: BoundKeys = nested(BoundKeys, "hours that the trial took, times its GPUs")


@dataclass
class TrainKeys:
    """What all trials of a command have in common."""

    runs_root: str = setting("runs", "folder of the studies")
    views: ViewsKeys = nested(ViewsKeys, "crop and augmentation of a frame")  # type: ignore[valid-type]
    backbone: BackboneKeys = nested(BackboneKeys, "backbone=<name>")  # type: ignore[valid-type]
    weights: str = setting("", "pretrained weights: a torchvision weight name or a state-dict file; empty for none")
    head: HeadKeys = nested(HeadKeys, "the per-AU head")  # type: ignore[valid-type]
    optim: OptimKeys = nested(OptimKeys, "how a detector is trained")  # type: ignore[valid-type]
    probe: ProbeKeys = nested(ProbeKeys, "linear classifiers on the embeddings")  # type: ignore[valid-type]
    search: dict[str, Any] = empty("search space, nested like the settings; see launch/conf/search/")
    cluster: ClusterKeys = nested(ClusterKeys, "where trials run")
    trial: TrialKeysOfOne = nested(TrialKeysOfOne, "what one trial gets")
    epochs: int = setting(16, "epochs of a trial")
    objective: str = setting("f1", "f1 or auc: mean over AUs on the validation subjects")
    val_share: float = setting(VAL_SHARE, "share of the training subjects used for validation")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")
    dry_run: bool = setting(False, DRY_RUN)


@dataclass
class TrialKeys(TrainKeys, StoreKeys):
    """What all trials on a dataset have in common."""


@dataclass
class SweepKeys(TrialKeys):
    """Search for the best configuration of a method on a dataset."""

    name: str = setting("", "name of the study; empty for <dataset>-<method>")
    method: Any = setting(MISSING, f"method={'|'.join(METHOD_SETTINGS)}")
    pretrain: PretrainKeys = nested(PretrainKeys, "pre-training without labels")  # type: ignore[valid-type]
    pruning: PruningKeys = nested(PruningKeys, "early stopping of trials")
    sampler: str = setting("tpe", "tpe, gp, cmaes, random or qmc")
    trials: int = setting(12, "trials of the whole study, shared evenly by the folds; give more later to go on")
    fold: str = setting("", "fold whose training part is searched on; empty or all: every fold, each by itself")
    objectives: list[str] = field(
        default_factory=list,
        metadata={"help": "several at once, the first is objective=: f1, auc, rare_f1, hours, gpu_hours; [] for one"},
    )
    constraints: ConstraintKeys = nested(
        ConstraintKeys, "bounds, e.g. {rare_f1: {at_least: 0.3}, hours: {at_most: 0.5}}"
    )
    start_points: list[Any] = field(
        default_factory=list, metadata={"help": "settings to try first, e.g. [{method: {temperature: 0.1}}]"}
    )
    warm_start: str = setting("", "name of another study whose best trials are tried first")
    warm_trials: int = setting(5, "warm_start: how many of them")
    time_budget: str = setting("", "no longer than this, e.g. 8h, 30m, 90s; what runs then goes on another time")
    gpu_hours: float = setting(0.0, "GPU-hours of the whole study; 0 for no bound")
    retry_failed: bool = setting(False, "run the trials again that failed")
    seed: int = setting(0, "seed of the sampler, of the trials and of the validation subjects")


@dataclass
class CompareKeys(TrialKeys):
    """Train variants of methods on every fold with several seeds, score the test parts, print one table."""

    name: str = setting("", "name of the comparison; empty for <dataset>-comparison")
    variants: dict[str, Any] = empty("variants=<file of launch/conf/variants/>: settings of each variant by its name")
    only: list[str] = field(default_factory=list, metadata={"help": "names of variants, e.g. [aunce,bce]; [] for all"})
    reference: str = setting("", "variant that all others are held against; empty for what each one's YAML says")
    label_noise: list[float] = field(
        default_factory=lambda: [0.0], metadata={"help": "shares of flipped training labels, e.g. [0,0.2]"}
    )
    search: dict[str, Any] = empty("not read: nothing is searched; some backbones' YAML sets it")
    folds: list[str] = field(default_factory=list, metadata={"help": "names of folds; [] for all"})
    seeds: int = setting(3, "seeds of each fold; more later adds trials")
    seed: int = setting(0, "seed of the validation subjects")


@dataclass
class StressKeys(TrialKeys):
    """Train or test variants of methods at growing levels of trouble, and print one curve for each."""

    name: str = setting("", "name of the study; empty for <dataset>-stress")
    variants: dict[str, Any] = empty("variants=<file of launch/conf/variants/>: settings of each variant by its name")
    only: list[str] = field(
        default_factory=lambda: ["aunce", "clp", "bce"], metadata={"help": "names of variants; [] for all"}
    )
    kinds: list[str] = field(
        default_factory=list, metadata={"help": "names of kinds, e.g. [label_noise,blur]; [] for all"}
    )
    levels: dict[str, Any] = empty("levels of each kind in percent; of `subjects` in people")
    search: dict[str, Any] = empty("not read: nothing is searched; some backbones' YAML sets it")
    folds: list[str] = field(default_factory=list, metadata={"help": "names of folds; [] for all"})
    seeds: int = setting(1, "seeds of each fold; more later adds trials")
    seed: int = setting(0, "seed of the validation subjects")


@dataclass
class RegretKeys:
    """Train the best configuration of each study's search on the dataset of every other, and print the regret."""

    studies: list[str] = field(
        default_factory=list, metadata={"help": "names of searched studies, e.g. [bp4d-aunce,disfa-aunce]"}
    )
    name: str = setting("regret", "name of the study that holds the trials")
    runs_root: str = setting("runs", "folder of the studies")
    seeds: int = setting(1, "seeds of each fold; more later adds trials")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")
    cluster: ClusterKeys = nested(ClusterKeys, "where trials run")
    trial: TrialKeysOfOne = nested(TrialKeysOfOne, "what one trial gets")
    dry_run: bool = setting(False, DRY_RUN)


@dataclass
class GeneralizeKeys(TrainKeys):
    """Train on several datasets at once and test on another, whose frames no training has seen."""

    name: str = setting("", "name of the study; empty for generalize-<method>")
    store_root: str = setting("stores", "folder of the frame stores, which launch/prepare.py builds")
    size: int = setting(0, "side of the stored frames in pixels; 0 for the one size that all datasets have")
    crop: int = setting(0, "side of the crop that a detector sees, in pixels; 0 for about 7/8 of the size")
    train_on: list[str] = field(
        default_factory=list, metadata={"help": "datasets, or names of folders in store_root, e.g. [bp4d,gft,affwild2]"}
    )
    test_on: list[str] = field(default_factory=list, metadata={"help": "datasets to test on, e.g. [disfa]"})
    leave_one_out: list[str] = field(
        default_factory=list, metadata={"help": "in place of both: test on each of these, trained on all the others"}
    )
    method: Any = setting(MISSING, f"method={'|'.join(METHOD_SETTINGS)}")
    pretrain: PretrainKeys = nested(PretrainKeys, "pre-training without labels")  # type: ignore[valid-type]
    balanced: bool = setting(SourceSettings.balanced, "as many frames of each dataset in every batch")
    norm: str = setting(SourceSettings.norm, "BatchNorm: shared, per_dataset, or adapt (to the target's pictures)")
    variants: dict[str, Any] = empty("variants=<file of launch/conf/variants/>: candidates in place of the method's")
    only: list[str] = field(default_factory=list, metadata={"help": "names of variants, e.g. [aunce,bce]; [] for all"})
    study: str = setting(
        "", "a study whose best trials, all settings of them, are the candidates in place of the method's"
    )
    candidates: int = setting(5, "study=<name>: how many of its trials")
    selection: list[str] = field(
        default_factory=lambda: ["pooled", "leave_one_source_out", "oracle"],
        metadata={"help": "rules that choose among the candidates of a method: pooled, leave_one_source_out, oracle"},
    )
    own: list[str] = field(
        default_factory=list, metadata={"help": "finished studies of the targets, for the table, e.g. [disfa-aunce]"}
    )
    search: dict[str, Any] = empty("not read: nothing is searched; some backbones' YAML sets it")
    seeds: int = setting(3, "seeds of each candidate; more later adds trials")
    seed: int = setting(0, "seed of the validation subjects")


@dataclass
class FinalKeys:
    """Train the chosen configuration on every fold with several seeds and score the test parts once."""

    name: str = setting("", "name of the study; or give study= or dataset=")
    study: str = setting("", "folder of the study, e.g. runs/bp4d-aunce")
    dataset: dict[str, Any] = empty("dataset=<name> of the study, if runs_root has only one of it")
    runs_root: str = setting("runs", "folder of the studies")
    selection: Any = setting("nested", "how each fold's configuration is chosen: nested, shared, oracle or a list")
    candidates: int = setting(3, "selection=oracle: best trials of a fold's search that its test part decides between")
    seeds: int = setting(3, "seeds of each fold")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")
    dry_run: bool = setting(False, DRY_RUN)
    cluster: ClusterKeys = nested(ClusterKeys, "where trials run")
    trial: TrialKeysOfOne = nested(TrialKeysOfOne, "what one trial gets")
