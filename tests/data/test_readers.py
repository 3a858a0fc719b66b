import logging
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from data.aus import DATASET_AUS
from data.catalog import read_table
from data.errors import InputError
from data.frames import aus_of
from data.readers import affwild2, bp4d, disfa, gft
from data.synthetic import LAYOUTS, write_tree
from tests.data.trees import (
    affwild2_video,
    bp4d_row,
    bp4d_sequence,
    disfa_subject,
    gft_subject,
    lines,
    picture,
    video,
)

ROWS = [bp4d_row(5, {1: 1, 12: 9}), bp4d_row(6, {2: 1}), bp4d_row(7, {})]


def refused(read: Callable[..., pl.DataFrame], root: Path, *parts: str, **options: object) -> str:
    """The message with which `read` refuses `root`; every one of `parts` must be in it."""
    with pytest.raises(InputError) as caught:
        read(root, **options)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


# --- BP4D


def test_bp4d_reads_labels_and_images(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    bp4d_sequence(tmp_path, "M002_T8", ROWS[:1], (4,))
    table = bp4d.read(tmp_path)
    assert aus_of(table) == DATASET_AUS["bp4d"]
    assert table["frame"].to_list() == [5, 6, 7, 5]
    assert table["subject"].to_list() == ["F001"] * 3 + ["M002"]
    assert table["au_1"].to_list() == [1, 0, 0, 1]
    assert table["au_2"].to_list() == [0, 1, 0, 0]
    assert table["au_12"].to_list() == [None, 0, 0, None]
    assert table["path"][0] == "Sequences(2D+3D)/F001/T1/4.jpg"
    assert table["index"].null_count() == table["split"].null_count() == 4


@pytest.mark.parametrize("folder", ["Sequences(2D+3D)", "BP4D-training", "bp4d-TRAINING", "."])
def test_bp4d_knows_the_image_folders(tmp_path: Path, folder: str) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6), folder=folder)
    table = bp4d.read(tmp_path)
    assert all((tmp_path / path).is_file() for path in table["path"])


def test_bp4d_finds_images_whatever_their_padding(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, ("04", "0005", "6"))
    picture(tmp_path / "Sequences(2D+3D)" / "F001" / "T1" / "._0006.jpg")
    paths = [Path(path).name for path in bp4d.read(tmp_path)["path"]]
    assert paths == ["04.jpg", "0005.jpg", "6.jpg"]


def test_bp4d_accepts_labels_directly_below_the_root(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    (tmp_path / "AUCoding" / "AU_OCC").rename(tmp_path / "AU_OCC")
    assert bp4d.read(tmp_path).height == 3


def test_bp4d_takes_the_columns_from_the_header(tmp_path: Path) -> None:
    header = [0, 2, 1, *range(3, 25), "note"]
    bp4d_sequence(tmp_path, "F001_T1", [[*row, "x"] for row in ROWS], (4, 5, 6), header=header)
    table = bp4d.read(tmp_path)
    assert table["au_2"].to_list() == [1, 0, 0]
    assert table["au_1"].to_list() == [0, 1, 0]


def test_bp4d_image_offset(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (5, 6, 7))
    refused(bp4d.read, tmp_path, "F001/T1: 1 of 3 coded frames have no image (image 4 to 4)", "image_offset=0")
    assert bp4d.read(tmp_path, image_offset=0)["path"][0].endswith("/5.jpg")
    refused(bp4d.read, tmp_path, "image_offset='0'", image_offset="0")


def test_bp4d_lists_missing_images_of_every_sequence(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (5,))
    bp4d_sequence(tmp_path, "F001_T2", ROWS, ())
    message = refused(bp4d.read, tmp_path, "F001/T1: 2 of 3", "(image 4 to 6)", "F001/T2: 3 of 3")
    assert "would have an image" not in message


@pytest.mark.parametrize(
    ("code", "shown"),
    [(2, "'2'"), (-1, "'-1'"), ("", "''"), ("x", "'x'"), ("nan", "'nan'"), ("0.5", "'0.5'"), ("٣", "'٣'")],
)
def test_bp4d_refuses_other_codes(tmp_path: Path, code: object, shown: str) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [ROWS[0], bp4d_row(6, {12: code}), bp4d_row(7, {12: code})], (4, 5, 6))
    refused(bp4d.read, tmp_path, f"F001_T1.csv, line 3 and 1 more lines, column '12': {shown}; allowed: 0, 1, 9")


def test_bp4d_ignores_codes_of_aus_that_are_not_used(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {3: 7})], (4,))
    assert bp4d.read(tmp_path).height == 1


