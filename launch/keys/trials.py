"""Keys of the commands that run trials."""

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from data.settings import VAL_SHARE, ViewSettings, setting
from launch.keys.fields import StoresKeys, empty, nested, study_name
from launch.keys.frames import StoreKeys
from launch.keys.runs import RunKeys
from model.losses.settings import METHOD_SETTINGS, MethodSettings
from model.settings import BackboneSettings, HeadSettings, OptimSettings, ProbeSettings
from study.records.config import NOISE_KINDS, DataSettings, PretrainSettings, SourceSettings
from study.records.study_spec import SEVERAL_METHODS, PruningSettings


@dataclass(frozen=True)
class BoundKeys:
    """A bound on a number of a finished trial."""

    at_least: float | None = setting(None, "trials below this are not chosen")
    at_most: float | None = setting(None, "trials above this are not chosen")


@dataclass(frozen=True)
class ConstraintKeys:
    """Bounds that a trial must satisfy, on the validation subjects, to be chosen."""

    f1: BoundKeys = nested(BoundKeys, "mean F1 over the AUs, a fraction")
    auc: BoundKeys = nested(BoundKeys, "mean AUC over the AUs, a fraction")
    rare_f1: BoundKeys = nested(BoundKeys, "mean F1 over the rarest third of the AUs, a fraction")
    hours: BoundKeys = nested(BoundKeys, "hours that the trial took")
    gpu_hours: BoundKeys = nested(BoundKeys, "hours that the trial took, times its GPUs")


@dataclass(frozen=True)
class TrainKeys(RunKeys):
    """Settings that all trials of a command share."""

    views: ViewSettings = nested(ViewSettings, "crop and augmentation of a frame")
    backbone: BackboneSettings = nested(BackboneSettings, "backbone=<name>")
    weights: str = setting("", "pretrained weights: a torchvision weight name or a state-dict file; empty for none")
    head: HeadSettings = nested(HeadSettings, "the per-AU head")
    optim: OptimSettings = nested(OptimSettings, "how a detector is trained")
    probe: ProbeSettings = nested(ProbeSettings, "linear classifiers on the embeddings")
    epochs: int = setting(OptimSettings.epochs, "epochs of a trial")
    objective: str = setting(OptimSettings.objective, "f1 or auc: mean over AUs on the validation subjects")
    val_share: float = setting(VAL_SHARE, "share of the training subjects used for validation")
    seed: int = setting(0, "seed of the validation subjects")


@dataclass(frozen=True)
class MethodKeys:
    """The method and its settings."""

    method: MethodSettings = setting(MISSING, f"method={'|'.join(METHOD_SETTINGS)}")
    pretrain: PretrainSettings = nested(PretrainSettings, "pre-training without labels")

    @property
    def method_name(self) -> str:
        """The name of the method whose settings `method` has."""
        return next(name for name, settings in METHOD_SETTINGS.items() if settings is type(self.method))


@dataclass(frozen=True)
class VariantKeys:
    """Variants of methods."""

    variants: dict[str, Any] = empty("variants=<file of launch/conf/variants/>: settings of each variant by its name")
    only: tuple[str, ...] = setting((), "names of variants, e.g. [aunce,bce]; [] for all")


@dataclass(frozen=True)
class TrialKeys(TrainKeys, StoreKeys):
    """Settings that all trials on one dataset share."""


@dataclass(frozen=True)
class SweepKeys(TrialKeys, MethodKeys):
    """Search for the best configuration of a method on a dataset."""

    name: str = setting("", "name of the study; empty for <dataset>-<method>")
    search: dict[str, Any] = empty("search space, nested like the settings; see launch/conf/search/")
    pruning: PruningSettings = nested(PruningSettings, "early stopping of trials with low scores")
    sampler: str = setting("tpe", "tpe, gp, cmaes, random or qmc")
    trials: int = setting(
        12, "trials of the whole study, at least one for each fold; a larger number later adds trials", least=1
    )
    fold: str = setting("", "fold to search on; empty or all: every fold, each by itself")
    objectives: tuple[str, ...] = setting(
        (), "several at once, the first is objective=: f1, auc, rare_f1, hours, gpu_hours; [] for one"
    )
    constraints: ConstraintKeys = nested(
        ConstraintKeys, "bounds, e.g. {rare_f1: {at_least: 0.3}, hours: {at_most: 0.5}}"
    )
    start_points: tuple[Any, ...] = setting((), "settings to try first, e.g. [{method: {temperature: 0.1}}]")
    warm_start: str = study_name("", "name of another study whose best trials are tried first")
    warm_trials: int = setting(5, "warm_start: how many of them", least=1)
    time_budget: str = setting(
        "", "stop after this time, e.g. 8h, 30m, 90s; running trials continue with the next command"
    )
    gpu_hours: float = setting(0.0, "GPU-hours of the whole study; 0 for no bound")
    seed: int = setting(0, "seed of the sampler, of the trials and of the validation subjects")

    @property
    def searched(self) -> str:
        """The searched method, or `methods` for a search over several."""
        return SEVERAL_METHODS if SEVERAL_METHODS in self.search else self.method_name

    @property
    def study_name(self) -> str:
        """Name of the study, given or not."""
        return self.name or f"{self.dataset.name}-{self.searched}"


