"""Where the face is in every frame, and the square crop of it that is stored.

precropped  frames are face crops already: the centre square of each
landmarks   the five points of known landmarks are put at fixed places of the crop (rotation, scale, shift)
box         an upright square around all known landmarks
haar        eyes found by cascades that are part of OpenCV; nothing to download, but coarse
yunet       five points by OpenCV's YuNet, whose model file the user gives
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from data.errors import InputError, raise_all
from data.faces.detect import detect, eyes_of, load_array, model_crc, save_array
from data.faces.landmarks import find_landmarks, read_landmarks, signature
from data.faces.points import JAWLESS, box, five_points, similarity, template, unusable
from data.files import Progress, exclusive_lock, no_progress
from data.frames import Reading, excluded_frames, table_digest
from data.media import VideoFrames, read_image, resize
from data.opencv import opencv
from data.settings import AlignSettings

# Raised whenever an alignment gives other pixels, so that no old store is taken for a new one.
VERSIONS: dict[str, int] = {"precropped": 1, "landmarks": 1, "box": 1, "haar": 1, "yunet": 1}
SAMPLE = 8  # images that are compared with their landmarks, of which each may be a video to decode
SHRINKS = 1.5  # source pixels a crop pixel, above which neighbours are averaged first


@dataclass(frozen=True, eq=False)
class Faces:
    """The frames that have a face, and where it is.

    `crops` float32 [n, 2, 3] maps the unit coordinates of each crop (u to the right, v down, 0 to 1 from edge to edge)
    to source pixels, whose centres are whole numbers; None takes the centre square of every image.
    """

    table: pl.DataFrame
    crops: np.ndarray | None
    excluded: pl.DataFrame
    alignment: str
    notes: tuple[str, ...] = ()


def alignment_id(settings: AlignSettings) -> str:
    """Name, version and whatever else changes the pixels: `precropped-1`, `landmarks-1-m0.1`."""
    name = f"{settings.name}-{VERSIONS[settings.name]}"
    if settings.name == "precropped":
        return name
    made = "-elsewhere" if settings.landmarks else f"-{model_crc(Path(settings.model))}" if settings.model else ""
    return f"{name}-m{settings.margin:g}{made}"


@dataclass(frozen=True)
class _Work:
    """What finding faces needs; slow results are kept in the folder `cache`."""

    reading: Reading
    root: Path
    settings: AlignSettings
    cache: Path
    processes: int
    progress: Progress


_Found = tuple[np.ndarray, np.ndarray, tuple[str, ...]]  # crops [n, 2, 3], why a row has none ("" if it has), notes


def locate(
    reading: Reading,
    root: Path,
    settings: AlignSettings,
    cache: Path,
    processes: int = 1,
    progress: Progress = no_progress,
) -> Faces:
    """The face of every frame of `reading`; frames without one are excluded, with the reason.

    What was found is kept in the folder `cache` and used again; an interrupted detection continues.
    """
    name = alignment_id(settings)
    if settings.name == "precropped":
        return Faces(reading.table, None, reading.excluded, name)
    crops, reasons, notes = _FIND[settings.name](_Work(reading, root, settings, cache, processes, progress))
    kept = reasons == ""
    left = [excluded_frames(reading.table.filter(reasons == why), why) for why in np.unique(reasons[~kept])]
    if not kept.any():
        counts = ", ".join(f"{rows['reason'][0]} in {rows.height}" for rows in left)
        raise InputError(f"alignment {settings.name} found no face in any of {len(kept)} frames ({counts})")
    excluded = pl.concat([reading.excluded, *left])
    return Faces(reading.table.filter(kept), crops[kept].astype(np.float32), excluded, name, notes)


def _from_landmarks(work: _Work) -> _Found:
    points = _landmarks(work)
    reasons = unusable(points)
    _check_inside(points, reasons == "", work)
    crops = np.full((len(points), 2, 3), np.nan)
    good, margin = points[reasons == ""], work.settings.margin
    notes = [f"alignment: {points.shape[1]} landmarks a frame"]
    if work.settings.name == "landmarks":
        crops[reasons == ""] = similarity(five_points(good), template(margin))
    else:
        crops[reasons == ""] = box(good, margin)
        if points.shape[1] in JAWLESS:
            notes.append("they do not include the chin: choose a larger dataset.margin")
    return crops, reasons, ("; ".join(notes),)


def _landmarks(work: _Work) -> np.ndarray:
    """Points [n, K, 2] of the rows of the table, from the cache if they were read before."""
    table, elsewhere = work.reading.table, Path(work.settings.landmarks) if work.settings.landmarks else None
    dataset = str(table["dataset"][0])
    source = find_landmarks(dataset, work.root, elsewhere)
    digest = hashlib.sha256(table_digest(table) + f"{source.resolve()}|{signature(source)}".encode()).hexdigest()
    path = work.cache / f"landmarks-1-{digest[:16]}.npy"
    with exclusive_lock(path.with_name(f".{path.stem}.lock")):
        points = load_array(path, (table.height,))
        if points is None:
            # together with the frames that were left out: their number decides how DISFA's files are counted
            coded = pl.concat([table, work.reading.excluded.drop("reason")], how="diagonal")
            points = read_landmarks(dataset, work.root, coded, elsewhere, work.processes, work.progress)[: table.height]
            save_array(points, path)
    return points


def _check_inside(points: np.ndarray, good: np.ndarray, work: _Work) -> None:
    """Raise `InputError` if most faces of a sample lie outside of their images: the two are not of one copy."""
    rows = work.reading.table.with_row_index("row").filter(good).unique("path", keep="first", maintain_order=True)
    sample = rows[np.unique(np.linspace(0, rows.height - 1, min(SAMPLE, rows.height)).astype(int))]
    videos, outside = VideoFrames(), []
    for row, path, index in sample["row", "path", "index"].iter_rows():
        image = read_image(work.root / path) if index is None else videos.frame(work.root / path, index)
        centre = points[row].mean(axis=0)
        if not (0 <= centre[0] < image.shape[1] and 0 <= centre[1] < image.shape[0]):
            outside.append(f"{path} has {image.shape[1]} x {image.shape[0]} pixels, its face is at {centre.round()}")
    if 2 * len(outside) > sample.height:
        raise_all("the landmarks do not belong to these images (cropped or scaled copies?):", outside)


def _from_detection(work: _Work) -> _Found:
    settings, table = work.settings, work.reading.table
    model = Path(settings.model) if settings.model else None
    found = detect(settings.name, model, work.root, table, work.cache, work.processes, work.progress)
    target = template(settings.margin)
    notes: tuple[str, ...] = ()
    if settings.name == "haar":
        points, guessed = eyes_of(found)
        target = target[:2]  # two eyes are enough for rotation, scale and shift
        if guessed.any():
            notes = (f"alignment: eyes guessed from the box of the face in {guessed.sum()} of {len(points)} frames",)
    else:
        points = found.reshape(len(found), -1, 2)
    return _placed(points, target, notes)


def _placed(points: np.ndarray, target: np.ndarray, notes: tuple[str, ...]) -> _Found:
    seen = np.isfinite(points).all(axis=(1, 2))
    crops = np.full((len(points), 2, 3), np.nan)
    crops[seen] = similarity(points[seen], target)
    return crops, np.where(seen, "", "no face found"), notes


_FIND: dict[str, Callable[[_Work], _Found]] = {
    "landmarks": _from_landmarks,
    "box": _from_landmarks,
    "haar": _from_detection,
    "yunet": _from_detection,
}


def align(image: np.ndarray, size: int, crop: np.ndarray | None) -> np.ndarray:
    """The crop of `image` uint8 [H, W, 3] as uint8 [size, size, 3]; see `Faces` for `crop`.

    Beyond the image its edge is repeated: a black wedge would be the strongest edge of the picture, and its shape
    would tell how the head was turned.
    """
    if crop is None:
        return _centre_square(image, size)
    cv2 = opencv()
    matrix = np.asarray(crop, np.float64) @ [[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size], [0, 0, 1]]
    image, matrix = _averaged(image, matrix, size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped)


def _averaged(image: np.ndarray, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of `image` that the crop shows, its pixels averaged in blocks where the crop is smaller, and its map.

    Linear interpolation looks at four pixels, which skips others where more than two lie between neighbours.
    """
    factor = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if factor <= SHRINKS:
        return image, matrix
    cv2, block = opencv(), round(factor)
    corners = matrix @ [[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]]
    limits = np.array([[image.shape[1]], [image.shape[0]]])
    low = np.clip(np.floor(corners.min(axis=1, keepdims=True)) - 2 * block, 0, limits - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=1, keepdims=True)) + 2 * block, low + 1, limits).astype(int)
    span = -(-(high - low) // block) * block  # whole blocks are averaged several times faster
    low = np.clip(low, 0, np.maximum(limits - span, 0))
    high = np.minimum(low + span, limits)
    (left, top), (right, bottom) = low[:, 0], high[:, 0]
    part = image[top:bottom, left:right]
    width, height = (max(1, round(length / block)) for length in (right - left, bottom - top))
    scale = np.array([[width / (right - left)], [height / (bottom - top)]])
    moved = matrix.copy()
    moved[:, 2:] += 0.5 - low
    moved *= scale
    moved[:, 2] -= 0.5
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), moved


def _centre_square(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(image[top : top + side, left : left + side], size)
