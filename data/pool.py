"""The frames of a dataset, and behind them those of others, of which only the pictures are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from data.degrade import Degraded
from data.errors import raise_all
from data.folds import Fold
from data.frames import KEY
from data.store import FrameStore
from data.union import UnionStore, read_through


@dataclass(frozen=True, eq=False)
class Pool:
    """Several stores that read as one; rows are counted through, those of `own` first."""

    own: FrameStore
    others: tuple[FrameStore, ...]

    def __post_init__(self) -> None:
        others = [f"{store.path.name} has {store.size} px" for store in self.others if store.size != self.size]
        raise_all(f"frames of one training must have one size, that of {self.own.path.name}:", others)

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
        """The person in each of `rows` [B]; people of other datasets are named after those, too."""
        dataset = self.own.table["dataset"][0]
        known = self.table[rows].select("dataset", "subject").iter_rows()
        return [subject if name == dataset else f"{name}/{subject}" for name, subject in known]

    def labels(self, aus: Sequence[int]) -> np.ndarray:
        """Labels of all rows, int8 [n, A]: those of `own`, and -1 for all others, whatever they code."""
        return np.pad(self.own.labels(aus), ((0, len(self) - len(self.own)), (0, 0)), constant_values=-1)

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of `rows` [B] in the order asked for, uint8 [B, size, size, 3], into `out` if it is given."""
        return read_through((self.own, *self.others), rows, out)


Frames = FrameStore | Pool | UnionStore | Degraded


def pool(own: FrameStore | UnionStore, others: Sequence[FrameStore], fold: Fold) -> tuple[Frames, Fold]:
    """`own` and all of `others`, and the fold that trains on those, too; `InputError` if it holds out one of them."""
    if not others:
        return own, fold
    assert isinstance(own, FrameStore), "several datasets have no further frames without labels"
    check_held_out(own, others, fold)
    together = Pool(own, tuple(others))
    return together, Fold(fold.name, np.append(fold.train, np.arange(len(own), len(together))), fold.val, fold.test)


def check_held_out(own: FrameStore, others: Sequence[FrameStore], fold: Fold) -> None:
    """`InputError` if a person whom `fold` validates or tests with is in one of `others`."""
    dataset = own.table["dataset"][0]
    held_out = {*own.subjects_of(np.concatenate([fold.val, fold.test]))}
    problems = []
    for store in others:
        seen = store.table.filter(dataset=dataset)["subject"].unique().sort()
        problems += [f"{store.path.name} shows {s}, whom fold {fold.name} holds out" for s in seen if s in held_out]
    raise_all(f"frames of {dataset} that are trained on without labels must not show who is tested:", problems)
