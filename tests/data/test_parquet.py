"""Sealed parquet files."""

from pathlib import Path

import polars as pl
import pytest

from data.errors import DamagedError
from data.parquet import read_sealed, write_sealed

TABLE = pl.DataFrame({"subject": ["F1", "F2"] * 50, "p": [0.25, 0.5] * 50})


def test_a_table_is_read_as_it_was_written_by_us_and_by_others(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_sealed(TABLE, path, "mine")
    assert read_sealed(path, "mine").equals(TABLE)
    assert read_sealed(path, "mine", ["p"]).equals(TABLE.select("p"))
    assert pl.read_parquet(path).equals(TABLE)


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_sealed(TABLE, path, "mine")
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 2]) + content[at + 1 :])
        with pytest.raises(DamagedError):
            read_sealed(path, "mine")
    for length in (0, 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedError):
            read_sealed(path, "mine")


def test_a_name_with_the_marks_of_a_pattern_is_a_name(tmp_path: Path) -> None:
    for name in ("a[1].parquet", "a1.parquet", "a?.parquet", "*.parquet"):
        write_sealed(TABLE.with_columns(name=pl.lit(name)), tmp_path / name, name)
    for name in ("a[1].parquet", "a1.parquet", "a?.parquet", "*.parquet"):
        assert read_sealed(tmp_path / name, name)["name"][0] == name


def test_a_file_without_a_seal_is_read_and_that_of_another_is_not(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "former.parquet")
    assert read_sealed(tmp_path / "former.parquet", "mine").equals(TABLE)
    write_sealed(TABLE, tmp_path / "other.parquet", "other")
    with pytest.raises(DamagedError, match="it holds other, not mine"):
        read_sealed(tmp_path / "other.parquet", "mine")
