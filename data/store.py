"""FrameStore: the face crop of every frame of a FrameTable, built once, read by every trial on the machine.

    <folder>/<dataset>-<size>px-<fingerprint[:12]>/
        shards/00000.bin   frames one after another: uint8 [size, size, 3] (raw), or JPEG files (jpeg)
        table.parquet      the FrameTable, in the order of the frames
        excluded.parquet   coded frames that are not in the store, with the reason
        sources.parquet    every raw file that was read: path, bytes, crc32 (null for videos)
        lengths.npy        jpeg only: bytes of each frame
        pictures.bin       perceptual hashes of each frame: 32 bytes of the whole picture, 32 of the stored face
        videos_of.txt      only where the user said it: the dataset whose people the frames show
        store.json         format, shape, fingerprint, alignment, drawn or real; first row, bytes, crc32 of each shard

`data.build` writes stores; a store that has its final name is whole and never changes.

Frames are read with `pread` after the kernel was told about the whole batch. Measured on one core, 256 px, in random
order: 54,000 frames/s warm and 8,900 cold; through a memory mapping it was 37,000 and 700.
"""

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.aus import au_column
from data.checked import json_object
from data.errors import DamagedError, InputError, first_line, raise_all
from data.faces.align import Faces
from data.files import write_atomic
from data.frames import KEY, aus_of, load_table, table_digest
from data.media import decode_image
from data.near_frames import HASH_BYTES
from data.once import file_crc32
from data.parquet import read_sealed, write_sealed
from data.settings import StoreSettings
from data.shards import BUILD_AGAIN, Shards

STORE_FORMAT = 2
TABLE, EXCLUDED_FRAMES, SOURCES = "table.parquet", "excluded.parquet", "sources.parquet"
LENGTHS, STORE = "lengths.npy", "store.json"
PICTURES, VIDEOS_OF = "pictures.bin", "videos_of.txt"
# of the parsers of a damaged store; PanicException is no Exception
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, IndexError, EOFError, MemoryError, OverflowError),
    *(pl.exceptions.PolarsError, pl.exceptions.PanicException),
)


