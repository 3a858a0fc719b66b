"""A folder of videos without labels, to pre-train on: `<subject>/<any>/<video>.mp4`, or `<subject>.mp4`.

A subject is a folder, or a video outside of any folder; every video is a sequence. Other people may be in a video.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.dataset import Dataset
from data.errors import InputError, raise_all
from data.frames import Reading, frame_table
from data.readers import _common as common
from data.readers._images import video_lengths


def read(root: Path, row: Dataset, frame_step: int = 1) -> Reading:
    """Every `frame_step`-th frame of all videos below `root`; taken frames are numbered from 1 without gaps."""
    if isinstance(frame_step, bool) or not isinstance(frame_step, int) or frame_step < 1:
        raise InputError(f"frame_step={frame_step!r}; a whole number, at least 1")
    videos = list(_below(root))  # any depth: collections of videos have no common layout
    if not videos:
        raise common.not_found(root, [f"<subject>/<video>{suffix}" for suffix in common.VIDEO_SUFFIXES])
    lengths, problems = video_lengths(videos)
    problems += [f"{path.relative_to(root)}: contains no frame" for path, length in lengths.items() if length == 0]
    raise_all(f"{common.printable(root)} cannot be read as {row.name}:", [*problems, *_alike(videos, root)])
    rows = pl.concat(_frames(path.relative_to(root), length, frame_step) for path, length in lengths.items())
    return Reading(frame_table(rows.with_columns(dataset=pl.lit(row.name)), ()))


def _below(folder: Path) -> Iterator[Path]:
    yield from common.files(folder, common.VIDEO_SUFFIXES)
    for below in common.folders(folder):
        yield from _below(below)


def _frames(video: Path, length: int, step: int) -> pl.DataFrame:
    index = pl.int_range(0, length, step, eager=True)
    subject, sequence = _names(video)
    return pl.DataFrame({"index": index}).with_columns(
        frame=index // step + 1,  # without gaps, so that clips of neighbouring frames can be formed
        subject=pl.lit(subject),
        sequence=pl.lit(sequence),
        path=pl.lit(video.as_posix()),
    )


def _names(video: Path) -> tuple[str, str]:
    """Subject and sequence."""
    subject, *rest = video.with_suffix("").parts
    return subject, "/".join(rest) or subject


def _alike(videos: list[Path], root: Path) -> list[str]:
    """A problem for every two videos that would be one sequence, e.g. a.mp4 and a.avi."""
    first: dict[tuple[str, str], Path] = {}
    relative = [video.relative_to(root) for video in videos]
    pairs = [(first.setdefault(_names(video), video), video) for video in relative]
    return [f"{one} and {other} have the same name" for one, other in pairs if one != other]
