"""Facial landmarks that come with a dataset or were made elsewhere, for every row of a table."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from data.catalog import CATALOG
from data.dataset import OwnLandmarks
from data.errors import InputError, raise_all
from data.faces.points import SETS
from data.faces.tables import Task, openface_tasks, table_points
from data.files import Progress, no_progress
from data.parallel import run_tasks
from data.readers import _common as common


def find_landmarks(dataset: str, root: Path, elsewhere: Path | None = None) -> Path:
    """The file or folder that holds the landmarks; `InputError` if there is none."""
    if elsewhere:
        if not elsewhere.exists():
            raise InputError(f"landmarks: {elsewhere} does not exist. Give a folder, or a parquet or CSV file.")
        return elsewhere
    own = _own(dataset)
    if own is None:
        raise InputError(
            f"{dataset} comes without landmarks that can be read here. Give landmarks made elsewhere, or choose "
            "alignment haar, yunet or precropped."
        )
    return own.folder(root)


def _own(dataset: str) -> OwnLandmarks | None:
    return CATALOG[dataset].landmarks if dataset in CATALOG else None


def signature(source: Path) -> str:
    """Digest of the names, sizes and times of the files of `source`: another one when landmarks change."""
    digest = hashlib.sha256()
    # not the contents: a landmark folder may hold a hundred thousand files
    for name, stat in sorted(_files_below(source)) if source.is_dir() else [("", source.stat())]:
        digest.update(f"{name}|{stat.st_size}|{stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files_below(folder: Path, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files_below(Path(entry.path), f"{below}{entry.name}/")
            elif entry.is_file():
                yield f"{below}{entry.name}", entry.stat()


def read_landmarks(
    dataset: str,
    root: Path,
    table: pl.DataFrame,
    elsewhere: Path | None = None,
    processes: int = 1,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Points float32 [n, K, 2] of the rows of `table` (subject, sequence, frame, index); NaN where there are none.

    `table` should hold every coded frame: how many a subject has decides how DISFA's files are counted.
    Every file that is there but cannot be read is listed in one `InputError`.
    """
    source = find_landmarks(dataset, root, elsewhere)
    if source.is_file():
        return table_points(source, table).astype(np.float32)
    own = None if elsewhere else _own(dataset)
    tasks = list(own.tasks(source, table) if own else openface_tasks(source, table))
    parts: list[np.ndarray | None] = [None] * len(tasks)
    problems, done = [], 0
    for position, (parts[position], wrong) in run_tasks(_run, tasks, processes):
        problems += wrong
        done += len(tasks[position].rows)
        progress(done, table.height)
    raise_all(f"landmarks in {common.printable(source)} cannot be used:", sorted(problems))
    return _assembled(tasks, parts, table.height, source)


def _run(task: Task) -> tuple[np.ndarray | None, list[str]]:
    try:
        return task.read(task.source, task.frames), []
    except InputError as error:
        return None, str(error).splitlines()  # with those of all other files


def _assembled(tasks: list[Task], parts: list[np.ndarray | None], rows: int, source: Path) -> np.ndarray:
    """All points at the rows of their sequences; a part without any point is a sequence without landmarks."""
    counts = {part.shape[1] for part in parts if part is not None} - {0}
    if len(counts) != 1 or not counts <= set(SETS):
        what = f"has sets of {sorted(counts)} points" if counts else "has no landmarks of these frames"
        raise InputError(f"{common.printable(source)} {what}; expected one set for all, of {SETS} points")
    points = np.full((rows, counts.pop(), 2), np.nan, np.float32)
    for task, part in zip(tasks, parts, strict=True):
        if part is not None and part.shape[1]:
            points[task.rows] = part
    return points
