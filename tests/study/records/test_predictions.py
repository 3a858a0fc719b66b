"""Predictions as a frame, as arrays and as a file."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import DamagedError, InputError
from study.records.predictions import Predictions, has_predictions, predictions_of, read_predictions, write_predictions
from tests.study.predicted import AUS, predicted, table


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    rows = table(["F1", "F2"], 2)
    probabilities = np.array([[0, 0.25], [1, 0.5], [0.125, 0.75], [0.5, 1]], np.float32)
    labels = np.array([[1, -1], [0, 1], [-1, -1], [1, 0]])
    made = predictions_of(rows, probabilities, labels, (2, 12), ["val", "val", "test", "test"])
    write_predictions(tmp_path / "deep" / "p.parquet", made)
    for found in (made, read_predictions(tmp_path / "deep" / "p.parquet")):
        assert found.aus == (2, 12)
        assert [str(matrix.dtype) for matrix in (found.probabilities, found.labels)] == ["float32", "int8"]
        np.testing.assert_array_equal(found.probabilities, probabilities)
        np.testing.assert_array_equal(found.labels, labels)
        assert found.subjects.tolist() == ["F1", "F1", "F2", "F2"]
        assert found.frame["y_12"].to_list() == [None, 1, None, 0]
        assert found.part("val").frame["frame"].to_list() == [1, 2]
        assert found.on([12]).probabilities[:, 0].tolist() == [0.25, 0.5, 0.75, 1]
        assert found.on([12, 2]).aus == (12, 2)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["p.parquet"]


def test_the_file_is_compressed(tmp_path: Path) -> None:
    many = predicted("big", [f"F{n}" for n in range(20)], frames=500, levels=100)
    write_predictions(tmp_path / "p.parquet", many)
    plain = len(many) * len(AUS) * 5
    assert (tmp_path / "p.parquet").stat().st_size < 0.7 * plain


def test_parts_and_aus_that_are_not_there() -> None:
    made = predicted("a", ["F1"])
    with pytest.raises(InputError, match="no predictions of the val part"):
        made.part("val")
    with pytest.raises(InputError, match=r"no predictions of AU \[26\]; there are \[1, 4, 12\]"):
        made.on([1, 26])


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.5])
def test_probabilities_that_are_none_are_refused(bad: float) -> None:
    probabilities = np.full((4, 1), 0.5)
    probabilities[[0, 2]] = bad
    with pytest.raises(InputError, match=r"AU 7: 2 (frames without a probability|probabilities outside 0 to 1)"):
        predictions_of(table(["F1"], 4), probabilities, np.ones((4, 1)), (7,), "test")


def test_a_file_that_is_gone_says_how_to_get_it_back(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"are missing. .* launch/final.py name=.* retry_failed=true"):
        read_predictions(tmp_path / "0123456789abcdef-fedcba.parquet")


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("subject,frame")
    with pytest.raises(InputError, match=r"x.parquet are damaged: .* retry_failed=true"):
        read_predictions(tmp_path / "x.parquet")


FAULTS = {
    "column 'subject' is missing": pl.col("subject").alias("person"),
    "column 'p_4' is Float64": pl.col("p_4").cast(pl.Float64),
    "unknown column 'age'": pl.lit(3).alias("age"),
    "AU 4: 2 frames without a probability": pl.when(pl.col("frame") != 3).then("p_4").alias("p_4"),
    "AU 12: labels": pl.lit(9, pl.Int8).alias("y_12"),
    "split 'train'; allowed: val, test": pl.lit("train").alias("split"),
    "20 frames are listed more than once": (pl.col("frame") % 10).cast(pl.Int32).alias("frame"),
    "sequence: 40 empty": pl.lit(None, pl.String).alias("sequence"),
}


@pytest.mark.parametrize("message", FAULTS)
def test_a_damaged_file_is_named_with_its_damage(message: str, tmp_path: Path) -> None:
    frame = predicted("a", ["F1", "F2"]).frame.with_columns(FAULTS[message])
    if "person" in frame.columns:
        frame = frame.drop("subject", "person")
    write_predictions(tmp_path / "p.parquet", Predictions(frame, AUS))
    with pytest.raises(InputError, match=message) as raised:
        read_predictions(tmp_path / "p.parquet")
    assert str(tmp_path / "p.parquet") in str(raised.value)


def test_the_predictions_of_another_trial_are_found(tmp_path: Path) -> None:
    one, other = (tmp_path / "predictions" / f"{name}.parquet" for name in ("0123456789abcdef", "fedcba9876543210"))
    for path in (one, other):
        write_predictions(path, predicted("a", ["F1"]))
    other.write_bytes(one.read_bytes())
    with pytest.raises(
        DamagedError, match=r"it is a copy of another file: it holds 0123456789abcdef.*retry_failed=true"
    ):
        read_predictions(other)
    assert has_predictions(one)
    assert not has_predictions(other)


def test_predictions_of_a_former_revision_are_read(tmp_path: Path) -> None:
    made = predicted("a", ["F1"])
    made.frame.write_parquet(tmp_path / "p.parquet")
    assert read_predictions(tmp_path / "p.parquet").frame.equals(made.frame)
