"""FrameStore: every frame of a FrameTable as uint8, built once, memory-mapped by every trial on the machine.

    <folder>/<dataset>-<size>px-<fingerprint[:12]>/
        frames.bin      uint8 [n, size, size, 3], rows in FrameTable order
        table.parquet   the FrameTable
        store.json      format, shape, fingerprint, alignment, a crc32 per chunk of rows

A build works in `.<name>.partial` and is renamed when whole; what an interrupted build left is checked and kept.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from data.align import align, alignment_id
from data.aus import au_column
from data.errors import InputError, raise_all
from data.files import Progress, check_writable, exclusive_lock, no_progress, write_atomic
from data.frames import KEY, SCHEMA, aus_of, load_table, save_table
from data.media import VideoFrames, read_image

FORMAT = 1
CHUNK = 64  # rows
FRAMES, TABLE, STORE, LOG = "frames.bin", "table.parquet", "store.json", "chunks.log"


@dataclass(frozen=True, eq=False)
class FrameStore:
    """An open store; `frames` [n, size, size, 3] is mapped on first use and read-only."""

    path: Path
    table: pl.DataFrame = field(repr=False)
    size: int
    fingerprint: str
    alignment: str
    checksums: tuple[int, ...] = field(repr=False)

    def __len__(self) -> int:
        return self.table.height

    def __reduce__(self) -> tuple[object, ...]:
        # a mapping would be pickled as all of its bytes
        return open_store, (self.path,)

    @cached_property
    def frames(self) -> np.ndarray:
        """Mapped frames, uint8 [n, size, size, 3]."""
        shape = (len(self), self.size, self.size, 3)
        return np.memmap(self.path / FRAMES, dtype=np.uint8, mode="r", shape=shape)

    @property
    def subjects(self) -> np.ndarray:
        """Subject of each row, [n]."""
        return np.array(self.table["subject"].to_list())

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Frames of `rows` [B] in the order asked for, uint8 [B, size, size, 3], copied out."""
        assert (np.asarray(rows) >= 0).all(), "rows are counted from 0"
        batch = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        for position in np.argsort(rows, kind="stable"):
            batch[position] = self.frames[rows[position]]
        return batch

    def labels(self, aus: Sequence[int]) -> np.ndarray:
        """Labels of all rows, int8 [n, A]: 1, 0, or -1 where not coded."""
        missing = [au for au in aus if au not in aus_of(self.table)]
        if missing:
            raise InputError(f"{self.path.name} does not code AU {missing}; it codes {list(aus_of(self.table))}")
        return self.table.select(pl.col(au_column(au)).fill_null(-1) for au in aus).to_numpy()

    def verify(self) -> None:
        """Read every frame and raise `InputError` with the rows whose checksum is wrong."""
        problems = [
            f"rows {chunk * CHUNK} to {min((chunk + 1) * CHUNK, len(self)) - 1}"
            for chunk, expected in enumerate(self.checksums)
            if zlib.crc32(self.frames[chunk * CHUNK : (chunk + 1) * CHUNK].data) != expected
        ]
        raise_all(f"{self.path} is damaged; delete it and build it again. Damaged:", problems)


def fingerprint(table: pl.DataFrame, alignment: str, size: int) -> str:
    """Identity of a store (sha256, hex): content of the table, alignment with its version, size and format.

    Paths in a FrameTable are relative and its rows sorted, so neither the root nor the order of reading matters.
    """
    return _fingerprint(table.sort(KEY), alignment_id(alignment), size)


def _fingerprint(table: pl.DataFrame, alignment: str, size: int) -> str:
    digest = hashlib.sha256(f"{FORMAT}|{alignment}|{size}|".encode())
    digest.update(table_digest(table))
    return digest.hexdigest()


