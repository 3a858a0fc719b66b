"""Training data made worse on purpose, to measure what a method loses: wrong labels, fewer positives, fewer subjects.

The test part never changes.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import polars as pl

from data.aus import au_column
from data.folds import Fold
from data.frames import aus_of
from data.seeds import numpy_generator
from data.store import FrameStore
from study.records.config import DataSettings

Flips = Callable[[FrameStore, int, float, int], np.ndarray]  # (frames, AU, share, seed) -> which labels flip, [n] bool


def worsened(frames: FrameStore, fold: Fold, data: DataSettings, seed: int) -> tuple[FrameStore, Fold]:
    """`frames` and `fold` with the changes that `data` sets; unchanged by default."""
    frames = with_label_noise(frames, fold, data.label_noise, seed, data.noise_kind)
    frames = with_fewer_positives(frames, fold, data.positives, seed)
    return frames, with_fewer_subjects(frames, fold, data.train_subjects, seed)


def with_label_noise(
    frames: FrameStore, fold: Fold, share: float, seed: int, kind: str = DataSettings.noise_kind
) -> FrameStore:
    """`frames` with a `share` of the coded training and validation labels of `fold` flipped.

    Validation labels are flipped as well: a lab with noisy labels has no clean ones to choose an epoch with. Whether a
    label is flipped depends only on the store, the seed, the AU and the row. So all methods get the same errors, and
    labels flipped at 10 % are also flipped at 20 %.
    """
    if share == 0:
        return frames
    # never the test part: scores must stay comparable
    ours, columns = _rows_of(frames, fold.train, fold.val), []
    for au in aus_of(frames.table):
        flipped, label = FLIPS[kind](frames, au, share, seed) & ours, pl.col(au_column(au))
        columns.append(pl.when(pl.Series(flipped)).then(1 - label).otherwise(label).alias(au_column(au)))
    return dataclasses.replace(frames, table=frames.table.with_columns(columns))


def _symmetric(frames: FrameStore, au: int, share: float, seed: int) -> np.ndarray:
    """Every label is flipped with the same probability."""
    return _draws("label noise", frames, seed, au) < share


def _per_au(frames: FrameStore, au: int, share: float, seed: int) -> np.ndarray:
    """Each AU has its own rate, because some are harder to code: 0 to 2 `share`, evenly spaced, in random order."""
    aus = aus_of(frames.table)
    order = numpy_generator("noisy AUs", frames.fingerprint, seed).permutation(len(aus))
    rate = 2 * share * order[aus.index(au)] / max(len(aus) - 1, 1) if len(aus) > 1 else share
    return _draws("label noise", frames, seed, au) < rate


def _boundary(frames: FrameStore, au: int, share: float, seed: int) -> np.ndarray:
    """The labels nearest in time to an onset or offset of the AU, where annotators disagree most."""
    column = frames.table[au_column(au)]
    coded = np.flatnonzero(column.is_not_null().to_numpy())
    distance = _to_boundary(column.to_numpy()[coded], _sequence_numbers(frames)[coded])
    # random order among labels at the same distance
    order = np.lexsort((_draws("label noise", frames, seed, au)[coded], distance))
    flipped = np.zeros(len(frames), dtype=bool)
    nearest = order[: round(share * len(coded))]
    flipped[coded[nearest[np.isfinite(distance[nearest])]]] = True
    return flipped


def _to_boundary(labels: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """Distance in labels [n] from each label to the nearest change in its sequence; infinite without a change."""
    place = np.arange(len(labels))
    change = np.flatnonzero((labels[1:] != labels[:-1]) & (sequence[1:] == sequence[:-1])) + 1
    bounds = np.concatenate([[-1], change, [len(labels)]])
    after = np.searchsorted(change, place, side="right")  # of the changes, how many lie at or before each place
    before, following = bounds[after], bounds[after + 1]
    none = np.inf
    since = np.where((before >= 0) & (sequence[before.clip(0)] == sequence), place - before, none)
    inside = following.clip(max=len(labels) - 1)
    until = np.where((following < len(labels)) & (sequence[inside] == sequence), following - 1 - place, none)
    return np.minimum(since, until)


def _sequence_numbers(frames: FrameStore) -> np.ndarray:
    """Number of the sequence of each frame [n], in the order of the table."""
    return frames.table.select(pl.struct("subject", "sequence").rle_id()).to_series().to_numpy()


FLIPS: dict[str, Flips] = {"symmetric": _symmetric, "per_au": _per_au, "boundary": _boundary}


def with_fewer_positives(frames: FrameStore, fold: Fold, share: float, seed: int) -> FrameStore:
    """`frames` with a `share` of the positive training labels of each AU; the others become not coded.

    The frames stay, for their other AUs. Labels kept at 10 % are also kept at 20 %.
    """
    if share == 1:
        return frames
    ours, columns = _rows_of(frames, fold.train), []
    for au in aus_of(frames.table):
        # the same draw for every share, so that smaller sets are parts of larger ones
        lost, label = (_draws("fewer positives", frames, seed, au) >= share) & ours, pl.col(au_column(au))
        columns.append(pl.when((label == 1) & pl.lit(pl.Series(lost))).then(None).otherwise(label).alias(au_column(au)))
    return dataclasses.replace(frames, table=frames.table.with_columns(columns))


def with_fewer_subjects(frames: FrameStore, fold: Fold, count: int, seed: int) -> Fold:
    """`fold` with at most `count` training subjects (0 for all), first in a random order, so that sets are nested."""
    people = np.asarray(frames.subjects_of(fold.train))
    names = np.unique(people)
    if not 0 < count < len(names):
        return fold
    kept = numpy_generator("fewer subjects", frames.fingerprint, seed, fold.name).permutation(names)[:count]
    return dataclasses.replace(fold, train=fold.train[np.isin(people, kept)])


def _draws(what: str, frames: FrameStore, seed: int, au: int) -> np.ndarray:
    """Uniform random numbers [n], one for each row."""
    return numpy_generator(what, frames.fingerprint, seed, au).random(len(frames))


def _rows_of(frames: FrameStore, *parts: np.ndarray) -> np.ndarray:
    """Which rows [n] are in one of `parts`."""
    ours = np.zeros(len(frames), dtype=bool)
    ours[np.concatenate(parts)] = True
    return ours
