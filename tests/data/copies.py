"""The pictures of a store once more, as others have them: encoded again, of another size, under other names."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import polars as pl

from data.build import build_store
from data.catalog import read_dataset
from data.faces.align import locate
from data.media import encode_jpeg
from data.settings import AlignSettings, StoreSettings
from data.store import FrameStore
from data.synthetic import write_tree
from tests.data.stores import precropped


def drawn_store(folder: Path, layout: str, subjects: int = 4, size: int = 64) -> FrameStore:
    """Drawn faces, about eight frames of each person, as a store of `layout` of the same size in `folder`/stores."""
    root = folder / layout
    write_tree(layout, root, subjects, 1, 8, size=size)
    reading = read_dataset(layout, root, {})
    faces = locate(reading, root, AlignSettings(), folder / "cache")
    return build_store(faces, root, folder / "stores", StoreSettings(size))


def copied(store: FrameStore, dataset: str, how: str = "jpeg", size: int = 0, stores: Path | None = None) -> FrameStore:
    """All frames of `store` as JPEG files of quality 60, or as h264 videos, of people P0, P1, ... of `dataset`."""
    raw = store.path.parent / f"copy-{dataset}-{how}"
    names = store.table["subject"].unique(maintain_order=True).to_list()
    table = store.table.with_columns(
        subject=pl.col("subject").replace_strict(names, [f"P{number}" for number in range(len(names))]),
        dataset=pl.lit(dataset),
        sequence=pl.lit("seen"),
        frame=pl.int_range(pl.len(), dtype=pl.Int32),
    )
    table = _jpegs(table, store, raw) if how == "jpeg" else _videos(table, store, raw)
    return build_store(precropped(table), raw, stores or store.path.parent, StoreSettings(size or store.size))


def _jpegs(table: pl.DataFrame, store: FrameStore, raw: Path) -> pl.DataFrame:
    raw.mkdir()
    for row, frame in enumerate(store.read(np.arange(len(store)))):
        (raw / f"{row}.jpg").write_bytes(encode_jpeg(frame, 60))
    return table.with_columns(path=pl.format("{}.jpg", pl.int_range(pl.len())), index=pl.lit(None, pl.Int32))


def _videos(table: pl.DataFrame, store: FrameStore, raw: Path) -> pl.DataFrame:
    raw.mkdir()
    for subject in table["subject"].unique():
        write_h264(raw / f"{subject}.mp4", store.read((table["subject"] == subject).arg_true().to_numpy()))
    index = pl.int_range(pl.len(), dtype=pl.Int32).over("subject")
    return table.with_columns(path=pl.format("{}.mp4", "subject"), index=index)


def write_h264(path: Path, frames: np.ndarray, quality: int = 23) -> None:
    """Write frames uint8 [n, H, W, 3] as a video; `quality` is its crf, 23 where nobody asks."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": str(quality)})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
