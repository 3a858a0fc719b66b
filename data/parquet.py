"""Parquet files: written with a seal, and read as one file, never as a pattern; see `data.checked`."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import polars as pl

from data.checked import SEAL, blank_seal, check_seal, sealed
from data.errors import DamagedError, first_line
from data.files import write_atomic

# of the parser; PanicException is no Exception
_UNREADABLE = (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


def write_sealed(table: pl.DataFrame, path: Path, name: str) -> None:
    """Write `table` to `path`, atomically, as the file `name`."""
    written = BytesIO()
    table.write_parquet(written, compression="zstd", metadata={SEAL: blank_seal(name)})
    write_atomic(path, sealed(written.getvalue()))


def read_sealed(path: Path, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The table, or some `columns`, of the file `name`; `DamagedError` when it is not as it was written."""
    content = path.read_bytes()
    checked = check_seal(content, name)
    try:
        # the bytes that were checked; a path could also be taken for a pattern
        table = pl.read_parquet(BytesIO(content), columns=None if columns is None else list(columns), glob=False)
        lost = not checked and SEAL in pl.read_parquet_metadata(BytesIO(content))
    except _UNREADABLE as error:
        raise DamagedError(f"it is no whole parquet file ({first_line(error)})") from error
    if lost:
        raise DamagedError("its seal was changed")
    return table
