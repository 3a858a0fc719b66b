"""Pictures that say in 16 black and white cells which frame of which recording they are."""

from functools import lru_cache

import numpy as np

CELLS = 4  # cells a side; rows 0 and 1 hold the frame number, rows 2 and 3 the recording, each modulo MODULUS
MODULUS = 251
_BLACK, _WHITE = 35, 220
SIZE_STEP = 4 * CELLS  # a cell of whole 4 pixels survives JPEG and MPEG-4


@lru_cache(maxsize=4 * MODULUS)
def pattern(number: int, marker: int, size: int) -> np.ndarray:
    """[size, size, 3] uint8 that `read_pattern` reads back; `size` is a multiple of SIZE_STEP."""
    codes = np.array([number % MODULUS, marker % MODULUS], dtype=np.uint8)
    cells = np.where(np.unpackbits(codes), _WHITE, _BLACK).astype(np.uint8).reshape(CELLS, CELLS)
    image = cells.repeat(size // CELLS, axis=0).repeat(size // CELLS, axis=1)
    return image[:, :, None].repeat(3, axis=2)


def read_pattern(image: np.ndarray) -> tuple[int, int]:
    """Frame number and recording, modulo MODULUS, in a whole picture [H, W, 3] of any size."""
    middles = [(np.arange(CELLS) * 2 + 1) * side // (2 * CELLS) for side in image.shape[:2]]
    bits = image[np.ix_(*middles)].mean(axis=2) > (_BLACK + _WHITE) / 2
    number, marker = np.packbits(bits.reshape(-1)).tolist()
    return number, marker
