import os
from pathlib import Path

import pytest

from data.catalog import CATALOG, read_dataset
from data.frames import Reading, aus_of, intensities_of
from tests.data.trees import bp4d_levels, bp4d_row, bp4d_sequence, lines, picture, refused, video

ROWS = [bp4d_row(5, {1: 1, 12: 9}), bp4d_row(6, {2: 1}), bp4d_row(7, {})]
IMAGES = "Sequences(2D+3D)"


def read(root: Path, **options: object) -> Reading:
    return read_dataset("bp4d", root, options)


def flagged(rows: list[list[object]], flags: list[object]) -> list[list[object]]:
    return [[*row, flag] for row, flag in zip(rows, flags, strict=True)]


def test_labels_and_images(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    bp4d_sequence(tmp_path, "M002_T8", ROWS[:1], (4,))
    reading = read(tmp_path)
    table = reading.table
    assert aus_of(table) == CATALOG["bp4d"].aus
    assert intensities_of(table) == ()
    assert table["frame"].to_list() == [5, 6, 7, 5]
    assert table["subject"].to_list() == ["F001"] * 3 + ["M002"]
    assert table["au_1"].to_list() == [1, 0, 0, 1]
    assert table["au_2"].to_list() == [0, 1, 0, 0]
    assert table["au_12"].to_list() == [None, 0, 0, None]
    assert table["path"][0] == "Sequences(2D+3D)/F001/T1/4.jpg"
    assert table["index"].null_count() == table["split"].null_count() == 4
    assert reading.excluded.is_empty()
    assert reading.notes == ("image_offset=-1 confirmed by 2 of 2 folders",)


@pytest.mark.parametrize("folder", [IMAGES, "BP4D-training", "bp4d-TRAINING", "."])
def test_the_image_folders(tmp_path: Path, folder: str) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6), folder=folder)
    table = read(tmp_path).table
    assert all((tmp_path / path).is_file() for path in table["path"])


@pytest.mark.parametrize("folder", ["AU_OCC", "AUCoding", "BP4D-AUCoding", "aucoding/au_occ"])
def test_the_label_folders(tmp_path: Path, folder: str) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    (tmp_path / "AUCoding").rename(tmp_path / "old")
    (tmp_path / folder).parent.mkdir(exist_ok=True)
    (tmp_path / "old" / "AU_OCC").rename(tmp_path / folder)
    assert read(tmp_path).table.height == 3


def test_images_are_found_whatever_their_padding(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, ("04", "0005", "6"))
    picture(tmp_path / IMAGES / "F001" / "T1" / "._0006.jpg")
    paths = [Path(path).name for path in read(tmp_path).table["path"]]
    assert paths == ["04.jpg", "0005.jpg", "6.jpg"]


def test_gaps_between_coded_frames_are_allowed(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(7, {}), bp4d_row(2, {1: 1})], range(10))
    assert read(tmp_path).table["path"].to_list() == [f"{IMAGES}/F001/T1/{n}.jpg" for n in (1, 6)]


def test_the_columns_come_from_the_header(tmp_path: Path) -> None:
    header = [0, 2, 1, *range(3, 25), "note"]
    bp4d_sequence(tmp_path, "F001_T1", [[*row, "x"] for row in ROWS], (4, 5, 6), header=header)
    table = read(tmp_path).table
    assert table["au_2"].to_list() == [1, 0, 0]
    assert table["au_1"].to_list() == [0, 1, 0]


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert read(tmp_path).table["au_1"].to_list() == [1, 0, 0]


# --- the numbering of the images


@pytest.mark.parametrize(
    ("frames", "images", "offset"),
    [
        ((5, 6, 7), (5, 6, 7), 0),  # as many images as coded frames
        ((2, 3, 4), (1, 2, 3), -1),  # although the smallest number is 1
        ((5, 6, 7), range(0, 20), -1),
        ((5, 6, 7), range(1, 20), 0),
        ((5, 7), (9, 10, 11), None),
        ((5, 8), (6, 7), None),  # as many, but not the same frames
        ((5, 7), (4, 6), None),  # a gap: they need not be the same frames
    ],
)
def test_what_the_numbers_of_images_tell(
    tmp_path: Path, frames: tuple[int, ...], images: tuple[int, ...], offset: int | None
) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(frame, {}) for frame in frames], images)
    given = -1 if offset is None else offset
    if offset is None and set(images) != {4, 6}:
        assert "contradicts" not in refused(read, tmp_path, "have no image")
        return
    (note,) = read(tmp_path, image_offset=given).notes
    if offset is None:
        assert note == "image_offset=-1 could not be checked: no folder shows where its numbers start"
    else:
        assert note == f"image_offset={offset} confirmed by 1 of 1 folders"
        other = -1 - offset
        refused(
            read,
            tmp_path,
            f"image_offset={other} contradicts the files; give dataset.options.image_offset={offset}",
            f"the images of 1 of 1 folders are numbered for dataset.options.image_offset={offset}: F001/T1",
            image_offset=other,
        )


