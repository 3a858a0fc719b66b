"""Faces found by a detector: boxes and eyes (Haar cascades of OpenCV), or five points (YuNet, a model the user gives).

A table is worked on in pieces, each kept in the cache when it is done, so that a killed run can continue. What is
cached does not depend on how the crop is then placed.
"""

import hashlib
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.errors import InputError, raise_all
from data.files import Progress, atomic_path, exclusive_lock, no_progress
from data.media import VideoFrames, read_bytes, read_image
from data.opencv import opencv
from data.parallel import run_tasks
from data.readers import _common as common
from data.settings import YUNET

DETECTOR_VERSIONS = {"haar": 1, "yunet": 1}  # raised when the same image gives another face
WIDTHS = {"haar": 8, "yunet": 10}  # numbers a frame: box x y w h, eyes x y x y; or five points
PIECE_ROWS = 500  # rows; a video is one piece, whatever its length
DIGEST_SAMPLE = 64  # images whose content names the cache

HAAR_SIDE = 480  # pixels of the longer side of the image that is searched for a face
HAAR_FACE = 200  # pixels of the face that is searched for eyes
USUAL_EYES = np.array([[0.31, 0.39], [0.69, 0.39]])  # centres of the eyes in a box of the cascades, as shares of it
FAR_EYE = 0.13  # of the box: eyes farther from their usual place are something else
YUNET_SIDE = 640

Find = Callable[[np.ndarray], np.ndarray]  # an image -> the numbers of its largest face, NaN where there is none


def detect(
    detector: str,
    model: Path | None,
    root: Path,
    table: pl.DataFrame,
    cache: Path,
    processes: int = 1,
    progress: Progress = no_progress,
) -> np.ndarray:
    """What `detector` finds in each row of `table`, float32 [n, WIDTHS]; NaN where there is no face.

    Raises one `InputError` with every image that cannot be read.
    """
    _finder(detector, model)  # a wrong model is found here, not in every process
    name = f"{detector}-{DETECTOR_VERSIONS[detector]}-{_digest(root, table, model)[:16]}"
    final, folder = cache / f"{name}.npy", cache / f".{name}.partial"
    with exclusive_lock(cache / f".{name}.lock"):
        found = load_array(final, (table.height, WIDTHS[detector]))
        if found is None:
            pieces = [_Piece(detector, model, root, folder, *piece) for piece in _pieces(table)]
            _work(pieces, table.height, processes, progress)
            found = np.concatenate([np.load(piece.path) for piece in pieces])
            save_array(found, final)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def model_crc(model: Path) -> str:
    """Checksum of a model file; `InputError` if there is none."""
    if not model.is_file():
        raise InputError(
            f"face model {model} is not a file. Download {YUNET} from the model zoo of OpenCV and give its path."
        )
    return f"{zlib.crc32(read_bytes(model)):08x}"


