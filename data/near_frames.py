"""Perceptual hashes of pictures, and the people of two sets of pictures who are in equal or nearly equal ones.

A hash says which of the lowest 16 x 16 frequencies of a grey picture are above their median. The same picture after
another codec or size differs in few bits; aligned faces of two people in many. `tests/benchmarks/near_frames.py`
measures both, and the threshold between them.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from PIL import Image

HASH_BYTES = 32
NEAR = 24  # bits of 255: most re-encoded pictures differ in less, those of two people in more
TIED = 3  # near pictures that tie two people, or all of them where there are fewer
MOST_PEOPLE = 16  # people of one set: what more of them show is a background or a title, and tells nobody apart
_SIDE, _FREQUENCIES = 64, 16
_ENOUGH = 512  # pixels of the shorter side: of larger pictures every second, third, ... pixel is looked at
_FLAT = 4.0  # grey levels: a picture with a smaller standard deviation shows nothing that could be compared
_BASIS = np.cos(np.pi / _SIDE * np.outer(np.arange(_FREQUENCIES), np.arange(_SIDE) + 0.5)).astype(np.float32)
# in an order in which every byte samples all frequencies; the mean grey is left out
_ORDER = 1 + 97 * np.arange(_FREQUENCIES**2 - 1) % (_FREQUENCIES**2 - 1)
# bytes of a hash that are looked up as one key: near hashes agree in some of them
_BANDS = [(first, (first + 5) % HASH_BYTES, (first + 13) % HASH_BYTES) for first in range(0, HASH_BYTES, 2)]
_SLICE = 1 << 20  # pairs that are compared at once: the memory stays bounded


@dataclass(frozen=True, eq=False)
class Hashed:
    """Hashes of pictures, uint8 [n, 32], and the number of the person in each, int [n]."""

    hashes: np.ndarray
    people: np.ndarray

    def shown(self) -> np.ndarray:
        """Rows [k] whose picture shows something."""
        return np.flatnonzero(self.hashes.any(axis=1))


def picture_hash(image: np.ndarray) -> np.ndarray:
    """The hash of a picture uint8 [H, W, 3], uint8 [32]; zeros for one that shows nothing, as a black one."""
    step = max(1, min(image.shape[:2]) // _ENOUGH)
    # green is most of what the eye calls bright; a grey picture of all three would take longer than decoding
    green = Image.fromarray(np.ascontiguousarray(image[::step, ::step, 1]))
    grey = np.asarray(green.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=2), np.float32)
    if grey.std() < _FLAT:
        return np.zeros(HASH_BYTES, np.uint8)
    found = (_BASIS @ grey @ _BASIS.T).ravel()[_ORDER]
    return np.packbits(found > np.median(found))


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Number of different bits, [n], of hashes uint8 [n, 32] and [n, 32]."""
    words = np.ascontiguousarray(one).view(np.uint64) ^ np.ascontiguousarray(other).view(np.uint64)
    bits: np.ndarray = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return bits


def near_people(one: Hashed, other: Hashed) -> pl.DataFrame:
    """People of `one` and of `other` who are tied by near pictures, in the order of both.

    Columns person, other, frames (near pictures of `other`), row and other_row (the nearest pair of pictures). People
    are tied by `TIED` near pictures, or by all that show something, where one of them has fewer. A set compared with
    itself gives different people alone.
    """
    pairs = pl.concat(_near_pairs(one, other, band) for band in _BANDS).sort("bits", "other_row", "row")
    first = pl.col("row", "other_row").first()
    found = pairs.group_by("person", "other").agg(pl.col("other_row").n_unique().alias("frames"), first)
    for side, hashed in (("person", one), ("other", other)):
        found = found.join(_shown_of(hashed, side), on=side)
    needed = pl.min_horizontal("shown_person", "shown_other", pl.lit(TIED))
    tied = found.filter(pl.col("frames") >= needed).sort("person", "other")
    return tied.select("person", "other", "frames", "row", "other_row")


def _shown_of(hashed: Hashed, side: str) -> pl.DataFrame:
    """Pictures of each person that show something: columns `side` and shown_<side>."""
    people, counts = np.unique(hashed.people[hashed.shown()], return_counts=True)
    return pl.DataFrame({side: people, f"shown_{side}": counts})


def _near_pairs(one: Hashed, other: Hashed, band: tuple[int, int, int]) -> pl.DataFrame:
    """Near pictures with the same bytes of `band`: person, other, row, other_row, bits.

    Of the pictures of a person of `one` with the same bytes the first stands for all.
    """
    mine = _keys(one, band).unique(["key", "person"], keep="first", maintain_order=True)
    mine = mine.filter(pl.len().over("key") <= MOST_PEOPLE)
    theirs = _keys(other, band).rename({"person": "other", "row": "other_row"})
    met = theirs.join(mine, on="key")
    if one is other:
        met = met.filter(pl.col("person") != pl.col("other"))
    parts = (met[first : first + _SLICE] for first in range(0, max(met.height, 1), _SLICE))
    return pl.concat(_measured(one, other, part) for part in parts)


def _measured(one: Hashed, other: Hashed, pairs: pl.DataFrame) -> pl.DataFrame:
    bits = distances(one.hashes[pairs["row"]], other.hashes[pairs["other_row"]])
    return pairs.drop("key").with_columns(bits=pl.Series(bits, dtype=pl.Int64)).filter(pl.col("bits") <= NEAR)


def _keys(hashed: Hashed, band: tuple[int, int, int]) -> pl.DataFrame:
    """Columns key, person and row of every picture that shows something."""
    rows = hashed.shown()
    high, middle, low = (hashed.hashes[rows, byte].astype(np.uint32) for byte in band)
    return pl.DataFrame({"key": high << 16 | middle << 8 | low, "person": hashed.people[rows], "row": rows})
