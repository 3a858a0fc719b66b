"""The pictures of a store once more, as others have them: encoded again, of another size, under other names."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import polars as pl
from PIL import Image

from data.build import build_store
from data.catalog import read_dataset
from data.faces.align import locate
from data.settings import AlignSettings, StoreSettings
from data.store import FrameStore
from data.synthetic import write_tree
from data.synthetic.layouts import LAYOUTS
from data.synthetic.recordings import TreePlan
from tests.data.stores import precropped


def drawn_faces(layout: str, subjects: int, frames: int, size: int = 96) -> list[np.ndarray]:
    """Drawn frames [frames, size, size, 3] of each person."""
    plan = TreePlan(layout, subjects, 1, frames, 0, 0.0, size)
    recordings = LAYOUTS[layout].recordings(plan, LAYOUTS[layout].subjects()[:subjects])
    return [np.concatenate([*recording.images()]) for recording in recordings]


def drawn_store(folder: Path, layout: str, subjects: int = 4, size: int = 64) -> FrameStore:
    """Drawn faces, about eight frames of each person, as a store of `layout` of the same size in `folder`/stores."""
    root = folder / layout
    write_tree(layout, root, subjects, 1, 8, size=size)
    reading = read_dataset(layout, root, {})
    faces = locate(reading, root, AlignSettings(), folder / "cache")
    return build_store(faces, root, folder / "stores", StoreSettings(size))


def copied(store: FrameStore, dataset: str, how: str = "jpeg", size: int = 0, stores: Path | None = None) -> FrameStore:
    """All frames of `store`, of people P0, P1, ... of `dataset`: as PNG, as JPEG of quality 60, or as h264 videos."""
    raw = store.path.parent / f"copy-{dataset}-{how}"
    names = store.table["subject"].unique(maintain_order=True).to_list()
    table = store.table.with_columns(
        subject=pl.col("subject").replace_strict(names, [f"P{number}" for number in range(len(names))]),
        dataset=pl.lit(dataset),
        sequence=pl.lit("seen"),
        frame=pl.int_range(pl.len(), dtype=pl.Int32),
    )
    table = _videos(table, store, raw) if how == "h264" else _pictures(table, store, raw, how)
    return build_store(precropped(table), raw, stores or store.path.parent, StoreSettings(size or store.size))


def _pictures(table: pl.DataFrame, store: FrameStore, raw: Path, how: str) -> pl.DataFrame:
    raw.mkdir()
    for row, frame in enumerate(store.read(np.arange(len(store)))):
        Image.fromarray(frame).save(raw / f"{row}.{how}", quality=60)
    return table.with_columns(path=pl.format("{}." + how, pl.int_range(pl.len())), index=pl.lit(None, pl.Int32))


def _videos(table: pl.DataFrame, store: FrameStore, raw: Path) -> pl.DataFrame:
    raw.mkdir()
    for subject in table["subject"].unique():
        write_h264(raw / f"{subject}.mp4", store.read((table["subject"] == subject).arg_true().to_numpy()))
    index = pl.int_range(pl.len(), dtype=pl.Int32).over("subject")
    return table.with_columns(path=pl.format("{}.mp4", "subject"), index=index)


def write_h264(path: Path, frames: np.ndarray, quality: int = 23) -> None:
    """Write frames uint8 [n, H, W, 3] as a video; `quality` is its crf, 23 where nobody asks."""
    even = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": str(quality)})
        stream.height, stream.width, stream.pix_fmt = *even.shape[1:3], "yuv420p"
        for pixels in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
