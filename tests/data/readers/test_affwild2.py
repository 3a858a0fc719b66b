from pathlib import Path

import polars as pl
import pytest

from data.catalog import CATALOG, read_dataset
from data.errors import InputError
from data.frames import Reading, aus_of
from tests.data.trees import affwild2_video, lines, picture, refused

FIRST = (1, 2, 4, 6, 12, 15, 20, 25)


def read(root: Path, **options: object) -> Reading:
    return read_dataset("affwild2", root, options)


def test_rows_are_paired_with_crops(tmp_path: Path) -> None:
    affwild2_video(tmp_path, "video1_left", rows=4, crops=(1, 3, 4))
    affwild2_video(tmp_path, "7-60-1920x1080", "Validation_Set")
    (tmp_path / "cropped_aligned" / ".DS_Store").write_bytes(b"\0")
    lines(tmp_path / "annotations" / "AU_Detection_Challenge" / "Train_Set" / "._video1_left.txt", "x")
    reading = read(tmp_path)
    table = reading.table
    assert aus_of(table) == CATALOG["affwild2"].aus
    train = table.filter(pl.col("split") == "train")
    assert train["subject"].unique().to_list() == train["sequence"].unique().to_list() == ["video1_left"]
    assert train["frame"].to_list() == [1, 3, 4]
    assert train["au_1"].to_list() == [0, 0, 1]
    assert train["au_2"].null_count() == 3
    assert train["path"][1] == "cropped_aligned/video1_left/00003.jpg"
    assert table.filter(pl.col("split") == "val").height == 3
    assert reading.excluded.rows() == [("video1_left", "video1_left", 2, "no crop")]
    assert reading.notes == ("the labels are those of annotations/AU_Detection_Challenge",)


def test_crops_without_a_label_row_are_counted(tmp_path: Path) -> None:
    affwild2_video(tmp_path, "a", rows=2, crops=(0, 1, 2, 3, 4))
    affwild2_video(tmp_path, "b", rows=3, crops=(1, 2, 3))
    reading = read(tmp_path)
    assert reading.table.height == 5
    assert "3 crops of 1 videos have no label row: a" in reading.notes


def test_persons_of_one_video_are_subjects(tmp_path: Path) -> None:
    for name in ("v", "v_left", "v_right"):
        affwild2_video(tmp_path, name)
    assert read(tmp_path).table["subject"].unique().sort().to_list() == ["v", "v_left", "v_right"]


def test_frames_with_an_uncoded_au_can_be_dropped(tmp_path: Path) -> None:
    labels = affwild2_video(tmp_path, "v", crops=(1, 2, 3))
    blank = [0] * 12
    rows = [[1, *blank[1:]], [-1, *blank[1:]], [*blank[1:], -1], [-1, *blank[1:]]]
    lines(labels, [f"AU{au}" for au in CATALOG["affwild2"].aus], *rows)
    masked = read(tmp_path)
    assert masked.table["au_1"].to_list() == [1, None, 0]
    assert masked.excluded["reason"].to_list() == ["no crop"]
    dropped = read(tmp_path, uncoded="drop")
    assert dropped.table["frame"].to_list() == [1]
    assert dropped.excluded.sort("frame").rows() == [
        ("v", "v", 2, "uncoded AU"),
        ("v", "v", 3, "uncoded AU"),
        ("v", "v", 4, "no crop"),
    ]
    refused(read, tmp_path, "uncoded='x'; allowed: mask, drop", uncoded="x")


@pytest.mark.parametrize(
    ("train", "aus"),
    [
        ("annotations/AU_Set/Training_Set", FIRST),
        ("annotations/AU_Set/Train_Set", CATALOG["affwild2"].aus),
        ("3rd_ABAW_Annotations/AU_Detection_Challenge/Train_Set", CATALOG["affwild2"].aus),
        ("6th ABAW Annotations/AU_Detection_Challenge/Train_Set", CATALOG["affwild2"].aus),
        ("8th ABAW Annotations/AU Detection Challenge/Train_Set", CATALOG["affwild2"].aus),
        ("AU_Set/train_set", FIRST),
    ],
)
def test_the_annotations_of_the_challenges(tmp_path: Path, train: str, aus: tuple[int, ...]) -> None:
    lines(tmp_path / train / "v.txt", [f"AU{au}" for au in aus], [0] * (len(aus) - 1) + [1])
    picture(tmp_path / "cropped_aligned" / "v" / "00001.jpg")
    reading = read(tmp_path)
    assert aus_of(reading.table) == aus
    assert reading.table[f"au_{aus[-1]}"].to_list() == [1]
    assert reading.table["split"].to_list() == ["train"]
    assert reading.notes == (f"the labels are those of {train.rpartition('/')[0]}",)