def test_an_offset_wrong_by_one_is_refused_although_every_frame_has_an_image(tmp_path: Path) -> None:
    for task in ("T1", "T2", "T3"):
        bp4d_sequence(tmp_path, f"F001_{task}", ROWS, range(20))
    message = refused(read, tmp_path, "3 of 3 folders", "image_offset=-1", image_offset=0)
    assert "no image" not in message


def test_one_telling_folder_confirms_the_others(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, range(12))
    bp4d_sequence(tmp_path, "F001_T2", ROWS, range(3, 12))
    assert read(tmp_path).notes == ("image_offset=-1 confirmed by 1 of 2 folders",)


def test_folders_that_disagree_are_named(tmp_path: Path) -> None:
    for task in range(1, 9):
        bp4d_sequence(tmp_path, f"F001_T{task}", ROWS, range(12))
    bp4d_sequence(tmp_path, "M002_T1", ROWS, range(1, 12))
    for offset in (-1, 0):
        refused(
            read,
            tmp_path,
            f"image_offset={offset}: the folders disagree; rename their images",
            "1 of 9 folders are numbered for dataset.options.image_offset=0: M002/T1",
            "8 of 9 folders are numbered for dataset.options.image_offset=-1: F001/T1, F001/T2",
            "and 2 more",
            image_offset=offset,
        )


def test_missing_images_get_a_hint(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (5, 6, 7))
    refused(
        read,
        tmp_path,
        "F001/T1: 1 of 3 coded frames have no image (image 4 to 4)",
        "(with dataset.options.image_offset=0 every coded frame would have an image)",
    )
    for wrong in ("0", 0.5, True, None):
        refused(read, tmp_path, f"image_offset={wrong!r}", image_offset=wrong)


def test_missing_images_of_every_sequence_are_listed(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (5,))
    bp4d_sequence(tmp_path, "F001_T2", ROWS, ())
    message = refused(read, tmp_path, "F001/T1: 2 of 3", "(image 4 to 6)", "F001/T2: 3 of 3")
    assert "would have an image" not in message


def test_two_files_for_one_image_are_refused(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, ("4", "04", "5", "6"))
    refused(read, tmp_path, "Sequences(2D+3D)/F001/T1: ['04.jpg', '4.jpg'] are all image 4")


# --- videos


@pytest.mark.parametrize(
    "name", ["2F01_T5.avi", "F001_T5.avi", "2F01_09.avi", "2f01_t5.AVI", "2D/2F01_09.mp4", f"{IMAGES}/2D/F001_T5.avi"]
)
def test_videos(tmp_path: Path, name: str) -> None:
    rows = [bp4d_row(3, {}), bp4d_row(4, {1: 1})]
    bp4d_sequence(tmp_path, "F001_T5", rows)
    video(tmp_path / name, 4)
    video(tmp_path / "2F01_02.avi", 4)  # a task that is not coded
    reading = read(tmp_path)
    assert reading.table["path"].to_list() == [name] * 2
    assert reading.table["index"].to_list() == [2, 3]
    assert reading.table["au_1"].to_list() == [0, 1]
    assert reading.notes == ("the frames come from 1 videos, whose first frame is label frame 1",)


def test_raw_numbers_of_tasks(tmp_path: Path) -> None:
    for i, raw in enumerate(("01", "03", "07", "08", "09", "10", "11", "13"), start=1):
        bp4d_sequence(tmp_path, f"M011_T{i}", ROWS)
        video(tmp_path / "Videos" / f"2M11_{raw}.avi", 7 + i)
    table = read(tmp_path).table
    found = dict(table.select("sequence", "path").unique().iter_rows())
    assert found["T3"] == "Videos/2M11_07.avi"
    assert found["T8"] == "Videos/2M11_13.avi"
    assert len(found) == 8