def test_bp4d_collects_the_problems_of_all_files(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {12: 3, 24: 4})], (4,))
    bp4d_sequence(tmp_path, "F002_T1", [ROWS[0], ROWS[0]], (4,))
    bp4d_sequence(tmp_path, "F003_T1", [bp4d_row(-5, {})], (4,))
    bp4d_sequence(tmp_path, "F004_T1", [[1, 2, 3]], (4,))
    bp4d_sequence(tmp_path, "F005_T1", [], (4,))
    bp4d_sequence(tmp_path, "F006_T1", ROWS, (4, 5))
    bp4d_sequence(tmp_path, "F007_T1", [[1, 0]], (4,), header=("0", "1"))
    bp4d_sequence(tmp_path, "F008_T1", [[*ROWS[0], 1]], (4,), header=(*range(25), "AU12"))
    lines(tmp_path / "AUCoding" / "AU_OCC" / "copy of F001_T1.csv", "0,1")
    (tmp_path / "AUCoding" / "AU_OCC" / "F009_T1.csv").write_bytes(b"\xff\xfe\x00")
    refused(
        bp4d.read,
        tmp_path,
        "F001_T1.csv, line 2, column '12': '3'",
        "F001_T1.csv, line 2, column '24': '4'",
        "F002_T1.csv: frame 5 stands on lines 2, 3",
        "F003_T1.csv, line 2, column '0': '-5'; allowed: a frame number",
        "F004_T1.csv, line 2: 3 values, expected 25",
        "F005_T1.csv: holds no label",
        "F006/T1: 1 of 3",
        "F007_T1.csv, header: AU [2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24] missing",
        "F008_T1.csv, header: AU [12] in more than one column",
        "copy of F001_T1.csv: the name is not",
        "F009_T1.csv: not a readable text file",
    )


def test_bp4d_refuses_two_files_for_one_image(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, ("4", "04", "5", "6"))
    refused(bp4d.read, tmp_path, "Sequences(2D+3D)/F001/T1: ['04.jpg', '4.jpg'] are all image 4")


@pytest.mark.parametrize("read", [bp4d.read, disfa.read, gft.read, affwild2.read])
def test_a_wrong_root_says_what_was_looked_for_and_what_is_there(
    read: Callable[..., pl.DataFrame], tmp_path: Path
) -> None:
    refused(read, tmp_path, "Looked below it for", "It holds: nothing")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).mkdir()
    os.mkfifo(tmp_path / "pipe")
    message = refused(read, tmp_path, "It holds: holiday, loop, pipe")
    message.encode()


