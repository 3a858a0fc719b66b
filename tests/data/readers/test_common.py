import os
from pathlib import Path

import pytest

from data.catalog import read_dataset
from data.errors import InputError
from data.frames import Reading
from data.readers import _common as common
from data.readers._images import numbered_images, video_lengths
from tests.data.trees import bp4d_row, bp4d_sequence, lines, picture, refused, video


def read(root: Path) -> Reading:
    return read_dataset("bp4d", root, {})


@pytest.mark.parametrize("name", ["bp4d", "disfa", "gft", "affwild2"])
def test_a_wrong_root_says_what_was_looked_for_and_what_is_there(name: str, tmp_path: Path) -> None:
    def read(root: Path) -> Reading:
        return read_dataset(name, root, {})

    refused(read, tmp_path, "Looked in it for", "It contains: nothing")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).mkdir()
    os.mkfifo(tmp_path / "pipe")
    message = refused(read, tmp_path, "It contains: holiday, loop, pipe")
    message.encode()


def test_every_reader_names_its_dataset_as_told(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {})], (4,))
    assert read_dataset("synthetic", tmp_path, {}).table["dataset"].to_list() == ["synthetic"]
    assert read(tmp_path).table["dataset"].to_list() == ["bp4d"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {})], (4,))
    bp4d_sequence(tmp_path, "F002_T1", [bp4d_row(5, {})], (3,))
    scan = os.scandir

    def guarded(path: Path) -> object:
        if str(path).endswith("F001/T1"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    refused(read, tmp_path, "F001/T1: Permission denied", "F002/T1: 1 of 1 coded frames have no image")


def test_files_are_told_from_what_only_looks_like_them(tmp_path: Path) -> None:
    for name in ("b.csv", "a.CSV", ".c.csv", "d.txt", "__e.csv"):
        (tmp_path / name).touch()
    (tmp_path / "f.csv").mkdir()
    (tmp_path / "g.csv").symlink_to(tmp_path / "nowhere")
    (tmp_path / "h.csv").symlink_to(tmp_path / "d.txt")
    (tmp_path / "i.csv").symlink_to(tmp_path / "f.csv")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv")).touch()
    assert common.names(tmp_path, (".csv",)) == (["a.CSV", "b.csv", "h.csv"], 1, 1)


def test_images_by_number(tmp_path: Path) -> None:
    for name in ("0007.jpg", "12.PNG", "x3.jpg", "4.5.jpg", "5.txt", "6", "-1.jpg", "٣.jpg"):
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "s" / name).touch()
    images = numbered_images(tmp_path, [("a", "b", tmp_path / "s")])
    assert images.table.rows() == [("a", "b", 7, "s/0007.jpg"), ("a", "b", 12, "s/12.PNG")]
    assert images.problems == images.notes == []


def test_lengths_of_videos(tmp_path: Path) -> None:
    good, bad = video(tmp_path / "a.avi", 3), lines(tmp_path / "b.avi", "x")
    lengths, problems = video_lengths([good, bad])
    assert lengths == {good: 3}
    assert len(problems) == 1
    assert "b.avi: not a readable video" in problems[0]
    assert video_lengths([]) == ({}, [])


def test_cells_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfframe, AU1\r\n1, 0\r\n\r\n2,1")
    cells = common.read_cells(path)
    assert cells.header == ["frame", "AU1"]
    assert cells.rows["line"].to_list() == [2, 4]
    assert common.frame_numbers(cells).to_list() == [1, 2]
    assert common.coded(cells, 1, {0: 0, 1: None}).to_list() == [0, None]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"frame,AU1\n"])
def test_a_file_without_labels_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="contains no label"):
        common.read_cells(path)


@pytest.mark.parametrize("number", ["1.5", "-1", "nan", "inf", "x", "", "2147483648", "1e3x"])
def test_odd_frame_numbers_are_refused(tmp_path: Path, number: str) -> None:
    cells = common.read_cells(lines(tmp_path / "a.csv", "1,0", f"{number},0"), header=("frame", "x"))
    with pytest.raises(InputError, match=r"line 2, column 'frame': .*allowed: a frame number"):
        common.frame_numbers(cells)


def test_long_listings_are_cut() -> None:
    assert common.listed([1, 2]) == "1, 2"
    assert common.listed(range(9), 3) == "0, 1, 2 and 6 more"
    assert common.short(range(14)).endswith("11, ...")


def test_a_picture_is_no_sequence(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {})], (4,))
    picture(tmp_path / "Sequences(2D+3D)" / "F002.jpg")
    assert read(tmp_path).table.height == 1
