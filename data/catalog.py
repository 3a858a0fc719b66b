"""The datasets by name: which AUs they code, how they are read and how they are split."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.aus import DATASET_AUS
from data.errors import InputError
from data.readers import affwild2, bp4d, disfa, gft


@dataclass(frozen=True)
class Dataset:
    """One row of the catalog; `read(root, dataset=name, **options)` gives a FrameTable."""

    name: str
    aus: tuple[int, ...]
    read: Callable[..., pl.DataFrame]
    fold_scheme: str


CATALOG: dict[str, Dataset] = {
    "bp4d": Dataset("bp4d", DATASET_AUS["bp4d"], bp4d.read, "parts"),
    "disfa": Dataset("disfa", DATASET_AUS["disfa"], disfa.read, "parts"),
    "gft": Dataset("gft", DATASET_AUS["gft"], gft.read, "official"),
    "affwild2": Dataset("affwild2", DATASET_AUS["affwild2"], affwild2.read, "official"),
    "synthetic": Dataset("synthetic", DATASET_AUS["bp4d"], bp4d.read, "parts"),
}


def dataset(name: str) -> Dataset:
    """The catalog row of `name`."""
    if name not in CATALOG:
        close = difflib.get_close_matches(str(name).lower(), CATALOG, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(f"no dataset {name!r}; allowed: {', '.join(sorted(CATALOG))}.{hint}")
    return CATALOG[name]


def read_table(name: str, root: Path, options: Mapping[str, object]) -> pl.DataFrame:
    """Read the raw tree of dataset `name` at `root` with the options of its reader."""
    reader = dataset(name).read
    allowed = [option for option in inspect.signature(reader).parameters if option not in ("root", "dataset")]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise InputError(f"{name} has no option {', '.join(unknown)}; allowed: {', '.join(allowed) or 'none'}")
    if not root.is_dir():
        raise InputError(f"{name}: {root} is not a folder. Give the folder that holds the dataset as distributed.")
    return reader(root, dataset=name, **options)
