"""Which rows form clips."""

from collections.abc import Iterable

import numpy as np
import polars as pl
import pytest

from data.clips import clips_of
from data.errors import InputError
from data.seeds import numpy_generator
from data.settings import ClipSettings

Key = tuple[str, str, int]


def table_of(keys: Iterable[Key], dataset: str = "gft") -> pl.DataFrame:
    """The columns of a FrameTable that clips depend on."""
    rows = [(dataset, *key) for key in sorted(keys)]
    kinds = {"dataset": pl.String, "subject": pl.String, "sequence": pl.String, "frame": pl.Int32}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def clips_by_loop(table: pl.DataFrame, rows: Iterable[int], frames: int, stride: int) -> list[list[int]]:
    keys = table.rows()
    allowed = {keys[row]: row for row in rows}
    clips = []
    for *sequence, frame in allowed:
        members = [(*sequence, frame + step * stride) for step in range(frames)]
        if all(member in allowed for member in members):
            clips.append([allowed[member] for member in members])
    return clips


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_all_clips_are_found_and_no_others(frames: int, stride: int) -> None:
    """Sequences with gaps, of which only some rows are given."""
    rng = numpy_generator("clips", frames, stride)
    keys = [(s, q, f) for s in "ab" for q in ("T1", "T2") for f in range(40) if rng.random() < 0.85]
    table = table_of(keys)
    rows = np.flatnonzero(rng.random(table.height) < 0.95)
    found = clips_of(table, rows, ClipSettings(frames, stride))
    assert found.tolist() == clips_by_loop(table, rows, frames, stride)
    assert found.dtype == np.int64


def test_a_clip_ends_with_its_sequence() -> None:
    """Frame numbers go on where another sequence, subject or dataset begins."""
    table = pl.concat(
        [
            table_of([("a", "T1", 1), ("a", "T1", 2), ("a", "T2", 3), ("b", "T2", 4)]),
            table_of([("b", "T2", 5), ("b", "T2", 6)], "disfa"),
        ]
    )
    assert clips_of(table, np.arange(6), ClipSettings(2, 1)).tolist() == [[0, 1], [4, 5]]


def test_a_missing_frame_breaks_only_the_clips_that_need_it() -> None:
    table = table_of(("a", "T1", frame) for frame in (1, 2, 3, 5, 7))
    assert clips_of(table, np.arange(5), ClipSettings(3, 1)).tolist() == [[0, 1, 2]]
    assert clips_of(table, np.arange(5), ClipSettings(3, 2)).tolist() == [[0, 2, 3], [2, 3, 4]]


def test_no_clip_at_all_is_refused() -> None:
    table = table_of(("a", "T1", frame) for frame in range(10))
    with pytest.raises(InputError, match=r"no clip of clip.frames=4 with clip.stride=4 in 10 frames"):
        clips_of(table, np.arange(10), ClipSettings(4, 4))


def test_wrong_settings_are_named() -> None:
    with pytest.raises(InputError, match=r"(?s)frames=0.*stride=0"):
        ClipSettings(0, 0)
