"""Frame stores of several datasets side by side, for the tests of everything that trains on more than one."""

from pathlib import Path

import polars as pl

from data.build import build_store
from data.settings import StoreSettings
from data.store import FrameStore
from tests.data.stores import precropped, tiny_store

CODED = {"bp4d": (1, 12), "disfa": (1, 25), "gft": (1, 12, 15)}  # AU 15 is of gft alone, 25 of disfa


def store_of(
    folder: Path,
    dataset: str,
    subjects: int = 4,
    frames: int = 6,
    aus: tuple[int, ...] | None = None,
    first: int = 0,
    size: int = 24,
    seed: int = 0,
) -> FrameStore:
    """Noisy frames as `tiny_store` draws them, in `folder`/stores; people are numbered from `first`."""
    raw, seed = folder / f"{dataset}-{first}", sum(dataset.encode()) + seed
    drawn = tiny_store(raw, subjects, frames, size, aus or CODED[dataset], unknown=0.1, seed=seed)
    number = pl.col("subject").str.slice(1).cast(pl.Int64) + first
    named = pl.format("S{}", number.cast(pl.String).str.zfill(2)).alias("subject")
    table = drawn.table.with_columns(named, dataset=pl.lit(dataset))
    return build_store(precropped(table), raw / "raw", folder / "stores", StoreSettings(size))


def three_stores(folder: Path) -> dict[str, FrameStore]:
    """Three datasets of four, five and six people of the same names."""
    return {name: store_of(folder, name, subjects=4 + number) for number, name in enumerate(CODED)}
