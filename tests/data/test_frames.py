from pathlib import Path

import polars as pl
import pytest

from data.errors import InputError
from data.frames import SCHEMA, aus_of, frame_table, load_table, save_table, validate

ROWS = pl.DataFrame(
    {
        "dataset": "bp4d",
        "subject": ["M001", "F001", "F001"],
        "sequence": "T1",
        "frame": [1, 10, 9],
        "path": ["a", "b", "c"],
        "au_12": [0, 1, None],
        "au_2": [1, 0, 0],
        "note": "x",
    }
)


def test_rows_are_cast_ordered_and_completed() -> None:
    table = frame_table(ROWS, (12, 2))
    assert table.columns == [*SCHEMA, "au_2", "au_12"]
    assert aus_of(table) == (2, 12)
    assert table["path"].to_list() == ["c", "b", "a"]
    assert table["au_12"].to_list() == [None, 1, 0]
    assert table["split"].null_count() == table["index"].null_count() == 3
    assert table["frame"].dtype == pl.Int32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"au_2": pl.lit(9)}, r"au_2 holds \[9\]"),
        ({"frame": pl.lit(9)}, "frame 9 of F001/T1 is listed 2 times"),
        ({"subject": pl.lit("F001"), "frame": pl.lit(3)}, "frame 3 of F001/T1 is listed 3 times"),
    ],
)
def test_wrong_rows_are_refused(change: dict[str, pl.Expr], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frame_table(ROWS.with_columns(**change), (2, 12))


def test_a_wrong_schema_and_an_empty_table_are_refused() -> None:
    table = frame_table(ROWS, (2, 12))
    with pytest.raises(InputError, match="it has no frame"):
        validate(table.head(0))
    with pytest.raises(InputError, match="'path' is missing, expected String"):
        validate(table.drop("path"))
    with pytest.raises(InputError, match=r"AU columns \[3\]"):
        validate(table.rename({"au_2": "au_3"}))
    validate(table.drop("au_2", "au_12"))


def test_a_saved_table_comes_back(tmp_path: Path) -> None:
    table = frame_table(ROWS, (2, 12))
    save_table(table, tmp_path / "new" / "t.parquet")
    assert load_table(tmp_path / "new" / "t.parquet").equals(table)
    with pytest.raises(InputError):
        save_table(table.head(0), tmp_path / "new" / "t.parquet")
    assert load_table(tmp_path / "new" / "t.parquet").equals(table)