@dataclass(frozen=True, eq=False)
class FrameStore:
    """An open store; rows are counted from 0 in the order of `table`."""

    path: Path
    table: pl.DataFrame = field(repr=False)
    settings: StoreSettings
    fingerprint: str
    alignment: str
    shards: Shards = field(repr=False)
    drawn: bool | None = None  # whether the frames are drawn faces; None: built before this was recorded

    def __len__(self) -> int:
        return self.table.height

    def __reduce__(self) -> tuple[object, ...]:
        # a worker opens the store itself: open files cannot be pickled, and a table is large
        return open_store, (self.path,)

    @property
    def size(self) -> int:
        """Side of the frames in pixels."""
        return self.settings.size

    @cached_property
    def excluded(self) -> pl.DataFrame:
        """Coded frames that are not in the store: subject, sequence, frame, reason."""
        return read_part(self.path / EXCLUDED_FRAMES)

    @property
    def has_pictures(self) -> bool:
        """Whether the store was built with `pictures`."""
        return "pictures" in _facts(self.path)

    @cached_property
    def pictures(self) -> np.ndarray:
        """Perceptual hashes of the whole picture and of the stored face of every row, uint8 [n, 2, 32]."""
        path = self.path / PICTURES
        if not self.has_pictures:
            raise InputError(f"{self.path} was built before people were compared by their pictures. {BUILD_AGAIN}")
        content = path.read_bytes() if path.is_file() else b""
        if zlib.crc32(content) != _facts(self.path)["pictures"] or len(content) != len(self) * 2 * HASH_BYTES:
            raise InputError(f"{self.path} is damaged ({PICTURES}). {BUILD_AGAIN}")
        return np.frombuffer(content, np.uint8).reshape(-1, 2, HASH_BYTES)

    @property
    def people_of(self) -> str:
        """The dataset whose people the frames show: what the user said (`say_videos_of`), else its own."""
        said = self.path / VIDEOS_OF
        return said.read_text().strip() if said.exists() else str(self.table["dataset"][0])

    def say_videos_of(self, dataset: str) -> None:
        """Keep with the store that its frames show people of `dataset`; trials that use it are not touched."""
        write_atomic(self.path / VIDEOS_OF, f"{dataset}\n".encode())

    def subjects_of(self, rows: np.ndarray) -> list[str]:
        """Subject of each of `rows` [B]."""
        return self.table["subject"].gather(rows).to_list()

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of `rows` [B] in the order asked for, uint8 [B, size, size, 3], into `out` if it is given."""
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)}")
        batch = np.empty((len(rows), self.size, self.size, 3), np.uint8) if out is None else out
        assert batch.shape == (len(rows), self.size, self.size, 3)
        assert batch.dtype == np.uint8
        # in the order of the disk, whatever order the rows are asked in
        order = np.argsort(rows, kind="stable")
        if self.settings.codec == "raw":
            self.shards.read(rows[order], [batch[position] for position in order])
        else:
            for position, content in zip(order, self.shards.contents(rows[order]), strict=True):
                batch[position] = decode_image(content, f"{self.path.name}, row {rows[position]}")
        return batch

    def labels(self, aus: Sequence[int]) -> np.ndarray:
        """Labels of all rows, int8 [n, A]: 1, 0, or -1 where not coded."""
        missing = [au for au in aus if au not in aus_of(self.table)]
        if missing:
            raise InputError(f"{self.path.name} does not code AU {missing}; it codes {list(aus_of(self.table))}")
        if not aus:  # polars would return no rows
            return np.empty((len(self), 0), np.int8)
        return self.table.select(pl.col(au_column(au)).fill_null(-1) for au in aus).to_numpy()

    def verify(self) -> None:
        """Read everything and raise `InputError` with the rows whose checksum is wrong."""
        raise_all(f"{self.path} is damaged. {BUILD_AGAIN} Damaged:", self.shards.damaged())

    def check_sources(self, root: Path, sample: int = 256) -> None:
        """Raise `InputError` if raw files below `root` are not those that the store was built from.

        An evenly spread sample is compared: size and content of images, size of videos.
        """
        sources = read_part(self.path / SOURCES)
        chosen = np.unique(np.linspace(0, sources.height - 1, min(sample, sources.height)).astype(int))
        changed = [problem for source in sources[chosen].iter_rows() if (problem := source_problem(root, *source))]
        raise_all(
            f"raw files changed after {self.path} was built. Restore them, or build the store again with rebuild=true:",
            changed,
        )


def write_part(table: pl.DataFrame, path: Path) -> None:
    """Write a table beside the FrameTable of a store."""
    write_sealed(table, path, path.name)


def read_part(path: Path) -> pl.DataFrame:
    """Read a table that `write_part` wrote; `DamagedError` when it was changed."""
    try:
        return read_sealed(path, path.name)
    except (OSError, DamagedError) as error:
        raise DamagedError(f"{path} is damaged: {error}. {BUILD_AGAIN}") from error


def source_problem(root: Path, path: str, length: int, crc32: int | None) -> str | None:
    """What is wrong with a raw file that had `length` bytes and the checksum `crc32` (None: not compared)."""
    try:
        now = (root / path).stat().st_size
        if now != length:
            return f"{path} has {now:,} bytes, had {length:,}"
        if crc32 is not None and zlib.crc32((root / path).read_bytes()) != crc32:
            return f"{path} has different content"
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def fingerprint(faces: Faces, settings: StoreSettings) -> str:
    """Identity of a store (sha256, hex): the table, where the faces are, the alignment and how frames are stored.

    Paths in a FrameTable are relative and its rows sorted, so neither the root nor the order of reading matters.
    """
    assert faces.table.select(KEY).equals(faces.table.select(KEY).sort(KEY)), "a FrameTable is sorted"
    return _fingerprint(faces.table, faces.alignment, crops_digest(faces), settings)


def crops_digest(faces: Faces) -> str:
    """sha256 (hex) of where the faces are, to a thousandth of a pixel; empty for pictures that are crops already."""
    if faces.crops is None:
        return ""
    # rounded: the last bits of a crop differ between machines and change no pixel
    return hashlib.sha256(np.round(faces.crops.astype("<f8"), 3).tobytes()).hexdigest()


def _fingerprint(table: pl.DataFrame, alignment: str, crops: str, settings: StoreSettings) -> str:
    # the quality of JPEG does not matter to a raw store
    how = settings.codec if settings.codec == "raw" else f"{settings.codec}{settings.quality}"
    digest = hashlib.sha256(f"{STORE_FORMAT}|{alignment}|{crops}|{settings.size}|{how}|".encode())
    digest.update(table_digest(table))
    return digest.hexdigest()


def store_path(faces: Faces, folder: Path, settings: StoreSettings) -> Path:
    """Where the store of `faces` lies below `folder`, built or not."""
    names = faces.table["dataset"].unique().to_list()
    if len(names) != 1:
        raise InputError(f"a store holds one dataset, but the table has {names}")
    return folder / f"{names[0]}-{settings.size}px-{fingerprint(faces, settings)[:12]}"


def open_store(path: Path, table: pl.DataFrame | None = None) -> FrameStore:
    """Open a finished store; `InputError` if it is not one, is of another format, or is incomplete.

    `table` is the table of the store, if it is in memory already: millions of rows are then not read a second time.
    """
    facts = _facts(path)
    if facts.get("format") != STORE_FORMAT:
        raise InputError(f"{path} has format {facts.get('format')}, this version reads {STORE_FORMAT}. {BUILD_AGAIN}")
    try:
        settings = StoreSettings(facts["size"], facts["codec"], facts["quality"])
        table = load_table(path / TABLE) if table is None else table
        raw = np.full(table.height, settings.size**2 * 3, np.int32)
        lengths = np.load(path / LENGTHS) if settings.codec == "jpeg" else raw
        shards = Shards(path, facts["starts"], lengths, facts["crc32"])
        identity = _fingerprint(table, facts["alignment"], facts["crops"], settings)
    except _DAMAGE as error:
        raise DamagedError(f"{path} is damaged ({first_line(error)}). {BUILD_AGAIN}") from error
    problems = shards.wrong_sizes()  # checksums would take minutes: reading compares them
    # stores of former revisions have no checksum of the lengths
    if settings.codec == "jpeg" and file_crc32(path / LENGTHS) != facts.get("lengths", file_crc32(path / LENGTHS)):
        problems.append(f"{LENGTHS} was changed")
    if identity != facts.get("fingerprint"):
        problems.append(f"{TABLE} or {STORE} was changed")
    raise_all(f"{path} is damaged. {BUILD_AGAIN}", problems)
    return FrameStore(path, table, settings, identity, facts["alignment"], shards, facts.get("drawn"))


def _facts(path: Path) -> dict[str, Any]:
    try:
        return json_object((path / STORE).read_bytes(), STORE)
    except OSError as error:
        raise InputError(f"{path} is not a finished store ({error}). {BUILD_AGAIN}") from error
    except DamagedError as error:
        raise DamagedError(f"{path} is not a finished store ({STORE}: {error}). {BUILD_AGAIN}") from error


def named_store(folder: Path, fingerprint: str) -> FrameStore:
    """The store with this `fingerprint` in `folder`."""
    for path in sorted(path for path in folder.glob("*") if path.name.endswith(f"-{fingerprint[:12]}")):
        store = open_store(path)
        if store.fingerprint == fingerprint:
            return store
    raise InputError(f"{folder} has no frame store {fingerprint}; build it again with launch/prepare.py")


def stores_of(folder: Path, dataset: str, size: int) -> list[Path]:
    """Finished stores of `dataset` at `size` below `folder`, of whatever format and alignment."""
    prefix = f"{dataset}-{size}px-"
    return sorted(path.parent for path in folder.glob(f"*/{STORE}") if path.parent.name.startswith(prefix))


def sizes_of(folder: Path, dataset: str) -> set[int]:
    """The sizes, in pixels, at which `dataset` has finished stores below `folder`."""
    names = [re.fullmatch(rf"{re.escape(dataset)}-(\d+)px-.*", path.parent.name) for path in folder.glob(f"*/{STORE}")]
    return {int(name[1]) for name in names if name}


def find_store(folder: Path, dataset: str, size: int) -> FrameStore | None:
    """The store of `dataset` at `size` in `folder`, for use without the raw frames; None if there is none."""
    found = stores_of(folder, dataset, size)
    # an old store beside a new one does no harm; alone, opening it says what is wrong
    found = [path for path in found if _facts(path).get("format") == STORE_FORMAT] or found
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{folder} has {len(found)} stores of {dataset} at {size} px: {names}. Keep one of them.")
    return open_store(found[0]) if found else None