def test_videos_that_do_not_fit(tmp_path: Path) -> None:
    for task in ("T1", "T2", "T3", "T4"):
        bp4d_sequence(tmp_path, f"F001_{task}", ROWS)
    video(tmp_path / "F001_T1.avi", 6)
    video(tmp_path / "F001_T2.avi", 9)
    video(tmp_path / "2D" / "2F01_03.avi", 9)
    lines(tmp_path / "F001_T4.avi", "no video")
    refused(
        read,
        tmp_path,
        "F001_T1.avi: 6 frames, but the labels of F001/T1 are of its frames 5 to 7",
        "F001/T2: more than one video: F001_T2.avi, 2D/2F01_03.avi",
        "F001/T3: has labels but no video",
        "F001_T4.avi: not a readable video",
    )


def test_a_frame_before_the_video_is_refused(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(0, {})])
    video(tmp_path / "F001_T1.avi", 6)
    refused(read, tmp_path, "6 frames, but the labels of F001/T1 are of its frames 0 to 0")


def test_images_are_preferred_to_videos(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    video(tmp_path / "2D" / "2F01_T1.avi", 9)
    reading = read(tmp_path)
    assert reading.table["index"].null_count() == 3
    assert "1 videos were found beside the images and are not used" in reading.notes


def test_folders_of_three_dimensional_data_do_not_hide_the_videos(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS)
    lines(tmp_path / IMAGES / "F001" / "T1" / "004.obj", "v")
    video(tmp_path / "2F01_T1.avi", 9)
    assert read(tmp_path).table["path"].unique().to_list() == ["2F01_T1.avi"]


# --- occlusion


@pytest.mark.parametrize("name", ["28", "99", "AU39", "occlusion"])
def test_the_occlusion_flag(tmp_path: Path, name: str) -> None:
    bp4d_sequence(tmp_path, "F001_T1", flagged(ROWS, [0, 1, 9]), (4, 5, 6), header=(*range(25), name))
    kept = read(tmp_path)
    assert kept.table.height == 3
    assert kept.excluded.is_empty()
    assert any(note.startswith("1 frames are flagged as occluded") for note in kept.notes)
    dropped = read(tmp_path, drop_occluded=True)
    assert dropped.table["frame"].to_list() == [5, 7]
    assert dropped.excluded.rows() == [("F001", "T1", 6, "occluded")]
    assert len(dropped.notes) == 1


def test_an_au_in_the_last_column_is_no_occlusion_flag(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {24: 1})], (4,))
    assert len(read(tmp_path).notes) == 1
    refused(read, tmp_path, "the last column, '24', is no occlusion flag", drop_occluded=True)
    refused(read, tmp_path, "drop_occluded='yes'; allowed: true, false", drop_occluded="yes")


def test_codes_of_the_flag_are_checked_where_it_is_used(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", flagged(ROWS, [0, 2, "x"]), (4, 5, 6), header=(*range(25), 99))
    assert read(tmp_path).table.height == 3
    refused(read, tmp_path, "line 3 and 1 more lines, column '99': '2'; allowed: 0, 1, 9", drop_occluded=True)


# --- intensities


@pytest.mark.parametrize("folder", ["AUCoding/AU_INT", "AU Intensity Codes3.0", "AU_INT"])
def test_intensities(tmp_path: Path, folder: str) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    for au in (6, 10, 12, 14):
        bp4d_levels(tmp_path, au, [(4, 5), (6, 9), (5, au % 6)])
    if folder != "AUCoding/AU_INT":
        (tmp_path / "AUCoding" / "AU_INT").rename(tmp_path / folder)
    table = read(tmp_path).table
    assert intensities_of(table) == (6, 10, 12, 14), "AU 17 has no folder"
    assert table["intensity_10"].to_list() == [4, None, None]
    assert table["intensity_12"].to_list() == [0, None, None]
    assert table["frame"].to_list() == [5, 6, 7], "frame 4 is not coded in the occurrence file"


def test_a_sequence_without_intensities_is_noted(tmp_path: Path) -> None:
    for name in ("F001_T1", "F001_T2"):
        bp4d_sequence(tmp_path, name, ROWS, (4, 5, 6))
    bp4d_levels(tmp_path, 12, [(5, 1)])
    bp4d_levels(tmp_path, 12, [(5, 7)], "F009_T1")  # has no occurrence labels
    reading = read(tmp_path)
    assert reading.table["intensity_12"].to_list() == [1, None, None, None, None, None]
    assert "AU_INT/AU12 has no file of F001_T2" in reading.notes


def test_faults_of_intensity_files_are_collected(tmp_path: Path) -> None:
    for task in range(1, 7):
        bp4d_sequence(tmp_path, f"F001_T{task}", ROWS, (4, 5, 6))
    bp4d_levels(tmp_path, 6, [(5, 6)])
    bp4d_levels(tmp_path, 6, [(5, -1)], "F001_T2")
    bp4d_levels(tmp_path, 6, [(5, 1), (5, 1)], "F001_T3")
    bp4d_levels(tmp_path, 6, [(5,)], "F001_T4")
    bp4d_levels(tmp_path, 6, [("frame", "intensity"), (5, 1)], "F001_T5")
    bp4d_levels(tmp_path, 6, [], "F001_T6")
    lines(tmp_path / "AUCoding" / "AU_INT" / "AU06" / "F001_T1_AU10.csv", "5,1")
    lines(tmp_path / "AUCoding" / "AU_INT" / "AU06" / "f001_t1_au6.csv", "5,1")
    refused(
        read,
        tmp_path,
        "F001_T1_AU06.csv, line 1, column 'intensity': '6'; allowed: 0, 1, 2, 3, 4, 5, 9",
        "F001_T2_AU06.csv, line 1, column 'intensity': '-1'",
        "F001_T3_AU06.csv: frame 5 is listed on lines 1, 2",
        "F001_T4_AU06.csv, line 1: 1 values, expected 2",
        "F001_T5_AU06.csv, line 1, column 'frame': 'frame'",
        "F001_T6_AU06.csv: contains no label",
        "AU06/F001_T1_AU10.csv: the name is not <subject>_<task>_AU06.csv",
        "AU06: F001_T1_AU06.csv and f001_t1_au6.csv are of the same sequence",
    )


# --- faults of occurrence files


@pytest.mark.parametrize(
    ("code", "shown"),
    [(2, "'2'"), (7, "'7'"), (-1, "'-1'"), ("", "''"), ("x", "'x'"), ("nan", "'nan'"), ("0.5", "'0.5'"), ("٣", "'٣'")],
)
def test_other_codes_are_refused(tmp_path: Path, code: object, shown: str) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [ROWS[0], bp4d_row(6, {12: code}), bp4d_row(7, {12: code})], (4, 5, 6))
    refused(read, tmp_path, f"F001_T1.csv, line 3 and 1 more lines, column '12': {shown}; allowed: 0, 1, 9")


