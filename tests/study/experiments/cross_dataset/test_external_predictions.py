"""Predictions of other detectors: what is read, what is counted, what is refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from data.seeds import numpy_generator
from data.store import FrameStore
from study.experiments.cross_dataset.external_predictions import long_form, read_foreign, write_long
from study.records.predictions import Predictions, predictions_of
from tests.data.stores import tiny_store

AUS = (1, 12)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Six people, eight frames each, AUs 1 and 12; some labels are not coded."""
    return tiny_store(tmp_path_factory.mktemp("store"), aus=AUS, unknown=0.2)


def made(store: FrameStore) -> Predictions:
    probabilities = numpy_generator("foreign").random((len(store), len(AUS))).astype(np.float32)
    return predictions_of(store.table, probabilities, store.labels(AUS), AUS, "test")


def written(rows: pl.DataFrame, path: Path) -> Path:
    write_long(rows, path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_exported_is_read_again(suffix: str, store: FrameStore, tmp_path: Path) -> None:
    rows = long_form(made(store)).sample(fraction=1.0, shuffle=True, seed=0)
    found, coverage = read_foreign(written(rows, tmp_path / f"p.{suffix}"), store)
    assert found.frame.equals(made(store).frame)
    assert (coverage.frames, coverage.covered, coverage.unknown) == (48, 48, 0)
    assert coverage.notes() == []


def test_headers_in_any_case_and_aus_in_any_form(store: FrameStore, tmp_path: Path) -> None:
    rows = long_form(made(store))
    forms = {1: "AU01", 12: "au_12"}
    rows = rows.with_columns(pl.col("au").replace_strict(forms), confidence=pl.lit(0.9))
    rows = rows.rename({"subject": "Subject", "au": " AU ", "probability": "PROBABILITY"})
    found, _ = read_foreign(written(rows, tmp_path / "p.csv"), store)
    assert found.frame.equals(made(store).frame)


def test_an_au_and_a_frame_may_be_floats_of_whole_numbers(store: FrameStore, tmp_path: Path) -> None:
    rows = long_form(made(store)).with_columns(pl.col("au", "frame").cast(pl.Float64))
    for suffix in ("csv", "parquet"):
        assert read_foreign(written(rows, tmp_path / f"p.{suffix}"), store)[0].frame.equals(made(store).frame)


def test_intensities_are_scaled(store: FrameStore, tmp_path: Path) -> None:
    rows = long_form(made(store)).with_columns(pl.col("probability") * 5)
    path = written(rows, tmp_path / "p.parquet")
    found, _ = read_foreign(path, store, scale="intensity5")
    np.testing.assert_allclose(found.probabilities, made(store).probabilities, atol=1e-6)
    with pytest.raises(InputError, match="scale='percent'; allowed: probability, intensity5"):
        read_foreign(path, store, scale="percent")
    with pytest.raises(InputError, match="scale=intensity5"):
        read_foreign(path, store)


def test_missing_and_unknown_frames_are_counted_and_named(store: FrameStore, tmp_path: Path) -> None:
    rows = long_form(made(store))
    absent = (pl.col("subject") == "S00") & (pl.col("frame") < 2)
    half = (pl.col("subject") == "S01") & (pl.col("frame") == 3) & (pl.col("au") == 12)
    strange = rows.head(2).with_columns(subject=pl.lit("S99"))
    other = rows.head(3).with_columns(dataset=pl.lit("bp4d"))
    further = rows.filter(au=1).with_columns(au=pl.lit(45, pl.Int64))
    rows = pl.concat([rows.filter(~absent & ~half), strange, other, further])
    found, coverage = read_foreign(written(rows, tmp_path / "p.csv"), store)
    assert (coverage.covered, len(found)) == (45, 45)
    gone = set(made(store).frame.select("subject", "frame").iter_rows()) - set(
        found.frame.select("subject", "frame").iter_rows()
    )
    assert gone == {("S00", 0), ("S00", 1), ("S01", 3)}
    sequence = store.table["sequence"][0]
    assert coverage.notes() == [
        f"3 of 48 frames have no predictions, e.g. S00/{sequence}/0, S00/{sequence}/1, S01/{sequence}/3",
        f"2 frames of the file are not in the store, e.g. S99/{sequence}/0, S99/{sequence}/1",
        "AU 45 of the file are not coded by the store",
        "3 rows are of 'bp4d'",
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"probability": pl.lit(1.2)}, r"96 rows are not from 0 to 1 .*\[1.2\]"),
        ({"probability": pl.lit(-0.1)}, r"are not from 0 to 1"),
        ({"probability": pl.lit(float("nan"))}, r"are not from 0 to 1"),
        ({"probability": pl.lit(None, pl.Float64)}, r"are not from 0 to 1"),
        ({"au": pl.lit("smile")}, r"not AUs such as .*'smile'"),
        ({"frame": pl.lit(1.5)}, r"frame: 96 rows are not whole numbers: \[1.5\]"),
        ({"frame": pl.lit("first")}, r"not whole numbers: \['first'\]"),
        ({"frame": pl.lit(3)}, r"AU 1 of frame 3 of S00/\S+ is listed 8 times"),
        ({"subject": pl.lit(None, pl.String)}, r"subject: 96 rows are empty"),
        ({"dataset": pl.lit("disfa")}, r"no row of dataset 'gft'; it has \['disfa'\]"),
        ({"au": pl.col("au") + 3}, r"has AU \[4, 15\], of which \S+ codes none; it codes \[1, 12\]"),
        ({"sequence": pl.lit("x")}, r"no frame of \S+ has predictions"),
    ],
)
def test_what_is_no_prediction_is_refused(
    wrong: dict[str, pl.Expr], said: str, store: FrameStore, tmp_path: Path
) -> None:
    path = written(long_form(made(store)).with_columns(**wrong), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=said):
        read_foreign(path, store)


def test_a_csv_with_words_for_numbers_is_refused(store: FrameStore, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("dataset,subject,sequence,frame,au,probability\ngft,S00,x,0,1,high\n")
    with pytest.raises(InputError, match=r"probability: 1 rows are not from 0 to 1 .*\['high'\]"):
        read_foreign(tmp_path / "p.csv", store)


def test_files_that_are_no_tables_are_refused(store: FrameStore, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("subject,Au,AU\n")
    with pytest.raises(InputError, match=r"(?s)no column 'dataset'.*no column 'frame'.*Au and AU name one column"):
        read_foreign(tmp_path / "a.csv", store)
    (tmp_path / "b.parquet").write_text("no parquet")
    for name, said in (("b.parquet", "cannot be read"), ("c.csv", "no file"), ("d.xlsx", "neither .parquet nor .csv")):
        with pytest.raises(InputError, match=said):
            read_foreign(tmp_path / name, store)
    (tmp_path / "e.csv").write_text("dataset,subject,sequence,frame,au,probability\n")
    with pytest.raises(InputError, match="no row at all"):
        read_foreign(tmp_path / "e.csv", store)
