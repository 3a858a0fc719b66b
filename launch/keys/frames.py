"""Keys of the commands that make and read frames."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from data.settings import AlignSettings, StoreSettings, setting
from launch.keys.fields import RunsKeys, StoresKeys, empty, nested

# read from the folder, so that a new dataset needs no change here
_DATASETS = sorted(path.stem for path in (Path(__file__).parents[1] / "conf" / "dataset").glob("*.yaml"))


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class DatasetKeys:
    """Which dataset, how it is read and how it is divided."""

    name: str = setting(MISSING, "name in the catalog")
    fold_scheme: str = setting("", "parts, official or random<k>; empty for the published division of the dataset")
    size: int = setting(StoreSettings.size, "side of the stored frames in pixels")
    crop: int = setting(224, "side of the crop that a detector sees, in pixels")
    alignment: str = setting(AlignSettings.name, "how faces are found: precropped, landmarks, box, haar or yunet")
    landmarks: str = setting("", "landmarks made elsewhere: folder, parquet or CSV; empty for those of the dataset")
    face_model: str = setting("", "alignment=yunet: the path of its .onnx file")
    margin: float = setting(AlignSettings.margin, "how much wider the crop is at each edge, as a share of its side")
    videos_of: str = setting("", "the dataset whose people the frames show, where that is another, e.g. disfa, bp4d+")
    codec: str = setting(StoreSettings.codec, "raw: fastest; jpeg: a tenth of the space")
    quality: int = setting(StoreSettings.quality, "codec=jpeg: quality, 1 to 100")
    options: dict[str, Any] = empty("options of the reader, e.g. dataset.options.threshold=1")
    tree: dict[str, Any] = empty("synthetic only: the raw tree to write, as for launch/synthesize.py")


@dataclass(frozen=True)
class StoreKeys(StoresKeys):
    """The dataset, its raw tree and its frame store."""

    dataset: DatasetKeys = nested(DatasetKeys, f"dataset={'|'.join(_DATASETS)}")
    data_root: str = setting("", "the raw tree; empty for $AU_DATA/<dataset>")
    processes: int = setting(0, "processes that find faces and store frames; 0 for one per CPU core", least=0)


@dataclass(frozen=True)
class PrepareKeys(StoreKeys):
    """Build the frame store of a dataset from its raw tree, or examine the tree (doctor=true)."""

    doctor: bool = setting(
        False, "only compare the tree, and its store if there is one, with what is known of the dataset"
    )
    rebuild: bool = setting(False, "build the store again, and replace the one that is there")
    sheet: str = setting("", "contact sheet of random frames to write: a .png or .html file")


@dataclass(frozen=True)
class ScoreKeys(StoreKeys, RunsKeys):
    """Score the predictions of any other detector on a dataset, and keep them as a study for launch/transfer.py."""

    predictions: str = setting(MISSING, "parquet or CSV: dataset, subject, sequence, frame, au, probability")
    name: str = setting(MISSING, "name of the study that is made")
    detector: str = setting("", "what the detector is called in tables, the same for each dataset; empty for the name")
    trained_on: str = setting("", "dataset that it was trained on; empty when it is none of ours")
    scale: str = setting("probability", "probability: 0 to 1; intensity5: 0 to 5, where 2.5 is the threshold 0.5")