def test_codes_of_aus_that_are_not_used_are_ignored(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {3: 7})], (4,))
    assert read(tmp_path).table.height == 1


def test_the_problems_of_all_files_are_collected(tmp_path: Path) -> None:
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
        read,
        tmp_path,
        "F001_T1.csv, line 2, column '12': '3'",
        "F001_T1.csv, line 2, column '24': '4'",
        "F002_T1.csv: frame 5 is listed on lines 2, 3",
        "F003_T1.csv, line 2, column '0': '-5'; allowed: a frame number",
        "F004_T1.csv, line 2: 3 values, expected 25",
        "F005_T1.csv: contains no label",
        "F006/T1: 1 of 3",
        "F007_T1.csv, header: AU [2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24] missing",
        "F008_T1.csv, header: AU [12] in more than one column",
        "copy of F001_T1.csv: the name is not",
        "F009_T1.csv: not a readable text file",
    )


def test_two_label_files_of_a_sequence_are_refused(tmp_path: Path) -> None:
    path = bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    path.with_name("f001_t1.CSV").write_text(path.read_text())
    refused(read, tmp_path, "frame 5 of F001/T1 is listed 2 times")


def test_odd_entries_do_not_hinder(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", ROWS, (4, 5, 6))
    labels = tmp_path / "AUCoding" / "AU_OCC"
    (labels / "F002_T1.csv").mkdir()
    (labels / "F003_T1.csv").symlink_to(labels / "F003_T1.csv")
    (labels / "._F001_T1.csv").write_bytes(b"\xff")
    images = tmp_path / IMAGES / "F001" / "T1"
    os.mkfifo(images / "99.jpg")
    picture(images / "12345678901234567890.jpg")
    (images / "up").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path)
    for folder in (labels, images):
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg.csv")).touch()
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.csv.jpg")).touch()
    lines(tmp_path / "__MACOSX" / "x", "x")
    reading = read(tmp_path)
    assert reading.table.height == 3
    assert {
        "AU_OCC: 1 file names are not UTF-8 and were left out",
        "AU_OCC: 1 broken links were left out",
        "Sequences(2D+3D)/F001/T1: 1 file names are not UTF-8 and were left out",
    } < set(reading.notes)


def test_the_rows_do_not_depend_on_the_root(tmp_path: Path) -> None:
    for name in ("one", "two"):
        bp4d_sequence(tmp_path / name, "F001_T1", ROWS, (4, 5, 6))
    assert read(tmp_path / "one").table.equals(read(tmp_path / "two").table)