def save_array(array: np.ndarray, path: Path) -> None:
    """Write `array` as .npy, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def load_array(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """An array that `save_array` wrote, if it is there, whole and begins with the axes of `shape`."""
    try:
        array: np.ndarray = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape[: len(shape)] == shape else None


@dataclass(frozen=True)
class _Piece:
    """Rows that one process works on."""

    detector: str
    model: Path | None
    root: Path
    folder: Path
    first: int
    places: pl.DataFrame  # path, index

    @property
    def path(self) -> Path:
        return self.folder / f"{self.first:08d}.npy"


def _digest(root: Path, table: pl.DataFrame, model: Path | None) -> str:
    """Identity of the input: which frames, the files of an evenly spread sample of them, and the model."""
    digest = hashlib.sha256(model_crc(model).encode() if model else b"")
    paths = table["path"].unique(maintain_order=True)
    digest.update("\x1f".join(table["path"]).encode())
    digest.update(table["index"].fill_null(-1).to_numpy().astype("<i4").tobytes())
    for place in np.unique(np.linspace(0, len(paths) - 1, min(DIGEST_SAMPLE, len(paths))).astype(int)):
        path = root / paths[int(place)]
        is_video = path.suffix.lower() in common.VIDEO_SUFFIXES
        try:
            digest.update(f"{path.stat().st_size}|{0 if is_video else zlib.crc32(path.read_bytes())}\n".encode())
        except OSError:
            digest.update(b"missing\n")  # it is named with all others that cannot be read
    return digest.hexdigest()


def _pieces(table: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """First row and (path, index) of each piece."""
    runs = table.select(pl.when(pl.col("index").is_null()).then(pl.lit("")).otherwise("path").rle().alias("run"))
    first = 0
    for length, video in runs["run"].struct.unnest().iter_rows():
        step = length if video else PIECE_ROWS
        for start in range(first, first + length, step):
            yield start, table["path", "index"][start : min(start + step, first + length)]
        first += length


def _work(pieces: list[_Piece], total: int, processes: int, progress: Progress) -> None:
    todo = [p for p in pieces if load_array(p.path, (p.places.height, WIDTHS[p.detector])) is None]
    done = total - sum(piece.places.height for piece in todo)
    progress(done, total)
    problems: list[str] = []
    for position, wrong in run_tasks(_search, todo, processes):
        problems += wrong
        done += len(todo[position].places)
        progress(done, total)
    raise_all("images in which no face can be looked for:", sorted(problems))


def _search(piece: _Piece) -> list[str]:
    """Find the faces of a piece and write them; returns the problems, with which nothing is written."""
    find, videos = _finder(piece.detector, piece.model), VideoFrames()
    found = np.full((piece.places.height, WIDTHS[piece.detector]), np.nan, np.float32)
    problems: dict[str, None] = {}
    for row, (path, index) in enumerate(piece.places.iter_rows()):
        place = piece.root / path
        if index is not None and problems:
            break  # the rest of a video that cannot be decoded
        try:
            found[row] = find(read_image(place) if index is None else videos.frame(place, index))
        except InputError as error:
            problems[str(error)] = None
    if not problems:
        save_array(found, piece.path)
    return list(problems)


def _finder(detector: str, model: Path | None) -> Find:
    if detector == "haar":
        return _Haar()
    assert model is not None
    return _YuNet(model)


class _Haar:
    """Box of the largest face and the centres of its eyes (NaN where they are not seen)."""

    def __init__(self) -> None:
        folder = Path(opencv().data.haarcascades)
        self.faces = [_cascade(folder, name) for name in ("frontalface_alt2", "frontalface_default")]
        self.eyes = _cascade(folder, "eye")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        cv2 = opencv()
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small, factor = _shrunk(grey, HAAR_SIDE)
        least = max(24, min(small.shape) // 6)
        for cascade in self.faces:
            boxes = cascade.detectMultiScale(small, 1.1, 3, minSize=(least, least))
            if len(boxes):
                box = _largest(boxes) / factor
                return np.concatenate([box, self._eyes(grey, box).ravel()])
        return np.full(WIDTHS["haar"], np.nan)

    def _eyes(self, grey: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The two eyes [2, 2] in pixels of the image, or NaN."""
        x, y, width, height = np.round(box).astype(int)
        upper = grey[y : y + round(0.6 * height), x : x + width]
        upper, factor = _shrunk(upper, HAAR_FACE)
        side = width * factor
        eyes = self.eyes.detectMultiScale(upper, 1.05, 3, minSize=(int(side / 9), int(side / 9)))
        centres = np.array([[x + w / 2, y + h / 2] for x, y, w, h in eyes]).reshape(-1, 1, 2) / side
        away = np.linalg.norm(centres - USUAL_EYES, axis=2)
        if not len(away) or (away.min(axis=0) > FAR_EYE).any():
            return np.full((2, 2), np.nan)
        return np.asarray(centres[away.argmin(axis=0), 0] * side / factor + (x - 0.5, y - 0.5))


def eyes_of(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eyes [n, 2, 2] of what the cascades found, and where they were only guessed from the box [n]."""
    boxes, eyes = found[:, None, :4].astype(np.float64), found[:, 4:].reshape(-1, 2, 2).astype(np.float64)
    usual = boxes[..., :2] + USUAL_EYES * boxes[..., 2:] - 0.5
    guessed = np.asarray(np.isnan(eyes).any(axis=(1, 2)) & np.isfinite(boxes).all(axis=(1, 2)))
    return np.where(guessed[:, None, None], usual, eyes), guessed


def _cascade(folder: Path, name: str) -> Any:
    path = folder / f"haarcascade_{name}.xml"
    if not path.is_file():
        raise InputError(f"this OpenCV has no {path.name}; install opencv-python-headless>=4.10,<5")
    return opencv().CascadeClassifier(str(path))


class _YuNet:
    """Five points of the largest face."""

    def __init__(self, model: Path) -> None:
        model_crc(model)
        self.model = model
        try:
            self.net = opencv().FaceDetectorYN.create(str(model), "", (320, 320), score_threshold=0.6)
        except opencv().error as error:
            raise InputError(f"{model} is not an ONNX model that OpenCV can read; expected {YUNET}") from error

    def __call__(self, image: np.ndarray) -> np.ndarray:
        small, factor = _shrunk(image, YUNET_SIDE)
        self.net.setInputSize(small.shape[1::-1])
        try:
            _, faces = self.net.detect(np.ascontiguousarray(small[..., ::-1]))
        except opencv().error as error:
            raise InputError(f"{self.model} does not give what YuNet gives; expected {YUNET}") from error
        if faces is None or not len(faces):
            return np.full(WIDTHS["yunet"], np.nan)
        # The person's right eye, left eye, nose, right and left corner of the mouth: the person's right is image-left.
        points = _largest(faces)[4:14]
        return np.asarray((points + 0.5) / factor - 0.5)


def _largest(faces: Any) -> np.ndarray:
    faces = np.asarray(faces, np.float64)
    return np.asarray(faces[np.argmax(faces[:, 2] * faces[:, 3])])


def _shrunk(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """`image` with its longer side at most `side`, and the factor."""
    factor = min(1.0, side / max(image.shape[:2]))
    if factor == 1:
        return image, 1.0
    cv2 = opencv()
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), factor
