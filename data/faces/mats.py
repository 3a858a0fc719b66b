"""The MATLAB files in which BP4D and DISFA distribute landmarks.

bp4d   one `F001_T1.mat` (or `2F01_01.mat`) a sequence; its form is not documented, `_mat_points` is our reading of it
disfa  `Landmark_Points/SN001/tmp_frame_lm/SN001_0000_lm.mat` (counts from 0) or `l00001_lm.mat` (from 1), with `pts`
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.errors import InputError
from data.faces.points import SETS, look_like_faces
from data.faces.tables import Task, sequences, taken
from data.readers import _common as common
from data.readers._bp4d_frames import RAW_TASKS

_BP4D_FOLDER = re.compile(r".*(fpoints|2D.?features|landmarks?)", re.IGNORECASE)
_BP4D_FILE = re.compile(r"2?([FM])0*([0-9]{1,3})_(T[1-8]|" + "|".join(RAW_TASKS) + ")", re.IGNORECASE)
_DISFA_FILE = re.compile(r"(?:SN[0-9]{3}_|(l))([0-9]+)_lm", re.IGNORECASE)


def bp4d_folder(root: Path) -> Path:
    """The folder of BP4D's landmark files, at most two folders below `root`; `InputError` unless there is one."""
    below = [root, *common.folders(root)]
    named = [path for folder in below for path in common.folders(folder) if _BP4D_FOLDER.fullmatch(path.name)]
    found = [path for path in named if any(_BP4D_FILE.fullmatch(file.stem) for file in common.files(path, (".mat",)))]
    if not found:
        raise common.not_found(root, ("BP4D-fpoints/F001_T1.mat", "2DFeatures/F001_T1.mat", "Landmarks/F001_T1.mat"))
    if len(found) > 1:
        raise InputError(f"landmarks lie in {', '.join(map(common.printable, found))}. Give the one to use.")
    return found[0]


def bp4d_tasks(folder: Path, table: pl.DataFrame) -> Iterator[Task]:
    """How to read the landmarks of each sequence of `table` that has a file."""
    files: dict[tuple[str, str], Path] = {}
    for path in common.files(folder, (".mat",)):
        if match := _BP4D_FILE.fullmatch(path.stem):
            key = f"{match[1].upper()}{int(match[2]):03d}", RAW_TASKS.get(match[3], match[3].upper())
            if key in files:
                raise InputError(f"{common.printable(folder)}: {files[key].name} and {path.name} are the same sequence")
            files[key] = path
    for subject, sequence, frames, rows in sequences(table):
        if file := files.get((subject.upper(), sequence.upper())):
            yield Task(_mat_sequence, file, frames, rows)


def _mat_sequence(path: Path, frames: np.ndarray) -> np.ndarray:
    """Points of label `frames` from a file with one entry a frame: entry i is frame i + 1, or it names its frame."""
    variables = _load_mat(path)
    name, points = _mat_points(path, variables)
    numbers = _frame_numbers(path, {key: value for key, value in variables.items() if key != name}, len(points))
    held = np.arange(1, len(points) + 1) if numbers is None else numbers
    # as many entries as coded frames: the entries may be the coded frames alone, or the first ones of the recording
    if numbers is None and frames.max() > len(held) and (len(held) == len(frames) or len(held) < frames.min()):
        raise InputError(
            f"{path.name}: {len(held)} entries, but frames {frames.min()} to {frames.max()} are coded, and nothing "
            "says which entry is which frame. Add a vector of frame numbers."
        )
    return taken(held, points, frames)