def test_odd_entries_do_not_hinder_bp4d(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    labels = tmp_path / "AUCoding" / "AU_OCC"
    (labels / "F002_T1.csv").mkdir()
    (labels / "F003_T1.csv").symlink_to(labels / "F003_T1.csv")
    os.mkfifo(tmp_path / "Sequences(2D+3D)" / "F001" / "T1" / "99.jpg")
    picture(tmp_path / "Sequences(2D+3D)" / "F001" / "T1" / "12345678901234567890.jpg")
    lines(tmp_path / "__MACOSX" / "x", "x")
    assert bp4d.read(tmp_path).height == 3


def test_the_rows_do_not_depend_on_the_root(tmp_path: Path) -> None:
    for name in ("one", "two"):
        bp4d_sequence(tmp_path / name, "F001_T1", ROWS, (4, 5, 6))
    assert bp4d.read(tmp_path / "one").equals(bp4d.read(tmp_path / "two"))


# --- DISFA


def test_disfa_reads_intensities_and_videos(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001", {12: [0, 1, 2, 5]})
    table = disfa.read(tmp_path)
    assert aus_of(table) == DATASET_AUS["disfa"]
    assert table["frame"].to_list() == [1, 2, 3, 4]
    assert table["index"].to_list() == [0, 1, 2, 3]
    assert table["path"].unique().to_list() == ["Videos_LeftCamera/LeftVideoSN001_comp.avi"]
    assert table["au_12"].to_list() == [0, 0, 1, 1]
    assert disfa.read(tmp_path, threshold=1)["au_12"].to_list() == [0, 1, 1, 1]


def test_disfa_right_camera_has_another_spelling(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001")
    video(tmp_path / "Video_RightCamera" / "RightVideoSN001_Comp.avi", 4)
    assert disfa.read(tmp_path, camera="right")["path"][0] == "Video_RightCamera/RightVideoSN001_Comp.avi"
    refused(disfa.read, tmp_path, "camera='both'", "left, right", camera="both")
    refused(disfa.read, tmp_path, "threshold=3", "1, 2", threshold=3)


def test_disfa_pairs_intensities_by_frame_number(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001")
    path = tmp_path / "ActionUnit_Labels" / "SN001" / "SN001_au12.txt"
    lines(path, "4,0", "3,0", "2,5", "1,0")
    table = disfa.read(tmp_path)
    assert table["au_12"].to_list() == [0, 1, 0, 0]


def test_disfa_collects_the_problems_of_all_subjects(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001", {12: [0, 6, 0, 0]})
    disfa_subject(tmp_path, "SN002", {12: [0, 0, 0]})
    disfa_subject(tmp_path, "SN003", frames=6)
    video(tmp_path / "Videos_LeftCamera" / "LeftVideoSN003_comp.avi", 5)
    disfa_subject(tmp_path, "SN004")
    (tmp_path / "ActionUnit_Labels" / "SN004" / "SN004_au26.txt").unlink()
    (tmp_path / "Videos_LeftCamera" / "LeftVideoSN004_comp.avi").unlink()
    disfa_subject(tmp_path, "SN005")
    lines(tmp_path / "Videos_LeftCamera" / "LeftVideoSN005_comp.avi", "not a video")
    disfa_subject(tmp_path, "SN006")
    lines(tmp_path / "ActionUnit_Labels" / "SN006" / "SN006_au1.txt", "0,0", "1,0", "2,0", "3,0")
    refused(
        disfa.read,
        tmp_path,
        "SN001_au12.txt, line 2, column 'intensity': '6'; allowed: 0, 1, 2, 3, 4, 5",
        "SN002: the label files cover different frames",
        "LeftVideoSN003_comp.avi: 5 frames, but labels up to frame 6",
        "SN004: no label file for AU 26",
        "SN004: has labels but no video",
        "LeftVideoSN005_comp.avi: not a readable video",
        "SN006_au1.txt: has frame 0",
    )


def test_disfa_refuses_two_videos_of_a_subject(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001")
    video(tmp_path / "Videos_LeftCamera" / "leftvideosn001.avi", 4)
    refused(disfa.read, tmp_path, "two videos of")


# --- GFT


def test_gft_reads_codes_and_parts(tmp_path: Path) -> None:
    gft_subject(tmp_path, "001A", {1: [0, 1, 9]})
    gft_subject(tmp_path, "002B")
    assert gft.read(tmp_path)["split"].null_count() == 6
    lines(tmp_path / "train_subjects.txt", "001A", "", " 077C ")
    lines(tmp_path / "test_subjects.txt", "002B")
    table = gft.read(tmp_path)
    assert aus_of(table) == DATASET_AUS["gft"]
    assert table["au_1"].to_list() == [0, 1, None, 0, 0, 0]
    assert table["split"].to_list() == ["train"] * 3 + ["test"] * 3
    assert table["path"][1] == "images/001A/2.jpg"


def test_gft_missing_codes_are_an_option(tmp_path: Path) -> None:
    gft_subject(tmp_path, "001A", {1: [0, 999, -999]})
    refused(gft.read, tmp_path, "'999'", "allowed: 0, 1, 9")
    assert gft.read(tmp_path, missing=[9, 999, -999])["au_1"].to_list() == [0, None, None]
    for wrong in (1, [0], ["9"], "9"):
        refused(gft.read, tmp_path, f"missing={wrong!r}", missing=wrong)


@pytest.mark.parametrize("spelling", ["au{:02d}", "{}", " AU_{} ", "Au{}"])
def test_gft_reads_the_columns_by_name(tmp_path: Path, spelling: str) -> None:
    gft_subject(tmp_path, "001A")
    aus = list(reversed(DATASET_AUS["gft"]))
    rows = [[frame, "text", *(int(au == 12) for au in aus)] for frame in (3, 2, 1)]
    lines(tmp_path / "labels" / "001A.csv", ["Frame", "note", *(spelling.format(au) for au in aus)], *rows)
    table = gft.read(tmp_path)
    assert table["au_12"].to_list() == [1, 1, 1]
    assert table["au_24"].to_list() == [0, 0, 0]


def test_gft_refuses_lists_that_do_not_fit(tmp_path: Path) -> None:
    for subject in ("001A", "002B", "003C"):
        gft_subject(tmp_path, subject)
    lines(tmp_path / "train_subjects.txt", "001A", "002B")
    lines(tmp_path / "test_subjects.txt", "002B")
    refused(gft.read, tmp_path, "subject 002B is in both", "subject 003C is in none")


def test_gft_refuses_a_missing_image_and_a_wrong_header(tmp_path: Path) -> None:
    gft_subject(tmp_path, "001A")
    (tmp_path / "images" / "001A" / "2.jpg").unlink()
    gft_subject(tmp_path, "002B")
    lines(tmp_path / "labels" / "002B.csv", ["AU1", "AU2"], [0, 1])
    refused(gft.read, tmp_path, "001A/001A: 1 of 3 coded frames have no image", "002B.csv, header: the first column")


# --- Aff-Wild2


def test_affwild2_pairs_rows_with_crops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    affwild2_video(tmp_path, "video1_left", rows=4, crops=(1, 3, 4, 5))
    affwild2_video(tmp_path, "7-60-1920x1080", "Validation_Set")
    (tmp_path / "cropped_aligned" / ".DS_Store").write_bytes(b"\0")
    lines(tmp_path / "annotations" / "AU_Detection_Challenge" / "Train_Set" / "._video1_left.txt", "x")
    with caplog.at_level(logging.WARNING):
        table = affwild2.read(tmp_path)
    assert aus_of(table) == DATASET_AUS["affwild2"]
    train = table.filter(pl.col("split") == "train")
    assert train["subject"].unique().to_list() == train["sequence"].unique().to_list() == ["video1_left"]
    assert train["frame"].to_list() == [1, 3, 4]
    assert train["au_1"].to_list() == [0, 0, 1]
    assert train["au_2"].null_count() == 3
    assert train["path"][1] == "cropped_aligned/video1_left/00003.jpg"
    assert table.filter(pl.col("split") == "val").height == 3
    assert caplog.messages == ["affwild2: skipped 1 label rows without a crop (of 7)"]


def test_affwild2_reads_the_first_challenge(tmp_path: Path) -> None:
    folder = tmp_path / "annotations" / "AU_Set"
    aus = (1, 2, 4, 6, 12, 15, 20, 25)
    lines(folder / "Training_Set" / "v.txt", [f"AU{au}" for au in aus], [0, 0, 0, 0, 0, 0, 1, 0])
    picture(tmp_path / "cropped_aligned" / "v" / "00001.jpg")
    table = affwild2.read(tmp_path)
    assert aus_of(table) == aus
    assert table["au_20"].to_list() == [1]


def test_affwild2_collects_problems(tmp_path: Path) -> None:
    affwild2_video(tmp_path, "a")
    affwild2_video(tmp_path, "a", "Validation_Set")
    affwild2_video(tmp_path, "b", crops=())
    lines(affwild2_video(tmp_path, "c"), "AU1,AU2", "0,1", "9,0")
    lines(affwild2_video(tmp_path, "d"), "AU1,AU2", "0,1")
    lines(affwild2_video(tmp_path, "e"), "0,1", "1,0")
    refused(
        affwild2.read,
        tmp_path,
        "a is in the training and the validation set",
        "b: no folder cropped_aligned/b",
        "c.txt, line 3, column 'AU1': '9'; allowed: 0, 1, -1",
        "d.txt codes AU (1, 2)",
        "e.txt, header: ",
    )


def test_affwild2_refuses_two_sets_of_annotations(tmp_path: Path) -> None:
    affwild2_video(tmp_path, "a")
    lines(tmp_path / "annotations" / "AU_Set" / "Train_Set" / "a.txt", "AU1", "0")
    refused(affwild2.read, tmp_path, "more than one set", "annotations/AU_Set", "annotations/AU_Detection_Challenge")


# --- the synthetic trees


@pytest.mark.parametrize("layout", LAYOUTS)
def test_synthetic_trees_are_read_back(tmp_path: Path, layout: str) -> None:
    write_tree(layout, tmp_path / "tree", subjects=3, sequences=2, frames=6, size=32)
    table = read_table(layout, tmp_path / "tree", {})
    skipped = 36 - len(list((tmp_path / "tree").glob("cropped_aligned/*/*.jpg"))) if layout == "affwild2" else 0
    assert table.height == 36 - skipped
    assert aus_of(table) == DATASET_AUS[layout]
    assert table["subject"].n_unique() == 3
    assert all((tmp_path / "tree" / path).is_file() for path in table["path"].unique())


def test_every_reader_names_its_dataset_as_told(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    assert bp4d.read(tmp_path, dataset="synthetic")["dataset"].unique().to_list() == ["synthetic"]
    assert bp4d.read(tmp_path)["dataset"].unique().to_list() == ["bp4d"]
