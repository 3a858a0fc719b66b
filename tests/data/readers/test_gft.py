from pathlib import Path

import pytest

from data.catalog import CATALOG, read_dataset
from data.frames import Reading, aus_of
from tests.data.trees import gft_subject, lines, refused


def read(root: Path, **options: object) -> Reading:
    return read_dataset("gft", root, options)


def test_codes_and_parts(tmp_path: Path) -> None:
    gft_subject(tmp_path, "001A", {1: [0, 1, 9]})
    gft_subject(tmp_path, "002B")
    unlisted = read(tmp_path)
    assert unlisted.table["split"].null_count() == 6
    assert unlisted.notes == (
        "train_subjects.txt and test_subjects.txt are missing or empty, so the official parts are not known",
    )
    lines(tmp_path / "train_subjects.txt", "001A", "", " 077C ")
    lines(tmp_path / "test_subjects.txt", "002B")
    reading = read(tmp_path)
    table = reading.table
    assert aus_of(table) == CATALOG["gft"].aus
    assert table["au_1"].to_list() == [0, 1, None, 0, 0, 0]
    assert table["split"].to_list() == ["train"] * 3 + ["test"] * 3
    assert table["path"][1] == "images/001A/2.jpg"
    assert reading.notes == ("subjects of the official parts without labels: 077C",)
    assert reading.excluded.is_empty()


def test_missing_codes_are_an_option(tmp_path: Path) -> None:
    gft_subject(tmp_path, "001A", {1: [0, 999, -999]})
    refused(read, tmp_path, "'999'", "allowed: 0, 1, 9")
    assert read(tmp_path, missing=[9, 999, -999]).table["au_1"].to_list() == [0, None, None]
    for wrong in (1, [0], ["9"], "9"):
        refused(read, tmp_path, f"missing={wrong!r}", missing=wrong)


@pytest.mark.parametrize("spelling", ["au{:02d}", "{}", " AU_{} ", "Au{}"])
def test_the_columns_are_read_by_name(tmp_path: Path, spelling: str) -> None:
    gft_subject(tmp_path, "001A")
    aus = list(reversed(CATALOG["gft"].aus))
    rows = [[frame, "text", *(int(au == 12) for au in aus)] for frame in (3, 2, 1)]
    lines(tmp_path / "labels" / "001A.csv", ["Frame", "note", *(spelling.format(au) for au in aus)], *rows)
    table = read(tmp_path).table
    assert table["au_12"].to_list() == [1, 1, 1]
    assert table["au_24"].to_list() == [0, 0, 0]


def test_lists_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for subject in ("001A", "002B", "003C"):
        gft_subject(tmp_path, subject)
    lines(tmp_path / "train_subjects.txt", "001A", "002B")
    refused(read, tmp_path, "subject 003C is in none")
    lines(tmp_path / "test_subjects.txt", "002B")
    refused(read, tmp_path, "subject 002B is in both", "subject 003C is in none")


def test_a_missing_image_and_a_wrong_header_are_refused(tmp_path: Path) -> None:
    gft_subject(tmp_path, "001A")
    (tmp_path / "images" / "001A" / "2.jpg").unlink()
    gft_subject(tmp_path, "002B")
    lines(tmp_path / "labels" / "002B.csv", ["AU1", "AU2"], [0, 1])
    refused(read, tmp_path, "001A/001A: 1 of 3 coded frames have no image", "002B.csv, header: the first column")
