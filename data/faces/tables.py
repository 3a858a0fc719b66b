"""Landmarks made elsewhere: one parquet or CSV file of all frames, or a folder with OpenFace's CSV files.

One file: columns subject, sequence, frame, x_0, y_0, x_1, ... A folder: `<subject>_<sequence>.csv`,
`<subject>/<sequence>.csv`, or `<subject>.csv` where a subject has one sequence; columns frame, x_0, ..., y_0, ...,
and perhaps success (0: no face).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.errors import InputError, first_line
from data.faces.points import SETS

_POINT = re.compile(r"([xy])_([0-9]+)")


@dataclass(frozen=True)
class Task:
    """`read(source, frames)` gives the points [len(frames), K, 2] of `rows` of the table."""

    read: Callable[[Any, np.ndarray], np.ndarray]
    source: Any
    frames: np.ndarray
    rows: np.ndarray


def sequences(table: pl.DataFrame) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Subject, sequence, frame numbers and rows of each sequence."""
    grouped = table.with_row_index("row").group_by("subject", "sequence", maintain_order=True)
    for subject, sequence, frames, rows in grouped.agg("frame", "row").iter_rows():
        yield subject, sequence, np.array(frames), np.array(rows)


def taken(held: np.ndarray, points: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """The `points` whose number in `held` (ascending) is one of `frames`; NaN for the others."""
    place = np.searchsorted(held, frames).clip(max=len(held) - 1)
    return np.where((held[place] == frames)[:, None, None], points[place].astype(np.float64), np.nan)


def openface_tasks(folder: Path, table: pl.DataFrame) -> Iterator[Task]:
    """Frame k of OpenFace's file is the k-th of the video (from 1), or the label frame k where frames are images."""
    files = {path.relative_to(folder).as_posix().lower(): path for path in sorted(folder.rglob("*.[cC][sS][vV]"))}
    placed = table.with_columns(frame=pl.coalesce(pl.col("index") + 1, "frame"))
    counts = table.group_by("subject").agg(pl.col("sequence").n_unique())
    alone = set(counts.filter(pl.col("sequence") == 1)["subject"])
    for subject, sequence, frames, rows in sequences(placed):
        names = [f"{subject}_{sequence}.csv", f"{subject}/{sequence}.csv"]
        if subject in alone:
            names.append(f"{subject}.csv")
        found = [files[name.lower()] for name in names if name.lower() in files]
        if len(found) > 1:
            raise InputError(f"{found[0]} and {found[1]} are both of {subject}/{sequence}. Keep one of them.")
        if found:
            yield Task(_openface, found[0], frames, rows)


def _openface(path: Path, frames: np.ndarray) -> np.ndarray:
    table = _numbers(_read_csv(path, ("frame",)), path, ("frame", "success"))
    if table["frame"].is_duplicated().any():
        raise InputError(f"{path.name}: a frame is listed twice (more than one face?); keep one row a frame")
    numbers = table["frame"].to_numpy()
    if len(numbers) and frames.max() > numbers.max():
        # run on a folder of images, OpenFace counts them, whatever their names say
        raise InputError(
            f"{path.name}: ends with frame {numbers.max():g}, but frame {frames.max()} is needed. If it counts the "
            "images of a folder, put the numbers of the label frames into its column frame."
        )
    if "success" in table.columns:
        table = table.filter(pl.col("success") != 0)  # their points are zeros
    table = table.sort("frame")
    points = _points_of(table, path)
    if table.is_empty():
        return np.full((len(frames), points.shape[1], 2), np.nan)
    return taken(table["frame"].cast(pl.Int64).to_numpy(), points, frames)


def table_points(path: Path, table: pl.DataFrame) -> np.ndarray:
    """Points of the rows of `table` from one parquet or CSV file with subject, sequence, frame, x_0, y_0, ..."""
    key = ("subject", "sequence", "frame")
    held = _read_parquet(path, key) if path.suffix.lower() == ".parquet" else _read_csv(path, key)
    held = _numbers(held, path, ("frame",)).with_columns(pl.col("subject", "sequence").cast(pl.String))
    held = held.with_columns(pl.col("frame").cast(pl.Int64))
    if held.select(key).is_duplicated().any():
        raise InputError(f"{path.name}: a frame is listed twice; keep one row a frame")
    points = _points_of(held, path)
    places = held.select(key).with_row_index("place")
    wanted = table.select("subject", "sequence", pl.col("frame").cast(pl.Int64))
    place = wanted.join(places, on=key, how="left", maintain_order="left")["place"]
    if place.null_count() == len(place):
        raise InputError(f"{path.name}: contains none of the frames; its first is {held.select(key).head(1).rows()}")
    there = place.is_not_null().to_numpy()
    return np.where(there[:, None, None], points[place.fill_null(0).to_numpy()], np.nan)


def _read_csv(path: Path, needed: Sequence[str]) -> pl.DataFrame:
    """A CSV file as text, without blanks around names and values."""
    try:
        table = pl.read_csv(path, infer_schema=False, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path.name}: not a readable CSV file ({first_line(error)})") from error
    table = table.rename(str.strip)  # older OpenFace writes a blank after every comma, in the header as well
    return _with_points(table, path, needed).with_columns(pl.all().str.strip_chars())


def _read_parquet(path: Path, needed: Sequence[str]) -> pl.DataFrame:
    try:
        return _with_points(pl.read_parquet(path, glob=False), path, needed)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path.name}: not a readable parquet file ({first_line(error)})") from error


def _with_points(table: pl.DataFrame, path: Path, needed: Sequence[str]) -> pl.DataFrame:
    """The columns that are used; `InputError` without `needed` or without a complete known set of points."""
    numbers = {axis: {int(m[2]) for m in map(_POINT.fullmatch, table.columns) if m and m[1] == axis} for axis in "xy"}
    count = len(numbers["x"])
    missing = [name for name in needed if name not in table.columns]
    if missing or numbers["x"] != numbers["y"] or numbers["x"] != set(range(count)) or count not in SETS:
        raise InputError(
            f"{path.name}: needs the columns {', '.join(needed)} and x_0, y_0, ... of {' or '.join(map(str, SETS))} "
            f"points; it has {', '.join(table.columns[:8])}, ... with {count} points"
        )
    names = [*needed, *(name for name in ("success",) if name in table.columns and name not in needed)]
    return table.select(*names, *(f"{axis}_{index}" for index in range(count) for axis in "xy"))


def _numbers(table: pl.DataFrame, path: Path, names: Sequence[str]) -> pl.DataFrame:
    """`table` with numbers in `names` and in all points; an empty cell is NaN in a point and an error elsewhere."""
    plain = [name for name in table.columns if name in names]
    points = [name for name in table.columns if _POINT.fullmatch(name)]
    cast = table.with_columns(pl.col(plain + points).cast(pl.Float64, strict=False))
    for name in plain + points:
        given = table[name].cast(pl.String).fill_null("")
        wrong = given.filter(cast[name].is_null() & ((given != "") if name in points else True))
        if len(wrong):
            raise InputError(f"{path.name}, column {name}: {wrong[0]!r} is not a number")
    return cast.with_columns(pl.col(points).fill_null(float("nan")))


def _points_of(table: pl.DataFrame, path: Path) -> np.ndarray:
    names = [name for name in table.columns if _POINT.fullmatch(name)]
    return table.select(names).to_numpy().astype(np.float64).reshape(table.height, -1, 2)
