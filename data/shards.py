"""The frame files of one store: what is kept of a frame, where each row lies in them, and reading it."""

import os
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DamagedError, InputError
from data.faces.align import align
from data.media import encode_jpeg, is_jpeg
from data.near_frames import picture_hash
from data.once import file_crc32, is_intact
from data.settings import StoreSettings

SHARDS = "shards"
SAY_EVERY_S = 10.0  # of checking
BUILD_AGAIN = "Build it again: launch/prepare.py with the same keys and rebuild=true."


class Shards:
    """The frame files of the store in `folder`, opened when they are first read."""

    def __init__(self, folder: Path, starts: Sequence[int], lengths: np.ndarray, crc32: Sequence[int]) -> None:
        self.folder, self.crc32 = folder, crc32
        self.starts = np.array(starts)  # [S + 1] first row of each shard, and the number of rows
        self.lengths = lengths  # [n] bytes of each row
        # int64: the stores of large datasets have more than 2^31 bytes
        self.offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])  # [n + 1] over all shards
        self.opened: dict[int, int] = {}
        self.compared = _Compared()
        # not __del__: a store that is dropped while Python ends would find its globals gone
        weakref.finalize(self, _close_all, self.opened)

    def read(self, rows: np.ndarray, frames: Sequence[np.ndarray]) -> None:
        """Fill each of `frames` with the bytes of its row."""
        for (handle, first, length), frame in zip(self._announced(rows), frames, strict=True):
            # pread needs no position, so that several threads may read through one handle
            if os.preadv(handle, [frame.data], first) != length:
                raise InputError(f"{self.folder} was changed. {BUILD_AGAIN}")

    def contents(self, rows: np.ndarray) -> Iterator[bytes]:
        """The bytes of each of `rows`."""
        return (os.pread(handle, length, first) for handle, first, length in self._announced(rows))

    def _announced(self, rows: np.ndarray) -> list[tuple[int, int, int]]:
        """Handle, first byte and length of each of `rows`, after the kernel was asked to fetch all of them at once.

        A batch then waits for the disk once, not once a row.
        """
        shards = np.searchsorted(self.starts, rows, side="right") - 1
        firsts = self.offsets[rows] - self.offsets[self.starts[shards]]
        places = zip(shards.tolist(), firsts.tolist(), self.lengths[rows].tolist(), strict=True)
        found = [(self._handle(shard), first, length) for shard, first, length in places]
        for place in found:
            os.posix_fadvise(*place, os.POSIX_FADV_WILLNEED)
        return found

    def damaged(self) -> list[str]:
        """Rows of the shards whose checksum is wrong."""
        return [
            self._rows(shard) for shard, expected in enumerate(self.crc32) if file_crc32(self._path(shard)) != expected
        ]

    def wrong_sizes(self) -> list[str]:
        """Shards that are missing, cut off or too long."""
        problems = []
        for shard, expected in enumerate(np.diff(self.offsets[self.starts]).tolist()):
            path = self._path(shard)
            found = path.stat().st_size if path.is_file() else 0
            if found != expected:
                problems.append(f"{path.parent.name}/{path.name} has {found} bytes of {expected}")
        return problems

    def _rows(self, shard: int) -> str:
        return f"rows {self.starts[shard]} to {self.starts[shard + 1] - 1} ({self._path(shard).name})"

    def _path(self, shard: int) -> Path:
        return shard_path(self.folder, shard)

    def _handle(self, shard: int) -> int:
        if shard not in self.opened:
            self._compare(shard)
            self.opened[shard] = os.open(self._path(shard), os.O_RDONLY)
        return self.opened[shard]

    def _compare(self, shard: int) -> None:
        """Raise `DamagedError` unless the shard has its checksum; says so when this takes long."""
        begun = time.perf_counter()
        if not is_intact(self._path(shard), self.crc32[shard]):
            raise DamagedError(f"{self.folder} is damaged: {self._rows(shard)} have a wrong checksum. {BUILD_AGAIN}")
        if said := self.compared.add(self._path(shard).stat().st_size, time.perf_counter() - begun):
            print(f"checking the frames of {self.folder.name}: {said}", file=sys.stderr, flush=True)


@dataclass
class _Compared:
    """How much was compared, in how long."""

    size: int = 0  # bytes
    seconds: float = 0.0
    said: float = 0.0  # seconds when it was last said

    def add(self, size: int, seconds: float) -> str:
        """Words to say, or none."""
        self.size, self.seconds = self.size + size, self.seconds + seconds
        if self.seconds - self.said < SAY_EVERY_S:
            return ""
        self.said = self.seconds
        return f"{self.size / 1e9:.1f} GB in {self.seconds:.0f} s, {self.size / 1e9 / self.seconds:.1f} GB/s"


def _close_all(opened: dict[int, int]) -> None:
    for handle in opened.values():
        os.close(handle)


def stored_frame(
    image: np.ndarray, content: bytes, crop: np.ndarray | None, settings: StoreSettings
) -> tuple[bytes, bytes]:
    """The stored form of `image`, whose file holds `content`, and the hashes of the whole picture and of the face.

    A JPEG crop of the right size is not compressed again.
    """
    face = align(image, settings.size, crop)
    whole = picture_hash(image).tobytes()
    hashes = whole + (whole if face is image else picture_hash(face).tobytes())
    if settings.codec == "raw":
        return face.tobytes(), hashes
    if crop is None and image.shape[:2] == (settings.size, settings.size) and content and is_jpeg(content):
        return content, hashes
    return encode_jpeg(face, settings.quality), hashes


def shard_path(folder: Path, shard: int) -> Path:
    """The file of one shard of the store, or unfinished store, in `folder`."""
    return folder / SHARDS / f"{shard:05d}.bin"
