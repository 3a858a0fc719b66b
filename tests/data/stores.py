"""A frame store of a few noisy colour frames, its fold and its loader, for tests of `data` and `model`."""

from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

from data.build import build_store
from data.faces.align import Faces, alignment_id
from data.folds import Fold, make_fold
from data.frames import Reading
from data.loader import Loader
from data.seeds import numpy_generator
from data.settings import AlignSettings, StoreSettings, ViewSettings
from data.store import FrameStore
from tests.data.trees import label_table

PLAIN = {"flip": 0.0, "jitter": 0.0, "grayscale": 0.0, "blur": 0.0}  # views that are nothing but crops


def precropped(table: pl.DataFrame) -> Faces:
    """The whole pictures of `table` as faces."""
    return Faces(table, None, Reading(table).excluded, alignment_id(AlignSettings()), ())


def tiny_store(
    folder: Path,
    subjects: int = 6,
    frames: int = 8,
    size: int = 24,
    aus: tuple[int, ...] = (1, 12),
    unknown: float = 0.0,
    seed: int = 0,
    dataset: str = "gft",
) -> FrameStore:
    """Noise in which the k-th AU, when active, raises colour channel k; a share `unknown` of labels is not coded."""
    assert len(aus) <= 3, "there are three colour channels"
    rng = numpy_generator("tiny store", seed)
    rows = [(f"S{s:02d}", frame, f"{s}-{frame}.png") for s in range(subjects) for frame in range(frames)]
    active = rng.integers(0, 2, (len(rows), len(aus)))
    coded = rng.random(active.shape) >= unknown
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    for (_, _, name), labels in zip(rows, active, strict=True):
        pixels = rng.integers(40, 60, (size, size, 3))
        pixels[..., : len(aus)] += 120 * labels
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "raw" / name)
    table = label_table(
        rows, aus, dataset, lambda row, au: int(active[row, aus.index(au)]) if coded[row, aus.index(au)] else None
    )
    return build_store(precropped(table), folder / "raw", folder / "stores", StoreSettings(size))


def tiny_fold(store: FrameStore) -> Fold:
    """Half of the subjects train, the rest is shared between val and test."""
    subjects = sorted(store.table["subject"].unique().to_list())
    half, rest = len(subjects) // 2, -(-len(subjects) * 3 // 4)
    return make_fold("tiny", store.table, subjects[:half], subjects[half:rest], subjects[rest:])


def tiny_loader(store: FrameStore, batch_size: int = 8, aus: tuple[int, ...] = (1, 12), crop: int = 16) -> Loader:
    """A CPU loader of `store` with the default augmentation."""
    return Loader(store, aus, ViewSettings(crop=crop), batch_size, torch.device("cpu"))