def _load_mat(path: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise InputError("reading landmarks from .mat files needs scipy: pip install scipy") from error
    try:
        content = loadmat(path, squeeze_me=True)  # MATLAB has no vectors: [1, n] and [n, 1] mean the same
    except NotImplementedError as error:
        raise InputError(f"{path.name}: a MATLAB 7.3 file; save it with -v7") from error
    except Exception as error:  # scipy raises nearly anything for a damaged file
        raise InputError(f"{path.name}: not a readable .mat file ({error})") from error
    return {name: value for name, value in content.items() if not name.startswith("__")}


def _mat_points(path: Path, variables: dict[str, Any]) -> tuple[str, np.ndarray]:
    """Name and points [n, K, 2] of the one variable that holds landmarks.

    Our reading: a struct array with an entry a frame and one field that is [K, 2] or empty; or numbers shaped
    [n, K, 2], [K, 2, n] or [n, 2K]. Anything else, and more than one such variable or field, is refused.
    """
    found = [(name, points) for name, value in variables.items() for points in _readings(np.asarray(value))]
    if len(found) != 1:
        names = ", ".join(f"{name}: {_described(np.asarray(value))}" for name, value in variables.items())
        what = "more than one variable or field holds" if found else "no variable holds"
        raise InputError(f"{path.name}: {what} landmarks ({names or 'nothing'})")
    return found[0]


def _described(value: np.ndarray) -> str:
    fields = f" with fields {', '.join(value.dtype.names)}" if value.dtype.names else ""
    return f"{list(value.shape)}{fields}"


def _readings(value: np.ndarray) -> Iterator[np.ndarray]:
    """Every way to read `value` as points [n, K, 2]."""
    if value.dtype.names:
        for field in value.dtype.names:
            points = _entries(np.atleast_1d(value)[field])
            if points is not None:
                yield points
    elif value.dtype.kind in "iuf":
        shape = value.shape
        if value.ndim == 3 and shape[1] in SETS and shape[2] == 2:
            yield value
        elif value.ndim in (2, 3) and shape[0] in SETS and shape[1] == 2:
            yield np.moveaxis(value.reshape(shape[0], 2, -1), 2, 0)
        elif value.ndim in (1, 2) and shape[-1] // 2 in SETS and shape[-1] % 2 == 0:
            # x y x y ... or x x ... y y ...: only one of them has the shape of faces
            pairs = np.atleast_2d(value).reshape(-1, shape[-1] // 2, 2)
            halves = np.atleast_2d(value).reshape(-1, 2, shape[-1] // 2).swapaxes(1, 2)
            yield from (points for points in (pairs, halves) if look_like_faces(points))


def _entries(values: np.ndarray) -> np.ndarray | None:
    """A field of a struct array, one entry a frame, as [n, K, 2] with NaN for empty entries."""
    arrays = [np.asarray(value) for value in values.reshape(-1)] if values.dtype == object else []
    shapes = {array.shape for array in arrays if array.size}
    if len(shapes) != 1 or any(array.dtype.kind not in "iuf" for array in arrays if array.size):
        return None
    shape = shapes.pop()
    if len(shape) != 2 or shape[0] not in SETS or shape[1] != 2:
        return None
    return np.stack([array.astype(np.float64) if array.size else np.full(shape, np.nan) for array in arrays])


def _frame_numbers(path: Path, variables: dict[str, Any], count: int) -> np.ndarray | None:
    """The one vector of `count` ascending whole numbers, if there is one."""
    vectors = {name: np.atleast_1d(value) for name, value in variables.items()}
    found = {
        name: value.astype(np.int64)
        for name, value in vectors.items()
        if value.shape == (count,) and value.dtype.kind in "iuf" and _counts(value)
    }
    if len(found) > 1:
        raise InputError(f"{path.name}: {', '.join(sorted(found))} could all be the frame numbers")
    return next(iter(found.values()), None)


def _counts(value: np.ndarray) -> bool:
    return bool(
        np.isfinite(value).all()
        and (value == np.floor(value)).all()
        and value[0] >= 0
        and (np.diff(value.astype(np.float64)) > 0).all()
    )


def disfa_folder(root: Path) -> Path:
    """The folder of DISFA's landmark files; `InputError` if there is none."""
    folder = common.resolve(root, r"Landmark_?Points")
    if not folder:
        raise common.not_found(root, ("Landmark_Points/SN001/tmp_frame_lm/SN001_0000_lm.mat",))
    return folder


def disfa_tasks(folder: Path, table: pl.DataFrame) -> Iterator[Task]:
    """How to read the landmarks of each subject of `table` that has a folder; those of the left camera alone."""
    wrong = table.filter(pl.col("sequence") != "left").get_column("sequence").unique().sort().to_list()
    if wrong:
        raise InputError(
            f"DISFA's landmarks are those of the left camera, the frames of the {wrong[0]} one. Choose camera=left, "
            "or give landmarks made elsewhere."
        )
    subjects = {path.name.upper(): path for path in common.folders(folder)}
    for subject, _, frames, rows in sequences(table):
        if path := subjects.get(subject.upper()):
            files = _disfa_files(common.resolve(path, r"tmp_frame_lm") or path, len(frames))
            yield Task(_mat_frames, [files.get(int(frame)) for frame in frames], frames, rows)


def _disfa_files(folder: Path, frames: int) -> dict[int, Path]:
    """File of each label frame (from 1); where there is one file more than `frames`, the first is not used."""
    matches = [(path, _DISFA_FILE.fullmatch(path.stem)) for path in common.files(folder, (".mat",))]
    styles = {bool(match[1]) for _, match in matches if match}
    numbers = {int(match[2]): path for path, match in matches if match}
    if len(styles) > 1 or len(numbers) != sum(match is not None for _, match in matches):
        raise InputError(f"{common.printable(folder)}: files SN..._lm.mat and l..._lm.mat side by side; keep one kind")
    if not numbers:
        return {}
    # one file too many: published code drops the first
    first = sorted(numbers)[1] if len(numbers) == frames + 1 else int(styles.pop())
    return {number - first + 1: path for number, path in numbers.items() if number >= first}


def _mat_frames(paths: Sequence[Path | None], frames: np.ndarray) -> np.ndarray:
    """Points of one .mat file a frame."""
    arrays, problems = [], []
    for path in paths:
        try:
            arrays.append(_pts(path) if path else np.empty((0, 2)))
        except InputError as error:
            problems.append(str(error))
    counts = {len(array) for array in arrays if array.size}
    if len(counts) > 1:
        problems.append(f"{next(path for path in paths if path).parent.parent.name}: sets of {sorted(counts)} points")
    if problems:
        raise InputError("\n".join(problems))
    empty = np.full((max(counts, default=0), 2), np.nan)
    return np.stack([array if array.size else empty for array in arrays])


def _pts(path: Path) -> np.ndarray:
    variables = _load_mat(path)
    points = np.asarray(variables.get("pts"))
    if points.dtype.kind not in "iuf" or (points.size and (points.ndim != 2 or points.shape[1] != 2)):
        names = ", ".join(f"{name}: {_described(np.asarray(value))}" for name, value in variables.items())
        raise InputError(f"{path.name}: no variable `pts` of shape [66, 2] ({names or 'nothing'})")
    return points.reshape(-1, 2).astype(np.float64)
