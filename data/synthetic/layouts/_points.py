"""Landmark files of BP4D and DISFA."""

import io
from pathlib import Path

import numpy as np

from data.synthetic.landmarks import POINTS_49, POINTS_66
from data.synthetic.recordings import Recording, some_rows

UNTRACKED = 0.02  # share of the frames without landmarks
_HEADER = b"MATLAB 5.0 MAT-file".ljust(116)


def write_bp4d_points(path: Path, recording: Recording) -> None:
    """A struct array `fit`, one element a label frame from 1 on, whose `pred` is [49, 2], or empty: not tracked."""
    fit = np.empty((1, recording.numbers[-1]), dtype=[("pred", object)])
    for element in fit[0]:
        element["pred"] = np.zeros((0, 0))
    untracked = set(some_rows(recording, "not tracked", UNTRACKED).tolist())
    for row, points in enumerate(recording.landmarks()[:, POINTS_49]):
        if row not in untracked:
            fit["pred"][0, recording.first - 1 + row] = points
    _save(path, {"fit": fit})


def write_disfa_points(folder: Path, recording: Recording, from_one: bool) -> None:
    """A file a frame, `pts` [66, 2]: SN001_0000_lm.mat and on, or with `from_one` l00001_lm.mat; some are missing."""
    untracked = set(some_rows(recording, "not tracked", UNTRACKED).tolist())
    for row, points in enumerate(recording.landmarks()[:, POINTS_66]):
        name = f"l{row + 1:05d}_lm.mat" if from_one else f"{recording.subject}_{row:04d}_lm.mat"
        if row not in untracked:
            _save(folder / name, {"pts": points})


def _save(path: Path, content: dict[str, np.ndarray]) -> None:
    """Write a MATLAB file without the date that scipy puts into its header."""
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_HEADER + buffer.getvalue()[len(_HEADER) :])
