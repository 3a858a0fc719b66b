"""The frames of a dataset, followed by those of other datasets, of which only the pictures are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from data.degrade import Degraded
from data.errors import raise_all
from data.folds import Fold
from data.frames import KEY
from data.same_people import leaks
from data.store import FrameStore
from data.union import UnionStore, read_through


@dataclass(frozen=True, eq=False)
class Pool:
    """Several stores that read as one; rows are numbered across all of them, those of `own` first."""

    own: FrameStore
    others: tuple[FrameStore, ...]

    def __post_init__(self) -> None:
        others = [f"{store.path.name} has {store.size} px" for store in self.others if store.size != self.size]
        raise_all(f"all frames must have the size of those of {self.own.path.name}:", others)

    def __len__(self) -> int:
        return len(self.own) + sum(map(len, self.others))

    @property
    def size(self) -> int:
        """Side of the frames in pixels."""
        return self.own.size

    @cached_property
    def table(self) -> pl.DataFrame:
        """Dataset, subject, sequence and frame of every row."""
        return pl.concat(store.table.select(KEY) for store in (self.own, *self.others))

    def subjects_of(self, rows: np.ndarray) -> list[str]:
        """The person in each of `rows` [B]; people of other datasets are called `dataset/subject`."""
        dataset = self.own.table["dataset"][0]
        known = self.table[rows].select("dataset", "subject").iter_rows()
        return [subject if name == dataset else f"{name}/{subject}" for name, subject in known]

    def labels(self, aus: Sequence[int]) -> np.ndarray:
        """Labels of all rows, int8 [n, A]: those of `own`, and -1 for all others, whatever they code."""
        # their labels must not reach a method that is compared with those that have no labels
        return np.pad(self.own.labels(aus), ((0, len(self) - len(self.own)), (0, 0)), constant_values=-1)

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of `rows` [B] in the order asked for, uint8 [B, size, size, 3], into `out` if it is given."""
        return read_through((self.own, *self.others), rows, out)


Frames = FrameStore | Pool | UnionStore | Degraded


def pool(own: FrameStore | UnionStore, others: Sequence[FrameStore], fold: Fold) -> tuple[Frames, Fold]:
    """`own` followed by `others`, and the fold with `others` in its training part.

    `InputError` if `others` show people whom the fold validates or tests on.
    """
    if not others:
        return own, fold
    assert isinstance(own, FrameStore), "a union of datasets takes no further frames without labels"
    check_held_out(own, others, fold)
    together = Pool(own, tuple(others))
    return together, Fold(fold.name, np.append(fold.train, np.arange(len(own), len(together))), fold.val, fold.test)


def check_held_out(own: FrameStore, others: Sequence[FrameStore], fold: Fold) -> None:
    """`InputError` if a person of the validation or test part of `fold` is in one of `others`."""
    held_out = {*own.subjects_of(np.concatenate([fold.val, fold.test]))}
    whom = f", whom fold {fold.name} holds out"
    raise_all(
        "frames that are used without labels must not show people of the validation or test part. Leave the store out, "
        "or prepare it again from a tree without these people:",
        [line for store in others for line in leaks(own, store, held_out, whom)],
    )
