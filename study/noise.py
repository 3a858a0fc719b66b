"""Label noise on purpose, to see what a method loses when annotators err."""

import dataclasses

import numpy as np
import polars as pl

from data.aus import au_column
from data.folds import Fold
from data.frames import aus_of
from data.seeds import numpy_generator
from data.store import FrameStore


def with_label_noise(frames: FrameStore, fold: Fold, share: float, seed: int) -> FrameStore:
    """`frames` with a `share` of the coded labels of `fold` flipped; those of its test part stay as they are.

    Validation labels are flipped as well: whoever has noisy labels has no clean ones to choose an epoch with. Whether
    a label is flipped depends on the store, the seed, the AU and the row alone, so that every method meets the same
    errors, and what is flipped at 10 % is flipped at 20 %.
    """
    if share == 0:
        return frames
    ours = np.zeros(len(frames), dtype=bool)
    ours[np.concatenate([fold.train, fold.val])] = True
    columns = []
    for au in aus_of(frames.table):
        draw = numpy_generator("label noise", frames.fingerprint, seed, au).random(len(frames))
        label = pl.col(au_column(au))
        columns.append(pl.when(pl.Series((draw < share) & ours)).then(1 - label).otherwise(label).alias(au_column(au)))
    return dataclasses.replace(frames, table=frames.table.with_columns(columns))
