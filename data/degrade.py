"""Degraded pictures, to test how robust a detector is that was not trained on such pictures.

Every kind takes one level in percent: 0 leaves the frame as it is, more is worse. A degraded frame depends on the
store, the kind, the level and the row alone, so that all detectors see the same pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.errors import InputError
from data.opencv import opencv
from data.seeds import numpy_generator
from data.store import FrameStore

Degradation = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]  # frame [H, W, 3] uint8, share, draws

GREY = 128


@dataclass(frozen=True, eq=False)
class Degraded:
    """A frame store whose pictures are degraded when they are read; its labels stay as they are."""

    store: FrameStore
    kind: str
    level: float  # percent

    def __post_init__(self) -> None:
        if self.kind not in DEGRADATIONS:
            raise InputError(f"degradation {self.kind!r}; allowed: {', '.join(DEGRADATIONS)}")
        if not 0 <= self.level < 100:
            raise InputError(f"{self.kind} at {self.level:g} %; allowed: from 0 to below 100")

    def __len__(self) -> int:
        return len(self.store)

    @property
    def size(self) -> int:
        """Side of the frames in pixels."""
        return self.store.size

    @property
    def table(self) -> pl.DataFrame:
        """The FrameTable of the store."""
        return self.store.table

    def subjects_of(self, rows: np.ndarray) -> list[str]:
        """The person in each of `rows` [B]."""
        return self.store.subjects_of(rows)

    def labels(self, aus: Sequence[int]) -> np.ndarray:
        """Labels of all rows, int8 [n, A], -1 where an AU is not coded."""
        return self.store.labels(aus)

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Degraded frames of `rows` [B], uint8 [B, size, size, 3], into `out` if it is given."""
        frames = self.store.read(rows, out)
        for frame, row in zip(frames, rows.tolist(), strict=True):
            # not named by the level: the noise of a frame grows with it and is otherwise the same
            draws = numpy_generator("degrade", self.store.fingerprint, self.kind, row)
            frame[:] = DEGRADATIONS[self.kind](frame, self.level / 100, draws)
        return frames


def _blur(frame: np.ndarray, share: float, draws: np.random.Generator) -> np.ndarray:
    """Gaussian, its standard deviation a share of the side."""
    # OpenCV refuses a blur of width 0
    return np.asarray(opencv().GaussianBlur(frame, (0, 0), share * len(frame))) if share else frame


def _noise(frame: np.ndarray, share: float, draws: np.random.Generator) -> np.ndarray:
    """Gaussian in every pixel and channel, its standard deviation a share of the full scale."""
    added = draws.normal(0.0, 255 * share, frame.shape)
    return np.asarray((frame + added).round().clip(0, 255), np.uint8)


def _low_resolution(frame: np.ndarray, share: float, draws: np.random.Generator) -> np.ndarray:
    """A share of the resolution lost: shrunk by area, enlarged linearly."""
    cv2, side = opencv(), len(frame)
    kept = max(round(side * (1 - share)), 1)
    small = cv2.resize(frame, (kept, kept), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR))


def _dark(frame: np.ndarray, share: float, draws: np.random.Generator) -> np.ndarray:
    """A share of the light taken away."""
    return np.asarray((frame * (1 - share)).round(), np.uint8)


def _occlusion(frame: np.ndarray, share: float, draws: np.random.Generator) -> np.ndarray:
    """A share of the area under a grey square, somewhere in the picture."""
    side = round(len(frame) * share**0.5)
    top, left = draws.integers(0, len(frame) - side + 1, 2)
    covered = frame.copy()
    covered[top : top + side, left : left + side] = GREY
    return covered


DEGRADATIONS: dict[str, Degradation] = {
    "blur": _blur,
    "noise": _noise,
    "low_resolution": _low_resolution,
    "dark": _dark,
    "occlusion": _occlusion,
}
