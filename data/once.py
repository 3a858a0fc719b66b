"""Checksums of large files, compared once on each host: a mark in the host's own temporary folder remembers it.

    <tmp>/au-checked-<uid>/<hash of the file's identity and of this boot>

A file that was written to has another identity, so it is compared again; so is every file after the host was started
again.
"""

import hashlib
import os
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path

from data.errors import InputError
from data.files import exclusive_lock, private_folder

_SMALL = 1 << 24  # bytes; a smaller file is compared in milliseconds, and needs no mark
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def file_crc32(path: Path) -> int:
    """Checksum of a file, read in pieces."""
    checksum = 0
    with path.open("rb") as content:
        while piece := content.read(1 << 22):  # shards may be larger than the memory
            checksum = zlib.crc32(piece, checksum)
    return checksum


def is_intact(path: Path, crc32: int) -> bool:
    """Whether the file has this checksum; not compared again on this host once it had it."""
    with ExitStack() as held:
        mark = _mark(path, crc32)
        if mark is not None and not mark.exists():
            # many trials start at once, and one of them compares
            held.enter_context(exclusive_lock(mark.with_suffix(".lock")))
        if mark is not None and mark.exists():
            return True
        if file_crc32(path) != crc32:
            return False
        if mark is not None:
            mark.touch()
        return True


def _mark(path: Path, crc32: int) -> Path | None:
    """Where the mark of the file lies; None for a small file, and where there is no folder that only we can write."""
    file = path.stat()
    if file.st_size < _SMALL:
        return None
    try:
        folder = private_folder(Path(tempfile.gettempdir()) / f"au-checked-{os.getuid()}")
    except (InputError, OSError):
        return None
    boot = _BOOT.read_text() if _BOOT.exists() else ""
    identity = (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns, crc32, boot)
    return folder / hashlib.sha256(repr(identity).encode()).hexdigest()
