"""The datasets by name: which AUs they code, how they are read and how they are split."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from data.aus import DATASET_AUS
from data.errors import InputError
from data.frames import Reading
from data.readers import affwild2, bp4d, disfa, gft, lists, videos


@dataclass(frozen=True)
class Dataset:
    """One row of the catalog; `read(root, dataset=name, **options)` reads the tree as distributed.

    A dataset without AUs has no labels and is not divided: it is only pre-trained on.
    """

    name: str
    aus: tuple[int, ...]
    read: Callable[..., Reading]
    fold_scheme: str
    lists: str = ""  # whose published lists of images and labels can be read instead


CATALOG: dict[str, Dataset] = {
    "bp4d": Dataset("bp4d", DATASET_AUS["bp4d"], bp4d.read, "parts", lists="bp4d"),
    "disfa": Dataset("disfa", DATASET_AUS["disfa"], disfa.read, "parts", lists="disfa"),
    "gft": Dataset("gft", DATASET_AUS["gft"], gft.read, "official"),
    "affwild2": Dataset("affwild2", DATASET_AUS["affwild2"], affwild2.read, "official"),
    "videos": Dataset("videos", (), videos.read, ""),
    "synthetic": Dataset("synthetic", DATASET_AUS["bp4d"], bp4d.read, "parts", lists="bp4d"),
}


def dataset(name: str) -> Dataset:
    """The catalog row of `name`."""
    if name not in CATALOG:
        close = difflib.get_close_matches(str(name).lower(), CATALOG, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(f"no dataset {name!r}; allowed: {', '.join(sorted(CATALOG))}.{hint}")
    return CATALOG[name]


def read_dataset(name: str, root: Path, options: Mapping[str, object]) -> Reading:
    """Read the tree of dataset `name` at `root` with the options of its reader."""
    row = dataset(name)
    defaults = {option: value.default for option, value in inspect.signature(row.read).parameters.items()}
    allowed = [option for option in defaults if option not in ("root", "dataset")]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise InputError(f"{name} has no option {', '.join(unknown)}; allowed: {', '.join(allowed) or 'none'}")
    if not root.is_dir():
        raise InputError(f"{name}: {root} is not a folder. Give the folder that holds the dataset as distributed.")
    if not row.lists or not lists.found(root, row.lists):
        return row.read(root, dataset=name, **options)
    changed = [f"{option}={value!r}" for option, value in options.items() if value != defaults[option]]
    if changed:
        raise InputError(
            f"{name}: {root} holds lists of images and labels, to which {', '.join(changed)} does not apply; "
            "leave it out, or give the dataset as distributed"
        )
    return lists.read(root, row.lists, name)