def test_one_of_several_annotations_is_chosen(tmp_path: Path) -> None:
    for number, code in (("3rd", 0), ("6th", 1)):
        folder = tmp_path / f"{number} ABAW Annotations" / "AU_Detection_Challenge" / "Train_Set"
        lines(folder / "v.txt", "AU1,AU2", f"{code},0")
    (tmp_path / "old" / "AU_Set").mkdir(parents=True)  # empty: not a choice
    picture(tmp_path / "cropped_aligned" / "v" / "00001.jpg")
    refused(
        read,
        tmp_path,
        "has 2 sets of annotations: 3rd ABAW Annotations/AU_Detection_Challenge, 6th ABAW",
        "dataset.options.annotations=",
    )
    assert read(tmp_path, annotations="6TH abaw").table["au_1"].to_list() == [1]
    assert read(tmp_path, annotations="3rd").table["au_1"].to_list() == [0]
    refused(read, tmp_path, "'9th' matches 0", annotations="9th")
    refused(read, tmp_path, "'ABAW' matches 2", annotations="ABAW")


def test_crops_may_lie_in_two_folders(tmp_path: Path) -> None:
    for video_name in ("a", "b", "c"):
        affwild2_video(tmp_path, video_name)
    other = tmp_path / "cropped_aligned_new_50_vids"
    other.mkdir()
    (tmp_path / "cropped_aligned" / "b").rename(other / "b")
    picture(other / "c" / "00001.jpg")
    reading = read(tmp_path)
    assert [path.split("/")[0] for path in reading.table.filter(pl.col("frame") == 1)["path"]] == [
        "cropped_aligned",
        "cropped_aligned_new_50_vids",
        "cropped_aligned",
    ]
    assert any(note.startswith("crops of c are in more than one of") for note in reading.notes)


def test_an_empty_line_between_rows_is_refused(tmp_path: Path) -> None:
    path = affwild2_video(tmp_path, "v")
    path.write_text(path.read_text() + "\n\n")
    assert read(tmp_path).table.height == 3
    head, first, *rest = path.read_text().splitlines()
    lines(path, head, first, "", *rest)
    refused(read, tmp_path, "v.txt: an empty line lies between the rows")


def test_problems_are_collected(tmp_path: Path) -> None:
    affwild2_video(tmp_path, "a")
    affwild2_video(tmp_path, "a", "Validation_Set")
    affwild2_video(tmp_path, "b", crops=())
    lines(affwild2_video(tmp_path, "c"), "AU1,AU2", "0,1", "9,0")
    lines(affwild2_video(tmp_path, "d"), "AU1,AU2", "0,1")
    lines(affwild2_video(tmp_path, "e"), "0,1", "1,0")
    affwild2_video(tmp_path, "f").write_bytes(b"")
    affwild2_video(tmp_path, "g").write_bytes(b"AU1,AU2\n0,\xff\n")
    lines(affwild2_video(tmp_path, "h"), "AU1,AU2", "0,1,1")
    picture(tmp_path / "cropped_aligned" / "d" / "2.jpg")
    refused(
        read,
        tmp_path,
        "a is in the training and the validation set",
        "b: no folder cropped_aligned/b",
        "c.txt, line 3, column 'AU1': '9'; allowed: 0, 1, -1",
        "d.txt codes AU (1, 2)",
        "e.txt, header: ",
        "f.txt: contains no label",
        "g.txt: not a readable text file",
        "h.txt, line 2: 3 values, expected 2",
        "cropped_aligned/d: ['00002.jpg', '2.jpg'] are all image 2",
    )


def test_links_that_go_round_in_circles(tmp_path: Path) -> None:
    affwild2_video(tmp_path, "v")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "annotations" / "up").symlink_to(tmp_path / "annotations")
    assert read(tmp_path).table.height == 3


def test_crops_that_look_shifted_are_refused(tmp_path: Path) -> None:
    affwild2_video(tmp_path, "video1", rows=3, crops=(2, 3, 4))
    affwild2_video(tmp_path, "video2", rows=3, crops=(1, 2, 3, 4))
    affwild2_video(tmp_path, "video3", part="Validation_Set", rows=3, crops=(2, 3))
    with pytest.raises(InputError, match=r"1 of 3 videos have no crop 1 and one after .*: video1\."):
        read(tmp_path)