@dataclass(frozen=True)
class VariantStudyKeys(TrialKeys, VariantKeys):
    """Variants of methods on the folds of one dataset."""

    suffix: ClassVar[str]
    name: str = setting("", "name of the study; empty for <dataset>-comparison or <dataset>-stress")
    folds: tuple[str, ...] = setting((), "names of folds; [] for all")
    seeds: int = setting(1, "seeds of each fold; more later adds trials", least=1)

    @property
    def study_name(self) -> str:
        """Name of the study, given or not."""
        return self.name or f"{self.dataset.name}-{self.suffix}"


@dataclass(frozen=True)
class CompareKeys(VariantStudyKeys):
    """Train variants of methods on every fold with several seeds, score the test parts, print one table."""

    suffix = "comparison"
    reference: str = setting(
        "", "variant that all others are compared with; empty for the one that each variant's YAML names"
    )
    label_noise: tuple[float, ...] = setting((0.0,), "shares of flipped training labels, e.g. [0,0.2]")
    noise_kind: str = setting(DataSettings.noise_kind, f"which labels flip: {', '.join(NOISE_KINDS)}")
    seeds: int = setting(3, "seeds of each fold; more later adds trials", least=1)


@dataclass(frozen=True)
class StressKeys(VariantStudyKeys):
    """Train or test variants of methods at growing levels of degradation (robustness), and print one curve for each."""

    suffix = "stress"
    only: tuple[str, ...] = setting(("aunce", "clp", "bce"), "names of variants; [] for all")
    kinds: tuple[str, ...] = setting((), "names of kinds, e.g. [label_noise,blur]; [] for all")
    levels: dict[str, Any] = empty("levels of each kind in percent; of `subjects` in people")


@dataclass(frozen=True)
class RegretKeys(RunKeys):
    """Train the best configuration of each study's search on the dataset of every other, and print the regret."""

    studies: tuple[str, ...] = study_name((), "names of searched studies, e.g. [bp4d-aunce,disfa-aunce]")
    name: str = setting("regret", "name of the study that holds the trials")
    seeds: int = setting(2, "seeds of each fold; more later adds trials; with 1 a regret has no interval", least=1)


@dataclass(frozen=True)
class SizeKeys:
    """How large frames are."""

    size: int = setting(0, "side of the stored frames in pixels; 0 for the one size that all datasets have")
    crop: int = setting(0, "side of the crop that a detector sees, in pixels; 0 for about 7/8 of the size")


@dataclass(frozen=True)
class GeneralizeKeys(TrainKeys, StoresKeys, MethodKeys, VariantKeys):
    """Train on several datasets at once and test on another, whose frames no training has seen."""

    name: str = setting("", "name of the study; empty for generalize-<method>")
    dataset: SizeKeys = nested(SizeKeys, "how large frames are")
    train_on: tuple[str, ...] = setting((), "datasets, or names of folders in store_root, e.g. [bp4d,gft,affwild2]")
    test_on: tuple[str, ...] = setting((), "datasets to test on, e.g. [disfa]")
    leave_one_out: tuple[str, ...] = setting((), "in place of both: test on each of these, trained on all the others")
    balanced: bool = setting(SourceSettings.balanced, "as many frames of each dataset in every batch")
    norm: str = setting(SourceSettings.norm, "BatchNorm: shared, per_dataset, or adapt (to the target's pictures)")
    study: str = study_name(
        "", "a study whose best trials, all settings of them, are the candidates in place of the method's"
    )
    candidates: int = setting(5, "study=<name>: how many of its trials", least=1)
    selection: tuple[str, ...] = setting(
        ("pooled", "leave_one_source_out", "oracle"),
        "rules that choose among the candidates of a method: pooled, leave_one_source_out, oracle",
    )
    own: tuple[str, ...] = study_name((), "finished studies of the targets, for the table, e.g. [disfa-aunce]")
    seeds: int = setting(3, "seeds of each candidate; more later adds trials", least=1)

    @property
    def study_name(self) -> str:
        """Name of the study, given or not."""
        return self.name or f"generalize-{'variants' if self.variants else self.study or self.method_name}"


@dataclass(frozen=True)
class FinalKeys(RunKeys):
    """Train the chosen configuration on every fold with several seeds and score the test parts once."""

    name: str = study_name("", "name of the study; or give study= or dataset=")
    study: str = setting("", "folder of the study, e.g. runs/bp4d-aunce")
    dataset: dict[str, Any] = empty("dataset=<name> of the study, if runs_root has only one of it")
    selection: Any = setting("nested", "how each fold's configuration is chosen: nested, shared, oracle or a list")
    candidates: int = setting(
        3, "selection=oracle: best trials of a fold's search that its test part decides between", least=1
    )
    seeds: int = setting(3, "seeds of each fold; never the one of the search", least=1)
    partitions: int = setting(
        0,
        "instead, train one configuration (that of selection=shared) on so many random partitions of the people into "
        "folds: shows where the variance lies, and is no result; more later adds trials",
    )
