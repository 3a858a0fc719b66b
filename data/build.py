"""Building frame stores: in several processes, safe to interrupt at any moment and to start twice.

A store is built in `.<name>.partial` beside its place. Each shard is written under a temporary name and renamed when
it is whole, so that whatever an interrupted build left under a final name is kept. The folder is renamed last.
"""

import errno
import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.checked import json_bytes
from data.drawn import is_drawn
from data.errors import InputError, raise_all
from data.faces.align import Faces
from data.files import Progress, atomic_path, check_writable, exclusive_lock, no_progress, write_atomic
from data.frames import save_table
from data.media import VideoFrames, decode_image, read_bytes
from data.once import file_crc32
from data.parallel import cores, run_tasks
from data.settings import StoreSettings
from data.shards import SHARDS, shard_path, stored_frame
from data.store import (
    EXCLUDED_FRAMES,
    LENGTHS,
    PICTURES,
    SOURCES,
    STORE,
    STORE_FORMAT,
    TABLE,
    FrameStore,
    crops_digest,
    fingerprint,
    open_store,
    source_problem,
    store_path,
    write_part,
)

SHARD_BYTES = 1 << 28  # of uncompressed frames: a few hundred open files for the largest dataset
SHARD_ROWS = 256  # at least, where the dataset is small
SHARDS_WANTED = 64  # so that processes share the work evenly
ROWS_PER_PROCESS = 2000  # with fewer rows, starting a process costs more than it saves
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SOURCES = {"path": pl.String, "bytes": pl.Int64, "crc32": pl.Int64}

Source = tuple[str, int, int | None]  # path, bytes, crc32 (None for a video)


def build_store(
    faces: Faces,
    root: Path,
    folder: Path,
    settings: StoreSettings,
    processes: int = 0,
    progress: Progress = no_progress,
    rebuild: bool = False,
) -> FrameStore:
    """Build the store of `faces`, whose paths are relative to `root`, below `folder`, or open it if it is there.

    `processes` 0 takes one for each core. A second build of the same store waits, a later one continues. Every frame
    that cannot be read is listed in one `InputError`, and then no store appears. With `rebuild` an existing store is
    replaced when the new one is complete.
    """
    path = store_path(faces, folder, settings)
    if path.exists() and not rebuild:
        return open_store(path)
    check_writable(folder)
    with exclusive_lock(folder / f".{path.name}.lock"):
        if rebuild or not path.exists():  # another process may have built it while this one waited
            _build(_Plan(faces, root, path.with_name(f".{path.name}.partial"), settings), path, processes, progress)
    return open_store(path, faces.table)


@dataclass(frozen=True)
class _Shard:
    """What one process needs to write one shard."""

    folder: Path
    number: int
    root: Path
    places: Sequence[tuple[str, int | None]]  # path, position in the video
    crops: np.ndarray | None  # [rows, 2, 3]
    settings: StoreSettings


class _Plan(Sequence[_Shard]):
    """The shards of a store, made when they are asked for: all rows as Python objects would fill the memory."""

    def __init__(self, faces: Faces, root: Path, folder: Path, settings: StoreSettings) -> None:
        self.faces, self.root, self.folder, self.settings = faces, root, folder, settings
        self.starts = shard_starts(faces.table, settings.size)
        self.todo = list(range(len(self.starts) - 1))

    def __len__(self) -> int:
        return len(self.todo)

    def __getitem__(self, position: Any) -> Any:
        number = self.todo[position]
        first, last = self.starts[number], self.starts[number + 1]
        crops = None if self.faces.crops is None else self.faces.crops[first:last]
        places = self.faces.table["path", "index"][first:last].rows()
        return _Shard(self.folder, number, self.root, places, crops, self.settings)

    def rows(self, number: int) -> int:
        """Frames of a shard."""
        return self.starts[number + 1] - self.starts[number]


