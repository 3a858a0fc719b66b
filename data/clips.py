"""Clips: short runs of evenly spaced frames of one sequence, for the methods that learn from time."""

import numpy as np
import polars as pl

from data.errors import InputError
from data.settings import ClipSettings


def clips_of(table: pl.DataFrame, rows: np.ndarray, settings: ClipSettings) -> np.ndarray:
    """Every clip that lies in `rows` (ascending) of a FrameTable, as rows int64 [n, T]; clips may overlap.

    The frames of a clip are `stride` apart: one that is missing, left out or not among `rows` breaks it.
    """
    # frames of one sequence are neighbours on this line, and no step leads from one sequence to another
    place = _places(table)[rows]
    clips = [rows]
    whole = np.ones(len(rows), bool)
    for step in range(1, settings.frames):
        wanted = place + step * settings.stride
        found = np.searchsorted(place, wanted).clip(max=len(rows) - 1)
        whole &= place[found] == wanted
        clips.append(rows[found])
    if not whole.any():
        raise InputError(
            f"no clip of clip.frames={settings.frames} with clip.stride={settings.stride} in {len(rows)} frames: no "
            f"sequence has {settings.frames} frames that are {settings.stride} apart. Give smaller values."
        )
    return np.stack([members[whole] for members in clips], axis=1)


def _places(table: pl.DataFrame) -> np.ndarray:
    """A number [n] for every row, ascending: the frame number, moved far away from those of all other sequences."""
    columns = [pl.col(name) for name in ("dataset", "subject", "sequence")]
    begins = pl.any_horizontal(column.ne_missing(column.shift()) for column in columns)
    return table.select(begins.cast(pl.Int64).cum_sum() * 2**32 + pl.col("frame")).to_series().to_numpy()
