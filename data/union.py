"""Several labelled datasets as one, to train on together, with the union of their AUs.

An AU is not coded in the frames of a dataset that does not code it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, combinations

import numpy as np
import polars as pl

from data.aus import au_column
from data.errors import InputError, raise_all
from data.folds import Fold, check_val_share, validation_subjects
from data.frames import SCHEMA, aus_of
from data.same_people import leaks
from data.store import FrameStore


@dataclass(frozen=True, eq=False)
class UnionStore:
    """Several stores that read as one, rows numbered across all of them; people are called `dataset:subject`."""

    stores: tuple[FrameStore, ...]

    def __post_init__(self) -> None:
        unlabelled = [store.path.name for store in self.stores if not aus_of(store.table)]
        problems = [f"{name} has no labels to train on" for name in unlabelled]
        problems += size_problems(self.stores)
        problems += [line for one, other in combinations(self.stores, 2) for line in leaks(one, other)]
        raise_all("these datasets cannot be trained on together:", problems)

    def __len__(self) -> int:
        return sum(map(len, self.stores))

    @property
    def size(self) -> int:
        """Side of the frames in pixels."""
        return self.stores[0].size

    @property
    def name(self) -> str:
        """The names of the datasets."""
        return "+".join(dataset_of(store) for store in self.stores)

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs that at least one of the datasets codes, ascending."""
        return tuple(sorted({au for store in self.stores for au in aus_of(store.table)}))

    @property
    def alignment(self) -> str:
        """How the faces of each dataset were aligned."""
        return " | ".join(store.alignment for store in self.stores)

    @cached_property
    def table(self) -> pl.DataFrame:
        """All rows; columns au_<n> of `aus`, null where the dataset of the row does not code the AU."""
        # S001 of one dataset is not S001 of another
        unique = pl.concat_str("dataset", "subject", separator=":").alias("subject")
        parts = [store.table.with_columns(unique) for store in self.stores]
        return pl.concat(parts, how="diagonal").select(*SCHEMA, *map(au_column, self.aus))

    @cached_property
    def domains(self) -> np.ndarray:
        """Number of the store of every row, int64 [n]."""
        return np.repeat(np.arange(len(self.stores)), [len(store) for store in self.stores])

    def subjects_of(self, rows: np.ndarray) -> list[str]:
        """The person in each of `rows` [B]."""
        return self.table["subject"].gather(rows).to_list()

    def labels(self, aus: Sequence[int]) -> np.ndarray:
        """Labels of all rows, int8 [n, A]: 1, 0, or -1 where not coded."""
        missing = [au for au in aus if au not in self.aus]
        if missing:
            raise InputError(f"{self.name} does not code AU {missing}; together they code {list(self.aus)}")
        return self.table.select(pl.col(au_column(au)).fill_null(-1) for au in aus).to_numpy()

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of `rows` [B] in the order asked for, uint8 [B, size, size, 3], into `out` if it is given."""
        return read_through(self.stores, rows, out)


def dataset_of(store: FrameStore) -> str:
    """The name of the dataset in `store`."""
    return str(store.table["dataset"][0])


def read_through(stores: Sequence[FrameStore], rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Frames of `rows` [B], numbered across `stores` of one size, in the order asked for, into `out` if it is given."""
    size = stores[0].size
    frames = np.empty((len(rows), size, size, 3), np.uint8) if out is None else out
    for store, end in zip(stores, accumulate(map(len, stores)), strict=True):
        mine = (rows >= end - len(store)) & (rows < end)
        if mine.any():
            frames[mine] = store.read(rows[mine] - (end - len(store)))
    return frames


def size_problems(stores: Sequence[FrameStore]) -> list[str]:
    """What is wrong when not all frames have the size of the first store."""
    size = stores[0].size
    return [
        f"{store.path.name} has {store.size} px, {stores[0].path.name} {size} px: build it again at "
        f"one size with launch/prepare.py dataset={dataset_of(store)} dataset.size={size}"
        for store in stores
        if store.size != size
    ]


def source_fold(frames: UnionStore, val_share: float, seed: int) -> Fold:
    """Validate on about `val_share` of the subjects of each dataset, train on all others, test on nobody.

    The validation subjects of a dataset do not depend on the other datasets.
    """
    check_val_share(val_share)
    held_out = [f"{dataset_of(store)}:{name}" for store in frames.stores for name in _held_out(store, val_share, seed)]
    validates = frames.table["subject"].is_in(held_out).to_numpy()
    train, val = (np.flatnonzero(part).astype(np.int64) for part in (~validates, validates))
    return Fold(frames.name, train, val, np.empty(0, np.int64))


def _held_out(store: FrameStore, val_share: float, seed: int) -> list[str]:
    subjects = store.table["subject"].unique().sort().to_list()
    if len(subjects) < 2:
        raise InputError(
            f"{store.path.name} shows {len(subjects)} person; training needs at least 2, one of them for validation"
        )
    return validation_subjects(dataset_of(store), store.table, subjects, val_share, seed)