def shard_starts(table: pl.DataFrame, size: int) -> list[int]:
    """First row of each shard, and the number of rows; a shard ends with a video where it can.

    A video is decoded from its beginning, so that one which two shards share is decoded twice.
    """
    rows = min(SHARD_BYTES // (size * size * 3), max(SHARD_ROWS, -(-table.height // SHARDS_WANTED)))
    starts = [0]
    for first, last in _units(table, rows):
        if starts[-1] < first and last - starts[-1] > rows:
            starts.append(first)
    return [*starts, table.height]


def _units(table: pl.DataFrame, rows: int) -> Iterator[tuple[int, int]]:
    """First and last row of what should stay together: a video of at most four shards, or `rows` images."""
    video = table.select(pl.when(pl.col("index").is_not_null()).then(pl.col("path"))).to_series()
    first = 0
    for length, path in video.rle().struct.unnest().rows():
        step = length if path and length <= 4 * rows else rows
        yield from ((start, min(start + step, first + length)) for start in range(first, first + length, step))
        first += length


def _build(plan: _Plan, path: Path, processes: int, progress: Progress) -> None:
    try:
        _write_shards(plan, processes, progress)
        _write_facts(plan)
        _remove(path)
        plan.folder.rename(path)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InputError(
            f"cannot write {path}: {error.strerror}. Free some space and run the same command: what is written is kept."
        ) from error
    except BrokenProcessPool as error:
        raise InputError(
            f"a process that builds {path.name} was killed, perhaps because the memory was full. Run the same command "
            f"with a smaller processes=; what is written is kept."
        ) from error
    # their content is in the store's own files by now
    for record in (path / SHARDS).glob("*.json"):
        record.unlink()


def _remove(path: Path) -> None:
    """Remove a store, whose name is free at once: readers never see a part of it."""
    aside = path.with_name(f".{path.name}.old")
    shutil.rmtree(aside, ignore_errors=True)  # of a rebuild that was killed in this place
    if path.exists():
        shutil.rmtree(path.rename(aside))


def _write_shards(plan: _Plan, processes: int, progress: Progress) -> None:
    (plan.folder / SHARDS).mkdir(parents=True, exist_ok=True)
    for left in (plan.folder / SHARDS).glob(".*.partial"):
        left.unlink()
    plan.todo = [number for number in plan.todo if not _is_finished(plan, number)]
    total = plan.faces.table.height
    done = total - sum(plan.rows(number) for number in plan.todo)
    _check_space(plan, total - done)
    problems: dict[str, None] = {}  # a video that cannot be read has the same problem in every shard
    for position, found in run_tasks(_write_shard, plan, _useful_processes(processes, total - done)):
        problems |= dict.fromkeys(found)
        done += plan.rows(plan.todo[position])
        progress(done, total)
    raise_all(f"frames below {plan.root} cannot be read; no store was built:", list(problems))


def _useful_processes(wanted: int, rows: int) -> int:
    return min(wanted or cores(), max(1, rows // ROWS_PER_PROCESS))


def _is_finished(plan: _Plan, number: int) -> bool:
    """Whether an interrupted build finished the shard, and a few of its source files are unchanged."""
    try:
        record = json.loads(_record_path(plan.folder, number).read_text())
        whole = shard_path(plan.folder, number).stat().st_size == sum(record["lengths"]) and bool(record["pictures"])
    except (OSError, ValueError, KeyError):
        return False
    # comparing all of them would read the whole dataset again
    few = record["sources"][:: max(1, len(record["sources"]) // 8)]
    return whole and not any(source_problem(plan.root, *source) for source in few)


def _check_space(plan: _Plan, rows: int) -> None:
    needed = rows * plan.settings.size**2 * 3
    if plan.settings.codec == "jpeg":
        needed //= 10  # faces at quality 95 take less
    free = shutil.disk_usage(plan.folder).free
    if needed > free:
        raise InputError(
            f"{plan.folder.parent}: the store needs about {needed:,} more bytes, {free:,} are free. Free some space."
        )


def _write_shard(shard: _Shard) -> list[str]:
    """Write one shard and return the problems with its frames. The record that marks it as finished needs none."""
    problems: list[str] = []
    lengths: list[int] = []
    pictures: list[bytes] = []
    sources: dict[str, Source] = {}
    checksum = 0
    with atomic_path(shard_path(shard.folder, shard.number)) as path, path.open("wb") as written:
        for frame in _frames(shard, sources):
            if isinstance(frame, InputError):
                problems.append(str(frame))
            else:
                content, hashes = frame
                written.write(content)
                lengths.append(len(content))
                pictures.append(hashes)
                checksum = zlib.crc32(content, checksum)
    if not problems:
        record = {"crc32": checksum, "lengths": lengths, "sources": list(sources.values())}
        record["pictures"] = b"".join(pictures).hex()
        write_atomic(_record_path(shard.folder, shard.number), json.dumps(record).encode())
    return problems


def _frames(shard: _Shard, sources: dict[str, Source]) -> Iterator[tuple[bytes, bytes] | InputError]:
    """Every frame of the shard as it is stored, with its hashes, or the error in its place.

    Adds to `sources` what was read.
    """
    videos = VideoFrames()
    for row, (path, index) in enumerate(shard.places):
        crop = None if shard.crops is None else shard.crops[row]
        try:
            if index is not None:
                sources.setdefault(path, (path, (shard.root / path).stat().st_size, None))
                yield stored_frame(videos.frame(shard.root / path, index), b"", crop, shard.settings)
            else:
                content = read_bytes(shard.root / path)
                sources[path] = (path, len(content), zlib.crc32(content))
                yield stored_frame(decode_image(content, shard.root / path), content, crop, shard.settings)
        except InputError as error:
            yield error


def _write_facts(plan: _Plan) -> None:
    """Write all files of the store but the frames, from the records of the shards."""
    folder, faces, settings = plan.folder, plan.faces, plan.settings
    checksums, lengths, sources, pictures = _records(folder, len(plan.starts) - 1)
    save_table(faces.table, folder / TABLE)
    write_part(pl.concat(sources).unique("path", keep="first", maintain_order=True), folder / SOURCES)
    write_part(faces.excluded, folder / EXCLUDED_FRAMES)
    facts: dict[str, object] = {}
    if settings.codec == "jpeg":
        with atomic_path(folder / LENGTHS) as path, path.open("wb") as written:
            np.save(written, np.concatenate(lengths))
        facts["lengths"] = file_crc32(folder / LENGTHS)
    write_atomic(folder / PICTURES, pictures)
    facts |= {
        "format": STORE_FORMAT,
        **asdict(settings),
        "frames": faces.table.height,
        "alignment": faces.alignment,
        "crops": crops_digest(faces),
        "fingerprint": fingerprint(faces, settings),
        "drawn": is_drawn(plan.root),  # not in the fingerprint: the trials of former stores keep their frames
        "starts": plan.starts,
        "crc32": checksums,
        "pictures": zlib.crc32(pictures),
    }
    write_atomic(folder / STORE, json_bytes(facts, STORE, indent=None))


def _records(folder: Path, shards: int) -> tuple[list[int], list[np.ndarray], list[pl.DataFrame], bytes]:
    """Checksum, lengths and sources of each shard, and the hashes of all frames.

    As Python objects, millions of them would fill the memory.
    """
    checksums, lengths, sources, pictures = [], [], [], bytearray()
    for number in range(shards):
        record = json.loads(_record_path(folder, number).read_text())
        checksums.append(int(record["crc32"]))
        lengths.append(np.array(record["lengths"], np.int32))
        sources.append(pl.DataFrame(record["sources"], schema=_SOURCES, orient="row"))
        pictures += bytes.fromhex(record["pictures"])
    return checksums, lengths, sources, bytes(pictures)


def _record_path(folder: Path, shard: int) -> Path:
    return shard_path(folder, shard).with_suffix(".json")