def table_digest(table: pl.DataFrame) -> bytes:
    """sha256 of the values of a FrameTable, column by column; the same in every polars version."""
    digest = hashlib.sha256()
    for name in (*SCHEMA, *(au_column(au) for au in aus_of(table))):
        column = table[name]
        digest.update(f"\x1e{name}\x1e".encode())
        if column.dtype == pl.String:
            digest.update("\x1f".join("\x00" if cell is None else cell for cell in column.to_list()).encode())
        else:
            digest.update(column.cast(pl.Int32).fill_null(-(2**31)).to_numpy().astype("<i4").tobytes())
    return digest.digest()


def open_store(path: Path) -> FrameStore:
    """Open a finished store; `InputError` if it is not one, of another format, or not whole."""
    try:
        facts = json.loads((path / STORE).read_text())
        form, size, alignment = int(facts["format"]), int(facts["size"]), str(facts["alignment"])
        name, checksums = str(facts["fingerprint"]), tuple(int(crc) for crc in facts["crc32"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a finished store ({error}). Delete it and build it again.") from error
    if form != FORMAT:
        raise InputError(f"{path} has format {form}, this version reads {FORMAT}. Build it again.")
    try:
        table = load_table(path / TABLE)
        length = (path / FRAMES).stat().st_size
    except (OSError, InputError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} is damaged ({error}). Delete it and build it again.") from error
    expected = table.height * size * size * 3
    if length != expected or _fingerprint(table, alignment, size) != name:
        what = f"{FRAMES} has {length} bytes of {expected}" if length != expected else f"{TABLE} was changed"
        raise InputError(f"{path} is damaged ({what}). Delete it and build it again.")
    return FrameStore(path, table, size, name, alignment, checksums)


def find_store(folder: Path, dataset: str, size: int) -> FrameStore | None:
    """The store of `dataset` at `size` in `folder`, for when the raw frames are not at hand."""
    prefix = f"{dataset}-{size}px-"
    found = sorted(path.parent for path in folder.glob(f"*/{STORE}") if path.parent.name.startswith(prefix))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{folder} has {len(found)} stores of {dataset} at {size} px: {names}. Keep or name one.")
    return open_store(found[0]) if found else None


def store_path(table: pl.DataFrame, folder: Path, size: int, alignment: str) -> Path:
    """Where the store of `table` lies below `folder`, built or not."""
    names = table["dataset"].unique().to_list()
    if len(names) != 1:
        raise InputError(f"a store holds one dataset, the table has {names}")
    return folder / f"{names[0]}-{size}px-{fingerprint(table, alignment, size)[:12]}"


def build_store(
    table: pl.DataFrame,
    root: Path,
    folder: Path,
    size: int = 96,
    alignment: str = "precropped",
    progress: Progress = no_progress,
) -> FrameStore:
    """Build the store of `table`, whose paths are relative to `root`, below `folder`, or open it if it is there.

    Safe to interrupt and to start twice: a second build waits, a later one continues. Every frame that cannot be
    read is listed in one `InputError`, and then no store appears.
    """
    if not 8 <= size <= 1024:
        raise InputError(f"size={size}; allowed: 8 to 1024 pixels")
    path = store_path(table, folder, size, alignment)
    if path.exists():
        return open_store(path)
    check_writable(folder)
    with exclusive_lock(folder / f".{path.name}.lock"):
        if not path.exists():
            _build(_Source(table.sort(KEY), root, size, alignment), path, progress)
    return open_store(path)


@dataclass(frozen=True, eq=False)
class _Source:
    table: pl.DataFrame
    root: Path
    size: int
    alignment: str

    @property
    def chunks(self) -> int:
        return -(-self.table.height // CHUNK)

    def place(self, chunk: int) -> tuple[int, int]:
        """First byte and number of bytes of a chunk in the frames file."""
        row = self.size * self.size * 3
        return chunk * CHUNK * row, min(CHUNK, self.table.height - chunk * CHUNK) * row


def _build(source: _Source, path: Path, progress: Progress) -> None:
    work = path.with_name(f".{path.name}.partial")
    try:
        work.mkdir(exist_ok=True)
        checksums = _write_frames(source, work, progress)
        save_table(source.table, work / TABLE)
        facts = {
            "format": FORMAT,
            "size": source.size,
            "frames": source.table.height,
            "alignment": alignment_id(source.alignment),
            "fingerprint": fingerprint(source.table, source.alignment, source.size),
            "crc32": checksums,
        }
        write_atomic(work / STORE, json.dumps(facts).encode())
        work.rename(path)
        (path / LOG).unlink()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(f"cannot write {path}: {error.strerror}. Make room; what is written is kept.") from error


def _write_frames(source: _Source, work: Path, progress: Progress) -> list[int]:
    """Write what is missing of the frames file in `work`; the checksum of every chunk."""
    done = _finished(source, work)
    _check_space(source, done, work.parent)
    write_atomic(work / LOG, "".join(f"{chunk} {crc}\n" for chunk, crc in done.items()).encode())
    problems: dict[str, None] = {}
    with (work / FRAMES).open("r+b") as frames, (work / LOG).open("a") as log:
        for chunk, images in _render(source, set(done)):
            broken = [str(image) for image in images if isinstance(image, InputError)]
            problems |= dict.fromkeys(broken)
            if not broken:
                done[chunk] = _write_chunk(frames, source.place(chunk)[0], images)
                log.write(f"{chunk} {done[chunk]}\n")
                log.flush()
            progress(min((chunk + 1) * CHUNK, source.table.height), source.table.height)
        os.fsync(frames.fileno())
    raise_all(f"frames below {source.root} cannot be read; no store was built:", list(problems))
    return [done[chunk] for chunk in range(source.chunks)]


def _write_chunk(frames: BinaryIO, start: int, images: list[np.ndarray | InputError]) -> int:
    content = b"".join(image.tobytes() for image in images if isinstance(image, np.ndarray))
    frames.seek(start)
    frames.write(content)
    frames.flush()
    return zlib.crc32(content)


def _finished(source: _Source, work: Path) -> dict[int, int]:
    """Chunks that an interrupted build left whole, with their checksums."""
    for name in (FRAMES, LOG):
        (work / name).touch()
    done = {}
    with (work / FRAMES).open("rb") as frames:
        for line in (work / LOG).read_text(errors="replace").splitlines():
            match = re.fullmatch(r"([0-9]{1,9}) ([0-9]{1,10})", line)
            if match and int(match[1]) < source.chunks:
                start, length = source.place(int(match[1]))
                frames.seek(start)
                content = frames.read(length)
                if len(content) == length and zlib.crc32(content) == int(match[2]):
                    done[int(match[1])] = int(match[2])
    return done


def _check_space(source: _Source, done: Collection[int], folder: Path) -> None:
    needed = sum(source.place(chunk)[1] for chunk in range(source.chunks) if chunk not in done)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(f"{folder}: the store needs {needed:,} more bytes, {free:,} are free. Make room there.")


def _render(source: _Source, done: set[int]) -> Iterator[tuple[int, list[np.ndarray | InputError]]]:
    """Every chunk that is not done, with its frames aligned, or an error in the place of a frame."""
    places = source.table.select("path", "index").rows()
    videos = VideoFrames()

    def fetch(path: Path, index: int | None) -> Path | np.ndarray | InputError:
        try:
            return path if index is None else videos.frame(path, index)
        except InputError as error:
            return error

    def finish(raw: Path | np.ndarray | InputError) -> np.ndarray | InputError:
        try:
            image = read_image(raw) if isinstance(raw, Path) else raw
            return image if isinstance(image, InputError) else align(image, source.size, source.alignment)
        except InputError as error:
            return error

    with ThreadPoolExecutor(min(16, len(os.sched_getaffinity(0)))) as threads:
        for chunk in range(source.chunks):
            if chunk not in done:
                rows = places[chunk * CHUNK : (chunk + 1) * CHUNK]
                raw = [fetch(source.root / path, index) for path, index in rows]
                yield chunk, list(threads.map(finish, raw))
