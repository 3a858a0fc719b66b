"""The keys of every command line: typed, with a default and one line of help each.

Settings that describe a trial are defined next to what they configure and are frozen; Hydra needs classes that it can
fill in, so `mutable` copies them. Nothing here is read by the trials themselves.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from data.faces.align import AlignSettings
from data.settings import setting
from data.store import StoreSettings
from data.views import ViewSettings
from launch.cluster.settings import ClusterSettings
from model.backbone import BackboneSettings
from model.evaluate import ProbeSettings
from model.fit import OptimSettings
from model.heads import HeadSettings
from model.methods import METHODS
from study.config import PretrainSettings, SourceSettings


def mutable(settings: type[Any]) -> type[Any]:
    """An unfrozen copy of a settings class, nested ones included, with the same fields, defaults and help."""
    fields: list[tuple[str, Any, Any]] = []
    for f in dataclasses.fields(settings):
        if isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
            nested = mutable(f.type)
            fields.append((f.name, nested, field(default_factory=nested, metadata=f.metadata)))
        elif f.default_factory is not dataclasses.MISSING:
            fields.append((f.name, f.type, field(default_factory=f.default_factory, metadata=f.metadata)))
        else:
            fields.append((f.name, f.type, field(default=f.default, metadata=f.metadata)))
    return dataclasses.make_dataclass(settings.__name__, fields)


def _nested(settings: type[Any], help: str) -> Any:
    return field(default_factory=settings, metadata={"help": help})


def _empty(help: str) -> Any:
    return field(default_factory=dict, metadata={"help": help})


Views, Backbone, Head = mutable(ViewSettings), mutable(BackboneSettings), mutable(HeadSettings)
Optim, Probe, Pretrain = mutable(OptimSettings), mutable(ProbeSettings), mutable(PretrainSettings)
Cluster = mutable(ClusterSettings)
DRY_RUN = "print the plan, what it costs and the jobs as they would be submitted; start nothing"


@dataclass
class DatasetKeys:
    """What a dataset is called, how it is read and how it is divided."""

    name: str = setting(MISSING, "name in the catalog")
    fold_scheme: str = setting("", "parts, official or random<k>; empty for the published division of the dataset")
    size: int = setting(256, "side of the stored frames in pixels")
    crop: int = setting(224, "side of the crop that a detector sees, in pixels")
    alignment: str = setting("precropped", "how faces are found: precropped, landmarks, box, haar or yunet")
    landmarks: str = setting("", "landmarks made elsewhere: folder, parquet or CSV; empty for those of the dataset")
    face_model: str = setting("", "alignment=yunet: the path of its .onnx file")
    margin: float = setting(AlignSettings.margin, "how much wider the crop is at each edge, as a share of its side")
    codec: str = setting(StoreSettings.codec, "raw: fastest; jpeg: a tenth of the space")
    quality: int = setting(StoreSettings.quality, "codec=jpeg: quality, 1 to 100")
    options: dict[str, Any] = _empty("options of the reader, e.g. dataset.options.threshold=1")
    tree: dict[str, Any] = _empty("synthetic only: the raw tree to write, as for launch/synthesize.py")


@dataclass
class ClusterKeys(Cluster):  # type: ignore[misc, valid-type]
    """Where trials run."""

    probe: bool = setting(True, "slurm: first run a job of seconds that looks at a compute node")
    extra: dict[str, Any] = _empty("further sbatch parameters, e.g. +cluster.extra.reservation=au")


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

    f1: BoundKeys = _nested(BoundKeys, "mean F1 over the AUs, a fraction")
    auc: BoundKeys = _nested(BoundKeys, "mean AUC over the AUs, a fraction")
    rare_f1: BoundKeys = _nested(BoundKeys, "mean F1 over the rarest third of the AUs, a fraction")
    hours: BoundKeys = _nested(BoundKeys, "hours that the trial took")
    gpu_hours: BoundKeys = _nested(BoundKeys, "hours that the trial took, times its GPUs")


@dataclass
class SynthesizeKeys:
    """Write faces with known AUs as the raw tree of a dataset."""

    layout: str = setting(MISSING, "bp4d, disfa, gft or affwild2")
    out: str = setting(MISSING, "folder that is made")
    subjects: int | None = setting(None, "people; 12, and with full all of the dataset, when not given")
    sequences: int | None = setting(None, "sequences of each person; 2 when not given")
    frames: int | None = setting(None, "frames of each sequence; 60 when not given")
    seed: int = setting(0, "seed of everything that is drawn")
    label_noise: float = setting(0.0, "share of labels that are flipped in the files")
    size: int | None = setting(None, "side of the frames in pixels; 128, and 112 for affwild2, when not given")
    variant: str = setting("", "another form in which copies of the dataset are found, e.g. lists; empty for the usual")
    fault: str = setting("", "a damage done to the finished tree, e.g. truncated_image; empty for none")
    scene: bool = setting(False, "bp4d, disfa: pictures that show more than the face, and landmark files")
    full: bool = setting(False, "as many labels as the real dataset has, and tiny pictures without faces")


@dataclass
class StoreKeys:
    """Where frames come from and where they are stored."""

    dataset: DatasetKeys = _nested(DatasetKeys, "dataset=synthetic|bp4d|disfa|gft|affwild2|videos")
    data_root: str = setting("", "the raw tree; empty for $AU_DATA/<dataset>")
    store_root: str = setting("stores", "folder of the frame stores")
    processes: int = setting(0, "processes that find faces and store frames; 0 for one per CPU core")


@dataclass
class PrepareKeys(StoreKeys):
    """Build the frame store of a dataset from its raw tree, or examine the tree (doctor=true)."""

    doctor: bool = setting(False, "only hold the tree, and its store if there is one, against what is known")
    sheet: str = setting("", "contact sheet of random frames to write: a .png or .html file")


@dataclass
class TrainKeys:
    """What all trials of a command have in common."""

    runs_root: str = setting("runs", "folder of the studies")
    views: Views = _nested(Views, "crop and augmentation of a frame")  # type: ignore[valid-type]
    backbone: Backbone = _nested(Backbone, "backbone=<name>")  # type: ignore[valid-type]
    weights: str = setting("", "pretrained weights: a torchvision weight name or a state-dict file; empty for none")
    head: Head = _nested(Head, "the per-AU head")  # type: ignore[valid-type]
    optim: Optim = _nested(Optim, "how a detector is trained")  # type: ignore[valid-type]
    probe: Probe = _nested(Probe, "linear classifiers on the embeddings")  # type: ignore[valid-type]
    search: dict[str, Any] = _empty("search space, nested like the settings; see launch/conf/search/")
    cluster: ClusterKeys = _nested(ClusterKeys, "where trials run")
    trial: TrialKeysOfOne = _nested(TrialKeysOfOne, "what one trial gets")
    epochs: int = setting(16, "epochs of a trial")
    objective: str = setting("f1", "f1 or auc: mean over AUs on the validation subjects")
    val_share: float = setting(0.25, "share of the training subjects used for validation")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")
    dry_run: bool = setting(False, DRY_RUN)


@dataclass
class TrialKeys(TrainKeys, StoreKeys):
    """What all trials on a dataset have in common."""


@dataclass
class SweepKeys(TrialKeys):
    """Search for the best configuration of a method on a dataset."""

    name: str = setting("", "name of the study; empty for <dataset>-<method>")
    method: Any = setting(MISSING, f"method={'|'.join(METHODS)}")
    pretrain: Pretrain = _nested(Pretrain, "pre-training without labels")  # type: ignore[valid-type]
    pruning: PruningKeys = _nested(PruningKeys, "early stopping of trials")
    sampler: str = setting("tpe", "tpe, gp, cmaes, random or qmc")
    trials: int = setting(12, "trials of the whole study, shared evenly by the folds; give more later to go on")
    fold: str = setting("", "fold whose training part is searched on; empty or all: every fold, each by itself")
    objectives: list[str] = field(
        default_factory=list,
        metadata={"help": "several at once, the first is objective=: f1, auc, rare_f1, hours, gpu_hours; [] for one"},
    )
    constraints: ConstraintKeys = _nested(
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
    variants: dict[str, Any] = _empty("variants=<file of launch/conf/variants/>: settings of each variant by its name")
    only: list[str] = field(default_factory=list, metadata={"help": "names of variants, e.g. [aunce,bce]; [] for all"})
    reference: str = setting("", "variant that all others are held against; empty for what each one's YAML says")
    label_noise: list[float] = field(
        default_factory=lambda: [0.0], metadata={"help": "shares of flipped training labels, e.g. [0,0.2]"}
    )
    search: dict[str, Any] = _empty("not read: nothing is searched; some backbones' YAML sets it")
    folds: list[str] = field(default_factory=list, metadata={"help": "names of folds; [] for all"})
    seeds: int = setting(3, "seeds of each fold; more later adds trials")
    seed: int = setting(0, "seed of the validation subjects")


@dataclass
class StressKeys(TrialKeys):
    """Train or test variants of methods at growing levels of trouble, and print one curve for each."""

    name: str = setting("", "name of the study; empty for <dataset>-stress")
    variants: dict[str, Any] = _empty("variants=<file of launch/conf/variants/>: settings of each variant by its name")
    only: list[str] = field(
        default_factory=lambda: ["aunce", "clp", "bce"], metadata={"help": "names of variants; [] for all"}
    )
    kinds: list[str] = field(
        default_factory=list, metadata={"help": "names of kinds, e.g. [label_noise,blur]; [] for all"}
    )
    levels: dict[str, Any] = _empty("levels of each kind in percent; of `subjects` in people")
    search: dict[str, Any] = _empty("not read: nothing is searched; some backbones' YAML sets it")
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
    cluster: ClusterKeys = _nested(ClusterKeys, "where trials run")
    trial: TrialKeysOfOne = _nested(TrialKeysOfOne, "what one trial gets")
    dry_run: bool = setting(False, DRY_RUN)


@dataclass
class AllKeys:
    """Run the whole study: a graph of commands that go on where they stopped."""

    plan: dict[str, Any] = _empty("plan=small|full, or a file of your own in launch/conf/plan/: its lists and steps")
    runs_root: str = setting("runs", "folder of the studies")
    store_root: str = setting("stores", "folder of the frame stores")
    trees: str = setting("trees", "plan=small: folder of the raw trees that are drawn")
    extra: list[str] = field(
        default_factory=list,
        metadata={"help": "keys for every step that trains, e.g. \"extra=['cluster=slurm','trial.gpus=1']\""},
    )
    only: list[str] = field(default_factory=list, metadata={"help": "names of steps; [] for all"})
    again: list[str] = field(default_factory=list, metadata={"help": "names of steps to run once more"})
    parallel: int = setting(1, "steps at once; more only where a cluster does the work")
    dry_run: bool = setting(False, "print the steps, and start nothing")


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
    method: Any = setting(MISSING, f"method={'|'.join(METHODS)}")
    pretrain: Pretrain = _nested(Pretrain, "pre-training without labels")  # type: ignore[valid-type]
    balanced: bool = setting(SourceSettings.balanced, "as many frames of each dataset in every batch")
    norm: str = setting(SourceSettings.norm, "BatchNorm: shared, per_dataset, or adapt (to the target's pictures)")
    variants: dict[str, Any] = _empty("variants=<file of launch/conf/variants/>: candidates in place of the method's")
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
    search: dict[str, Any] = _empty("not read: nothing is searched; some backbones' YAML sets it")
    seeds: int = setting(3, "seeds of each candidate; more later adds trials")
    seed: int = setting(0, "seed of the validation subjects")


@dataclass
class FinalKeys:
    """Train the chosen configuration on every fold with several seeds and score the test parts once."""

    name: str = setting("", "name of the study; or give study= or dataset=")
    study: str = setting("", "folder of the study, e.g. runs/bp4d-aunce")
    dataset: dict[str, Any] = _empty("dataset=<name> of the study, if runs_root has only one of it")
    runs_root: str = setting("runs", "folder of the studies")
    selection: Any = setting("nested", "how each fold's configuration is chosen: nested, shared, oracle or a list")
    candidates: int = setting(3, "selection=oracle: best trials of a fold's search that its test part decides between")
    seeds: int = setting(3, "seeds of each fold")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")
    dry_run: bool = setting(False, DRY_RUN)
    cluster: ClusterKeys = _nested(ClusterKeys, "where trials run")
    trial: TrialKeysOfOne = _nested(TrialKeysOfOne, "what one trial gets")


@dataclass
class ReportKeys:
    """Write the HTML page of a study, or of several side by side; with export=[...] the tables of a paper instead."""

    name: str = setting("", "name of the study")
    studies: list[str] = field(
        default_factory=list, metadata={"help": "names or folders of studies; several give one page that compares them"}
    )
    runs_root: str = setting("runs", "folder of the studies")
    out: str = setting("", "page or, with export, folder to write; empty for <study>/report.html and <study>/export")
    export: list[str] = field(
        default_factory=list, metadata={"help": "any of latex, markdown, csv, parquet, model_card, e.g. [latex,csv]"}
    )
    pictures: bool | None = setting(None, "a contact sheet of the frames on the page; empty: of drawn faces alone")
    watch: bool = setting(False, "write the page again while trials run, and serve it on this machine alone")
    every: float = setting(30.0, "watch=true: seconds from page to page")
    port: int = setting(0, "watch=true: port to serve on; 0 for any free one")


@dataclass
class StatusKeys:
    """Show how far a study is, from its files alone."""

    name: str = setting(MISSING, "name of the study")
    runs_root: str = setting("runs", "folder of the studies")
    watch: bool = setting(False, "draw it again every few seconds until Ctrl-C")
    json: bool = setting(False, "print it as JSON, for other programs")


@dataclass
class StopKeys:
    """End the command that runs trials of a study, and its jobs on the cluster; only those, and nothing is lost."""

    name: str = setting(MISSING, "name of the study")
    runs_root: str = setting("runs", "folder of the studies")


@dataclass
class TransferKeys:
    """Score the final detectors of each study on the datasets of all others, and put the methods side by side."""

    studies: list[str] = field(
        default_factory=list,
        metadata={"help": "names of studies, e.g. [bp4d-aunce,disfa-aunce]; several of a dataset are several methods"},
    )
    name: str = setting("transfer", "folder in runs_root for the tables")
    runs_root: str = setting("runs", "folder of the studies")
    selection: str = setting("nested", "whose detectors: nested, shared or oracle, as given to launch/final.py")
    base_rates: str = setting("", "CSV of dataset, au, rate for the rule base_rate; empty for those trained on")
    aus: str = setting("pair", "AUs of the printed tables: those of each pair, or the common ones")
    rule: str = setting("validation", "threshold of the printed tests: 0.5, validation, base_rate or oracle")
    device: str = setting("auto", "auto (a GPU where there is one), cpu or cuda")


@dataclass
class ScoreKeys(StoreKeys):
    """Score the predictions of any other detector on a dataset, and keep them as a study for launch/transfer.py."""

    predictions: str = setting(MISSING, "parquet or CSV: dataset, subject, sequence, frame, au, probability")
    name: str = setting(MISSING, "name of the study that is made")
    detector: str = setting("", "what the detector is called in tables, the same for each dataset; empty for the name")
    trained_on: str = setting("", "dataset that it was trained on; empty when it is none of ours")
    scale: str = setting("probability", "probability: 0 to 1; intensity5: 0 to 5, where 2.5 is the threshold 0.5")
    runs_root: str = setting("runs", "folder of the studies")


@dataclass
class ExportKeys:
    """Write the predictions of a study in the format that launch/score.py reads."""

    name: str = setting(MISSING, "name of the study")
    out: str = setting(MISSING, "file to write: .parquet or .csv")
    what: str = setting("test", "test: each frame by the detector of the fold that tests on it; or another dataset")
    fold: str = setting("", "fold whose detector is taken on another dataset; empty for the first")
    seed: int = setting(0, "seed of the detectors")
    selection: str = setting("nested", "whose detectors: nested, shared or oracle, as given to launch/final.py")
    runs_root: str = setting("runs", "folder of the studies")


COMMANDS: dict[str, type[Any]] = {
    "synthesize": SynthesizeKeys,
    "prepare": PrepareKeys,
    "sweep": SweepKeys,
    "final": FinalKeys,
    "compare": CompareKeys,
    "generalize": GeneralizeKeys,
    "stress": StressKeys,
    "regret": RegretKeys,
    "all": AllKeys,
    "report": ReportKeys,
    "status": StatusKeys,
    "stop": StopKeys,
    "transfer": TransferKeys,
    "score": ScoreKeys,
    "export": ExportKeys,
}


def register() -> None:
    """Make the typed keys known to Hydra."""
    store = ConfigStore.instance()
    for name, keys in COMMANDS.items():
        store.store(name=f"{name}_keys", node=keys)
    for name, method in METHODS.items():
        store.store(group="method", name=name, node=mutable(method.settings))
