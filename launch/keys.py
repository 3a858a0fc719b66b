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
from model.backbone import BackboneSettings
from model.evaluate import ProbeSettings
from model.fit import OptimSettings
from model.heads import HeadSettings
from model.methods import METHODS
from study.config import PretrainSettings


def mutable(settings: type[Any]) -> type[Any]:
    """An unfrozen copy of a settings class, nested ones included, with the same fields, defaults and help."""
    fields: list[tuple[str, Any, Any]] = []
    for f in dataclasses.fields(settings):
        if isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
            nested = mutable(f.type)
            fields.append((f.name, nested, field(default_factory=nested, metadata=f.metadata)))
        else:
            fields.append((f.name, f.type, field(default=f.default, metadata=f.metadata)))
    return dataclasses.make_dataclass(settings.__name__, fields)


def _nested(settings: type[Any], help: str) -> Any:
    return field(default_factory=settings, metadata={"help": help})


def _empty(help: str) -> Any:
    return field(default_factory=dict, metadata={"help": help})


Views, Backbone, Head = mutable(ViewSettings), mutable(BackboneSettings), mutable(HeadSettings)
Optim, Probe, Pretrain = mutable(OptimSettings), mutable(ProbeSettings), mutable(PretrainSettings)


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
class ClusterKeys:
    """Where trials run."""

    name: str = setting("local", "local: Ray on this machine")
    cpus: int = setting(0, "CPU cores to use; 0 for all")
    gpus: float = setting(0.0, "GPUs a trial gets, may be a fraction; 0 runs on the CPU")


@dataclass
class PruningKeys:
    """ASHA, which stops trials that fall behind."""

    grace: int = setting(4, "epochs before a trial may be stopped; as many as epochs, and none is")
    reduction: int = setting(3, "one in this many trials goes on from rung to rung")


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
class TrialKeys(StoreKeys):
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
    epochs: int = setting(16, "epochs of a trial")
    objective: str = setting("f1", "f1 or auc: mean over AUs on the validation subjects")
    val_share: float = setting(0.25, "share of the training subjects used for validation")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")


@dataclass
class SweepKeys(TrialKeys):
    """Search for the best configuration of a method on a dataset."""

    name: str = setting("", "name of the study; empty for <dataset>-<method>")
    method: Any = setting(MISSING, f"method={'|'.join(METHODS)}")
    pretrain: Pretrain = _nested(Pretrain, "pre-training without labels")  # type: ignore[valid-type]
    pruning: PruningKeys = _nested(PruningKeys, "early stopping of trials")
    trials: int = setting(12, "trials of the whole study; give more later to go on")
    fold: str = setting("", "fold whose training part is searched on; empty for the first")
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
class FinalKeys:
    """Train the chosen configuration on every fold with several seeds and score the test parts once."""

    name: str = setting(MISSING, "name of the study")
    runs_root: str = setting("runs", "folder of the studies")
    seeds: int = setting(3, "seeds of each fold")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")
    cluster: ClusterKeys = _nested(ClusterKeys, "where trials run")


@dataclass
class ReportKeys:
    """Write the HTML page of a study."""

    name: str = setting(MISSING, "name of the study")
    runs_root: str = setting("runs", "folder of the studies")


@dataclass
class StatusKeys(ReportKeys):
    """Show how far a study is, from its files alone."""


@dataclass
class TransferKeys:
    """Score the final detectors of each study on the dataset of every other."""

    studies: list[str] = field(
        default_factory=list, metadata={"help": "names of studies, e.g. [bp4d-aunce,disfa-aunce]"}
    )
    runs_root: str = setting("runs", "folder of the studies")
    device: str = setting("cpu", "cpu or cuda")


COMMANDS: dict[str, type[Any]] = {
    "synthesize": SynthesizeKeys,
    "prepare": PrepareKeys,
    "sweep": SweepKeys,
    "final": FinalKeys,
    "compare": CompareKeys,
    "report": ReportKeys,
    "status": StatusKeys,
    "transfer": TransferKeys,
}


def register() -> None:
    """Make the typed keys known to Hydra."""
    store = ConfigStore.instance()
    for name, keys in COMMANDS.items():
        store.store(name=f"{name}_keys", node=keys)
    for name, method in METHODS.items():
        store.store(group="method", name=name, node=mutable(method.settings))
