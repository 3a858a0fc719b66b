from pathlib import Path

import polars as pl
import pytest

from data.catalog import CATALOG, read_dataset
from data.frames import Reading, aus_of, intensities_of
from tests.data.trees import disfa_subject, lines, refused, video


def read(root: Path, **options: object) -> Reading:
    return read_dataset("disfa", root, options)


def test_intensities_and_videos(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001", {12: [0, 1, 2, 5]})
    table = read(tmp_path).table
    assert aus_of(table) == intensities_of(table) == CATALOG["disfa"].aus
    assert table["frame"].to_list() == [1, 2, 3, 4]
    assert table["index"].to_list() == [0, 1, 2, 3]
    assert table["path"].unique().to_list() == ["Videos_LeftCamera/LeftVideoSN001_comp.avi"]
    assert table["au_12"].to_list() == [0, 0, 1, 1]
    assert table["intensity_12"].to_list() == [0, 1, 2, 5]
    other = read(tmp_path, threshold=1).table
    assert other["au_12"].to_list() == [0, 1, 1, 1]
    assert other["intensity_12"].to_list() == [0, 1, 2, 5]


def test_the_right_camera_has_another_spelling(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001")
    video(tmp_path / "Video_RightCamera" / "RightVideoSN001_Comp.avi", 4)
    table = read(tmp_path, camera="right").table
    assert table["path"][0] == "Video_RightCamera/RightVideoSN001_Comp.avi"
    assert table["sequence"].unique().to_list() == ["right"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("videos_leftcamera", "leftvideosn001_COMP.AVI"), ("Video_LeftCamera", "LeftVideoSN001.mp4")],
)
def test_case_and_spelling_do_not_matter(tmp_path: Path, folder: str, name: str) -> None:
    disfa_subject(tmp_path, "SN001")
    old = tmp_path / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    old.rename(tmp_path / name)
    old.parent.rmdir()
    (tmp_path / folder).mkdir()
    (tmp_path / name).rename(tmp_path / folder / name)
    labels = tmp_path / "ActionUnit_Labels"
    (labels / "SN001" / "SN001_au1.txt").rename(labels / "SN001" / "sn001_AU01.TXT")
    (labels / "SN001").rename(labels / "sn001")
    labels.rename(tmp_path / "actionunit_labels")
    table = read(tmp_path).table
    assert table["subject"].unique().to_list() == ["SN001"]
    assert table["path"][0] == f"{folder}/{name}"


def test_wrong_options_are_listed_together(tmp_path: Path) -> None:
    refused(
        read,
        tmp_path,
        "camera='both'; allowed: left, right",
        "threshold=3; allowed: 1, 2",
        "frame_set='some'; allowed: all, tracked",
        camera="both",
        threshold=3,
        frame_set="some",
    )
    refused(read, tmp_path, "threshold=True", threshold=True)


def test_intensities_are_paired_by_frame_number(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001")
    path = tmp_path / "ActionUnit_Labels" / "SN001" / "SN001_au12.txt"
    lines(path, "4,0", "3,0", "2,5", "1,0")
    assert read(tmp_path).table["au_12"].to_list() == [0, 1, 0, 0]


def test_gaps_are_allowed(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001", frames=5)
    for path in (tmp_path / "ActionUnit_Labels" / "SN001").iterdir():
        lines(path, "2,0", "5,3")
    table = read(tmp_path).table
    assert table["frame"].to_list() == [2, 5]
    assert table["index"].to_list() == [1, 4]


def test_the_tracked_frames_leave_out_the_published_ranges(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN011", {12: [0, 5, 5, 0]})
    disfa_subject(tmp_path, "SN003")
    for path in (tmp_path / "ActionUnit_Labels" / "SN011").iterdir():
        path.write_text(path.read_text().replace("2,", "4529,").replace("3,", "4533,").replace("4,0", "4534,0"))
    video(tmp_path / "Videos_LeftCamera" / "LeftVideoSN011_comp.avi", 4534)
    everything = read(tmp_path)
    assert everything.table.height == 8
    assert everything.excluded.is_empty()
    reading = read(tmp_path, frame_set="tracked")
    assert reading.excluded.rows() == [
        ("SN011", "left", 4529, "bad landmarks"),
        ("SN011", "left", 4533, "bad landmarks"),
    ]
    kept = reading.table.filter(pl.col("subject") == "SN011")
    assert kept["frame"].to_list() == [1, 4534]
    assert reading.table.height == 6


def test_the_published_ranges() -> None:
    frames = {
        (subject, frame) for subject, first, last in CATALOG["disfa"].bad_spans() for frame in range(first, last + 1)
    }
    assert len(frames) == 4670
    assert 27 * 4845 - 1 - len(frames) == 126_144
    assert {subject for subject, _ in frames} < {s for part in CATALOG["disfa"].parts.values() for s in part}
    assert max(frame for _, frame in frames) == 4845
    assert sum(subject == "SN021" for subject, _ in frames) == 3052, "63 % of its frames"


def test_the_problems_of_all_subjects_are_collected(tmp_path: Path) -> None:
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
    disfa_subject(tmp_path, "SN007", {1: [0, -1, 0, 0], 2: [0, "nan", 0, 0]})
    lines(tmp_path / "ActionUnit_Labels" / "SN007" / "SN007_au4.txt", "1,0", "1,0", "3,0", "4,0")
    lines(tmp_path / "ActionUnit_Labels" / "SN007" / "SN007_au6.txt", "1 0")
    refused(
        read,
        tmp_path,
        "SN001_au12.txt, line 2, column 'intensity': '6'; allowed: 0, 1, 2, 3, 4, 5",
        "SN002: the label files cover different frames (au1 4, ",
        "LeftVideoSN003_comp.avi: 5 frames, but labels up to frame 6",
        "SN004: no label file for AU 26",
        "SN004: has labels but no video",
        "LeftVideoSN005_comp.avi: not a readable video",
        "SN006_au1.txt: has frame 0",
        "SN007_au1.txt, line 2, column 'intensity': '-1'",
        "SN007_au2.txt, line 2, column 'intensity': 'nan'",
        "SN007_au4.txt: frame 1 is listed on lines 1, 2",
        "SN007_au6.txt, line 1: 1 values, expected 2",
    )


def test_two_files_for_one_thing_are_refused(tmp_path: Path) -> None:
    disfa_subject(tmp_path, "SN001")
    video(tmp_path / "Videos_LeftCamera" / "leftvideosn001.avi", 4)
    lines(tmp_path / "ActionUnit_Labels" / "SN001" / "SN001_au01.txt", "1,0", "2,0", "3,0", "4,0")
    refused(read, tmp_path, "two videos of SN001", "SN001_au01.txt and SN001_au1.txt are of the same AU")
