"""Made-up facial points and a picture that is smooth enough to be looked at between its pixels."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from data.frames import Reading, frame_table
from data.synthetic.recordings import Recording, TreePlan


def face(distance: float = 60, centre: tuple[float, float] = (100, 80), turn: float = 0.0) -> np.ndarray:
    """68 points [68, 2], iBUG order, of a frontal face turned by `turn` radians; `centre` lies between the eyes."""
    points = np.zeros((68, 2))
    angles = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([1.15 * np.cos(angles), 0.2 + 1.65 * np.sin(angles)], axis=1)
    for side, first in ((-1, 17), (1, 22)):
        points[first : first + 5] = np.stack([0.5 * side + np.linspace(-0.35, 0.35, 5), np.full(5, -0.4)], axis=1)
    points[27:31] = np.stack([np.zeros(4), np.linspace(0, 0.57, 4)], axis=1)
    points[31:36] = np.stack([np.linspace(-0.2, 0.2, 5), np.full(5, 0.7)], axis=1)
    around = np.linspace(np.pi, -np.pi, 7)[:6]
    for side, first in ((-1, 36), (1, 42)):
        points[first : first + 6] = np.stack([0.5 * side + 0.2 * np.cos(around), -0.07 * np.sin(around)], axis=1)
    for width, first, count in ((0.41, 48, 12), (0.3, 60, 8)):
        around = np.linspace(np.pi, -np.pi, count + 1)[:count]
        x, y = width * np.cos(around), 1.16 - width / 3 * np.sin(around)
        points[first : first + count] = np.stack([x, y], axis=1)
    turned = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(distance * turned + np.array(centre))


def subset(points: np.ndarray, count: int) -> np.ndarray:
    """The smaller known set of `count` points out of 68, [..., count, 2]."""
    left_out = {66: {60, 64}, 51: set(range(17)), 49: {60, 64, *range(17)}, 68: set[int]()}[count]
    return points[..., [index for index in range(68) if index not in left_out], :]


def many(frames: int, count: int = 68) -> np.ndarray:
    """Another face in each frame [frames, count, 2]."""
    return np.stack([subset(face(40 + i, (100 + 2 * i, 80 - i), 0.01 * i), count) for i in range(frames)])


def smooth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours [..., 3], 0 to 255, of a smooth picture at any place."""
    waves = [np.sin(x / 17 + 0.3) * np.cos(y / 23), np.cos(x / 29 - y / 19), np.sin(y / 13 + x / 31)]
    return 127.5 + 100 * np.stack(waves, axis=-1)


def smooth_picture(height: int, width: int) -> np.ndarray:
    """That picture as uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width].astype(float)
    return smooth(x, y).round().astype(np.uint8)


def reading(rows: Sequence[tuple[str, str, int]], dataset: str = "bp4d") -> Reading:
    """A reading of (subject, sequence, frame), whose images would lie in folders."""
    table = pl.DataFrame(rows, schema=["subject", "sequence", "frame"], orient="row")
    path = pl.format("{}/{}/{}.png", "subject", "sequence", "frame")
    return Reading(frame_table(table.with_columns(dataset=pl.lit(dataset), path=path, au_1=1, au_12=0), (1, 12)))


def write_mat(path: Path, **variables: Any) -> Path:
    """Write a MATLAB file."""
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)
    return path


def struct(points: np.ndarray, **fields: Any) -> np.ndarray:
    """A struct array with an entry a frame: `pred` is [K, 2], or empty where the frame has NaN."""
    names = ["pred", *fields]
    entries = np.zeros(len(points), dtype=[(name, object) for name in names])
    for i, one in enumerate(points):
        entries[i]["pred"] = np.zeros((0, 0)) if np.isnan(one).any() else one
        for name, values in fields.items():
            entries[i][name] = values[i]
    return entries


@cache
def _drawn(subject: str, frames: int) -> tuple[np.ndarray, np.ndarray]:
    recording = Recording(TreePlan("bp4d", 1, 1, frames, 0, 0.0, 160, scene=True), subject, "T1", frames)
    return np.concatenate(list(recording.images())), recording.landmarks()


def drawn_faces(root: Path, subjects: Sequence[str] = ("F001", "F002", "M001")) -> tuple[Reading, np.ndarray]:
    """Pictures with more than a face in them, two of each subject, below `root`: their reading and 68 points each."""
    found = reading([(subject, "T1", frame) for subject in subjects for frame in (1, 2)])
    drawn = [_drawn(subject, 2) for subject in subjects]
    for path, picture in zip(found.table["path"], np.concatenate([pictures for pictures, _ in drawn]), strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(root / path)
    return found, np.concatenate([points for _, points in drawn])
