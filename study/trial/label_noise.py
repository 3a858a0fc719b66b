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
    labels flipped at 10 % are also flipped at 20 %. The share is that of each AU in the whole store. Where an AU has no
    onset or offset (`boundary`, `onset`) or no event (`event`), fewer labels flip: see `flipped_shares`.
    """
    if share == 0:
        return frames
    # never the test part: scores must stay comparable
    ours, columns = _rows_of(frames, fold.train, fold.val), []
    for au in aus_of(frames.table):
        flipped, label = FLIPS[kind](frames, au, share, seed) & ours, pl.col(au_column(au))
        columns.append(pl.when(pl.Series(flipped)).then(1 - label).otherwise(label).alias(au_column(au)))
    return dataclasses.replace(frames, table=frames.table.with_columns(columns))


def flipped_shares(frames: FrameStore, share: float, seed: int, kind: str) -> dict[int, float]:
    """The share of the coded labels of each AU in the whole store that flips."""
    coded = {au: frames.table[au_column(au)].count() for au in aus_of(frames.table)}
    return {au: float(FLIPS[kind](frames, au, share, seed).sum() / max(count, 1)) for au, count in coded.items()}


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
    coded = _coded_rows(frames, au)
    since, until, _ = _to_changes(coded)
    # in random order among labels at the same distance
    distance = np.minimum(since, until) + _draws("label noise", frames, seed, au)[coded.rows]
    return _smallest(distance, share, coded, len(frames))


def _event(frames: FrameStore, au: int, share: float, seed: int) -> np.ndarray:
    """Whole events are missed, and whole events are coded where there are none.

    An event is a maximal run of active labels. The inactive labels between are cut into false events as long as the
    median event. Of either kind, events with a `share` of its labels flip. Labels of an AU without any event stay.
    """
    coded, rng = _coded_rows(frames, au), numpy_generator("noisy events", frames.fingerprint, seed, au)
    flipped = np.zeros(len(frames), dtype=bool)
    if (coded.labels == 1).any():
        number = _events(coded, rng)
        lengths, active = np.bincount(number), coded.labels[np.unique(number, return_index=True)[1]] == 1
        # each kind by itself: as with single labels, the same share of active and of inactive labels is wrong
        chosen = np.zeros(len(lengths), dtype=bool)
        for kind in (active, ~active):
            chosen[kind] = _drawn(lengths[kind], share, rng)
        flipped[coded.rows] = chosen[number]
    return flipped


def _onset(frames: FrameStore, au: int, share: float, seed: int) -> np.ndarray:
    """Onsets and offsets move, early or late, and the labels on their way flip.

    The moves are normal, with the standard deviation that flips the share. An event that its onset or offset passes as
    a whole is gone.
    """
    coded = _coded_rows(frames, au)
    since, until, changes = _to_changes(coded)
    # one move for each change, and one more that the labels before the first and after the last change look up
    moves = numpy_generator("moved onsets", frames.fingerprint, seed, au).normal(size=changes.max(initial=0) + 1)
    late, early = moves[changes - 1], -moves[changes]  # of the change before each label, and of the one after it
    # the standard deviation at which the change passes the label
    before = np.divide(since + 1, late, where=late > 0, out=np.full(len(late), np.inf))
    behind = np.divide(until + 1, early, where=early > 0, out=np.full(len(late), np.inf))
    return _smallest(np.minimum(before, behind), share, coded, len(frames))


@dataclasses.dataclass(frozen=True, eq=False)
class _Coded:
    """The coded labels of one AU in the order of the table; frames that are missing or not coded are no gaps."""

    rows: np.ndarray  # [n] in the table
    labels: np.ndarray  # [n] 0 or 1
    sequence: np.ndarray  # [n] number of the sequence


def _coded_rows(frames: FrameStore, au: int) -> _Coded:
    column = frames.table[au_column(au)]
    rows = np.flatnonzero(column.is_not_null().to_numpy())
    sequence = frames.table.select(pl.struct("subject", "sequence").rle_id()).to_series().to_numpy()
    return _Coded(rows, column.to_numpy()[rows], sequence[rows])


def _smallest(measure: np.ndarray, share: float, coded: _Coded, total: int) -> np.ndarray:
    """Which rows [total] have the `share` of the coded labels with the smallest finite `measure` [n]."""
    nearest = np.argsort(measure, kind="stable")[: round(share * len(measure))]
    flipped = np.zeros(total, dtype=bool)
    flipped[coded.rows[nearest[np.isfinite(measure[nearest])]]] = True
    return flipped


def _to_changes(coded: _Coded) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances in labels [n] to the changes of the sequence: since the last one, until the next one; infinite without.

    Also how many changes of all sequences lie at or before each label [n].
    """
    labels, sequence, place = coded.labels, coded.sequence, np.arange(len(coded.labels))
    change = np.flatnonzero((labels[1:] != labels[:-1]) & (sequence[1:] == sequence[:-1])) + 1
    bounds = np.concatenate([[-1], change, [len(labels)]])
    changes = np.searchsorted(change, place, side="right")
    before, following = bounds[changes], bounds[changes + 1]
    since = np.where((before >= 0) & (sequence[before.clip(0)] == sequence), place - before, np.inf)
    inside = following.clip(max=len(labels) - 1)
    until = np.where((following < len(labels)) & (sequence[inside] == sequence), following - 1 - place, np.inf)
    return since, until, changes


def _events(coded: _Coded, rng: np.random.Generator) -> np.ndarray:
    """Number of the event, true or false, of each label [n]; one of them is active."""
    labels, sequence, place = coded.labels, coded.sequence, np.arange(len(coded.labels))
    begins = np.r_[True, (labels[1:] != labels[:-1]) | (sequence[1:] != sequence[:-1])]
    run, starts = begins.cumsum() - 1, np.flatnonzero(begins)
    typical = round(float(np.median(np.bincount(run)[labels[starts] == 1])))
    # false events begin anywhere: a random part of the first one of each run is cut off
    since = place - starts[run] + rng.integers(typical, size=len(starts))[run]
    begins |= (labels == 0) & (since % typical == 0)
    return np.asarray(begins.cumsum() - 1)


def _drawn(lengths: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which of some events flip [events]: in random order, until they have a `share` of all labels.

    The last one flips with the chance that makes the share exact on average.
    """
    order, part = rng.permutation(len(lengths)), rng.random()
    ends = lengths[order].cumsum()
    drawn = np.zeros(len(lengths), dtype=bool)
    drawn[order] = ends - (1 - part) * lengths[order] < share * lengths.sum()
    return drawn


FLIPS: dict[str, Flips] = {
    "symmetric": _symmetric,
    "per_au": _per_au,
    "boundary": _boundary,
    "event": _event,
    "onset": _onset,
}


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
