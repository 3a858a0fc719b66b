"""Files that carry the checksum of their own content, so that a damaged one is never read as a number.

A seal is one text inside the file, `au-checked:<sha256>:<name>;`. Its checksum is that of the whole file with zeros in
place of the checksum: every byte counts, and there is no second file to lose. Other programs do not mind it:

    JSON                  the last key of the object, "checked"
    parquet               a key of the file's metadata, see `data.parquet`
    zip archive (torch)   the comment behind the archive

The name says what the file is, so that a file under another one's name is not taken for it. Files of former revisions
have no seal; they are read as they were.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

from data.errors import DamagedError

SEAL = "checked"
_MARK, _DIGITS = b"au-checked:", 64
_ZEROS = b"0" * _DIGITS
_CHANGED = "its content was changed, the checksum is wrong"
_PIECE = 1 << 22  # bytes; checkpoints may be larger than the free memory
_END = b"PK\x05\x06"  # of an archive: 22 bytes begin with it, the last two are the length of the comment


def blank_seal(name: str) -> str:
    """The seal of a file that is still to be hashed; ASCII, without quotes or backslashes."""
    return (_MARK + _ZEROS + b":" + quote(name).encode() + b";").decode()


def sealed(content: bytes) -> bytes:
    """`content` with the checksum in its blank seal."""
    at = content.rindex(_MARK) + len(_MARK)
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at + _DIGITS :]


def has_seal(content: bytes) -> bool:
    """Whether `content` has a seal, which need not match."""
    return _MARK in content


def check_seal(content: bytes, name: str) -> bool:
    """Whether `content` has a seal; `DamagedError` when it does not match, or is that of a file with another name."""
    at = content.rfind(_MARK) + len(_MARK)
    if at < len(_MARK):
        return False
    digest = hashlib.sha256(content[:at] + _ZEROS + content[at + _DIGITS :]).hexdigest()
    _compare(content[at:], digest, name)
    return True


def _compare(seal: bytes, digest: str, name: str) -> None:
    """Raise `DamagedError` unless `seal`, which begins with its checksum, is that of `digest` and `name`."""
    if seal[:_DIGITS] != digest.encode():
        raise DamagedError(_CHANGED)
    found = unquote(seal[_DIGITS + 1 :].partition(b";")[0].decode())
    if found != name:
        raise DamagedError(f"it is a copy of another file: it holds {found}, not {name}")


def json_bytes(plain: Mapping[str, Any], name: str, indent: int | None = 1) -> bytes:
    """The object as sealed JSON."""
    # NaN is no valid JSON
    return sealed(json.dumps({**plain, SEAL: blank_seal(name)}, indent=indent, allow_nan=False).encode())


def json_object(content: bytes, name: str) -> dict[str, Any]:
    """The object in `content`, without its seal; `DamagedError` when it is no object or not as it was written."""
    whole = check_seal(content, name)
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"it is no JSON ({error})") from error
    if not isinstance(plain, dict):
        raise DamagedError(f"expected an object, found {type(plain).__name__}")
    if plain.pop(SEAL, None) is not None and not whole:
        raise DamagedError(_CHANGED)
    return plain


def seal_archive(path: Path, name: str) -> None:
    """Write a seal behind the zip archive at `path`, which has no comment yet."""
    comment = blank_seal(name).encode()
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(len(comment).to_bytes(2, "little") + comment)
        at = file.tell() - len(comment) + len(_MARK)
        digest = _digest(file, at)
        file.seek(at)
        file.write(digest.encode())


def check_archive(path: Path, name: str) -> None:
    """Raise `DamagedError` unless the zip archive is as it was written; one without a seal has a CRC of each member."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        tail_at = max(size - 4 * len(name) - 256, 0)
        file.seek(tail_at)
        tail = file.read()
        at = tail.rfind(_MARK) + len(_MARK)
        if at >= len(_MARK):
            _compare(tail[at:], _digest(file, tail_at + at), name)
            return
    if tail[-22:-18] != _END or tail[-2:] != b"\0\0":
        raise DamagedError("its end is missing or was changed")
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise DamagedError(f"it is no whole archive ({error})") from error
    if wrong:
        raise DamagedError(f"the checksum of its part {wrong} is wrong")


def _digest(file: IO[bytes], at: int) -> str:
    """sha256 (hex) of a file, with zeros in place of the checksum that begins at byte `at`."""
    file.seek(0)
    digest, left = hashlib.sha256(), at
    while left:
        piece = file.read(min(left, _PIECE))
        digest.update(piece)
        left -= len(piece)
    digest.update(_ZEROS)
    file.seek(at + _DIGITS)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
