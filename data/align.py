"""From a picture to the square face crop that is stored."""

from collections.abc import Callable

import numpy as np

from data.errors import InputError
from data.media import resize


def precropped(image: np.ndarray, size: int) -> np.ndarray:
    """For images that are face crops already: the centre square of `image` [H, W, 3], resized to `size`."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(image[top : top + side, left : left + side], size)


ALIGNMENTS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"precropped": precropped}
# Raised whenever the pixels that an alignment gives change, so that no old store passes for a new one.
VERSIONS: dict[str, int] = {"precropped": 1}


def alignment_id(alignment: str) -> str:
    """Name and version of an alignment: `precropped-1`."""
    if alignment not in ALIGNMENTS:
        raise InputError(f"alignment={alignment!r}; allowed: {', '.join(sorted(ALIGNMENTS))}")
    return f"{alignment}-{VERSIONS[alignment]}"


def align(image: np.ndarray, size: int, alignment: str) -> np.ndarray:
    """The crop of `image` uint8 [H, W, 3] that `alignment` gives, uint8 [size, size, 3]."""
    alignment_id(alignment)
    return ALIGNMENTS[alignment](image, size)
