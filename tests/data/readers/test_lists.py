from pathlib import Path

import pytest

from data.catalog import CATALOG, read_dataset
from data.frames import Reading, aus_of
from data.readers import lists
from tests.data.trees import bp4d_row, bp4d_sequence, fold_lists, lines, picture, refused

ONE_A_PART = ("F001", "F003", "F004")
ALL = [subject for part in CATALOG["bp4d"].parts.values() for subject in part]


def read(root: Path, name: str = "bp4d", **options: object) -> Reading:
    return read_dataset(name, root, options)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_lists_of_me_graphau(tmp_path: Path) -> None:
    fold_lists(
        tmp_path, "bp4d", ALL, (2440,), lambda subject, _: "1 0 0 0 0 0 0 0 0 0 0 " + str(int(subject == "M018"))
    )
    lines(tmp_path / "list" / "BP4D_weight_fold1.txt", "1.0 2.0")
    reading = read(tmp_path)
    table = reading.table
    assert aus_of(table) == CATALOG["bp4d"].aus
    assert table.height == 41
    assert table["frame"].unique().to_list() == [2440]
    assert table["sequence"].unique().to_list() == ["T1"]
    assert table["path"][0] == "img/F001/T1/2440.jpg"
    assert table["au_1"].sum() == 41
    assert table["au_24"].to_list() == [0] * 40 + [1]
    assert table["index"].null_count() == table["split"].null_count() == 41
    assert reading.excluded.is_empty()
    assert reading.notes == (
        "read from the lists of ME-GraphAU in list",
        "image number = label frame number, as these lists take it",
        "images of img",
    )


def test_disfa_lists_count_images_from_zero(tmp_path: Path) -> None:
    fold_lists(tmp_path, "disfa", ("SN001", "SN006", "SN003"), (0, 1))
    reading = read(tmp_path, "disfa", camera="left", threshold=2, frame_set="all")
    assert reading.table["frame"].to_list() == [1, 2] * 3
    assert reading.table["path"].to_list()[:2] == ["img/SN001/0.png", "img/SN001/1.png"]
    assert aus_of(reading.table) == CATALOG["disfa"].aus
    assert "images count from 0: frame = image number + 1, as these lists take it" in reading.notes
    assert any(note.startswith("the lists contain no image of SN002, SN004") for note in reading.notes)


def test_disfa_lists_that_count_from_one(tmp_path: Path) -> None:
    fold_lists(tmp_path, "disfa", ("SN001", "SN006", "SN003"), (1, 2))
    assert read(tmp_path, "disfa").table["frame"].to_list() == [1, 2] * 3


def jaa_net(root: Path, labels: str = "0 9 1 0 0 0 0 0 0 0 0 0") -> Path:
    for i, subject in enumerate(ONE_A_PART, start=1):
        picture(root / "imgs" / "BP4D" / subject / "T2" / "0007.jpg")
        lines(root / "list" / f"BP4D_part{i}_path.txt", f"BP4D/{subject}/T2/0007.jpg")
        lines(root / "list" / f"BP4D_part{i}_AUoccur.txt", labels)
    return root / "list"


def test_the_lists_of_jaa_net(tmp_path: Path) -> None:
    folder = jaa_net(tmp_path / "data")
    table = read(tmp_path).table
    assert table.select("subject", "sequence", "frame", "path").rows()[0] == (
        "F001",
        "T2",
        7,
        "data/imgs/BP4D/F001/T2/0007.jpg",
    )
    assert table.select("au_1", "au_2", "au_4").rows() == [(0, None, 1)] * 3
    lines(folder / "BP4D_combine_1_2_path.txt", "BP4D/F001/T2/0007.jpg")
    lines(folder / "BP4D_combine_1_2_AUoccur.txt", "0 9 1 0 0 0 0 0 0 0 0 0")
    refused(read, tmp_path, "BP4D_combine_1_2_path.txt: 1 images of the other test lists missing")


@pytest.mark.parametrize(
    ("name", "images"), [("list_256x256", "img_256x256"), ("LIST_200x200", "img"), ("list", "imgs")]
)
@pytest.mark.parametrize("below", ["", "data/BP4D"])
def test_where_lists_and_images_may_lie(tmp_path: Path, name: str, images: str, below: str) -> None:
    root = tmp_path / below
    fold_lists(root, "bp4d", ONE_A_PART)
    (root / "list").rename(root / "new")
    (root / "new").rename(root / name)
    (root / "img").rename(root / images)
    table = read(tmp_path if below != "data/BP4D" else tmp_path / "data").table
    assert table["path"][0].endswith(f"{images}/F001/T1/1.jpg")


def test_images_of_the_same_size_as_the_lists_are_preferred(tmp_path: Path) -> None:
    for size in ("_200x200", "_256x256"):
        fold_lists(tmp_path, "bp4d", ONE_A_PART)
        (tmp_path / "list").rename(tmp_path / f"list{size}")
        (tmp_path / "img").rename(tmp_path / f"img{size}")
    reading = read(tmp_path)
    assert reading.table["path"][0].startswith("img_256x256/")
    assert "the lists of ME-GraphAU in list_200x200 were found too and not read" in reading.notes


def test_images_are_found_whatever_their_padding(tmp_path: Path) -> None:
    fold_lists(tmp_path, "bp4d", ONE_A_PART)
    (tmp_path / "img" / "F001" / "T1" / "1.jpg").rename(tmp_path / "img" / "F001" / "T1" / "0001.jpg")
    assert read(tmp_path).table["path"][0] == "img/F001/T1/0001.jpg"


def test_blank_lines_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    for path in folder.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b" \r\n") + b"\r\n\r\n")
    assert read(tmp_path).table.height == 6


def test_raw_labels_win_over_lists(tmp_path: Path) -> None:
    fold_lists(tmp_path, "bp4d", ONE_A_PART)
    bp4d_sequence(tmp_path, "F009_T1", [bp4d_row(5, {})], (4,))
    assert read(tmp_path).table["subject"].to_list() == ["F009"]
    assert lists.found(tmp_path, CATALOG["bp4d"]) == []


def test_lists_of_another_dataset_are_not_taken(tmp_path: Path) -> None:
    fold_lists(tmp_path, "disfa", ("SN001", "SN006", "SN003"))
    refused(read, tmp_path, "does not have the expected layout", "or list/BP4D_test_img_path_fold1.txt")


def test_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    fold_lists(tmp_path, "bp4d", ONE_A_PART)
    assert read(tmp_path, image_offset=-1, drop_occluded=False).table.height == 6
    refused(read, tmp_path, "image_offset=0 does not apply", image_offset=0)
    fold_lists(tmp_path / "d", "disfa", ("SN001", "SN006", "SN003"))
    message = refused(
        lambda root, **options: read(root, "disfa", **options),
        tmp_path / "d",
        "camera='right', threshold=1 does not apply",
        camera="right",
        threshold=1,
        frame_set="all",
    )
    assert "frame_set" not in message


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    (folder / "BP4D_test_label_fold3.txt").unlink()
    refused(read, tmp_path, "list/ has no BP4D_test_label_fold3.txt")
    for path in folder.glob("BP4D_test_label_*"):
        path.unlink()
    refused(read, tmp_path, "BP4D_test_label_fold1.txt", "BP4D_test_label_fold2.txt", "BP4D_test_label_fold3.txt")


def test_a_subject_of_another_part_is_named(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    one, three = (folder / f"BP4D_test_img_path_fold{k}.txt" for k in (1, 3))
    first, third = one.read_text(), three.read_text()
    one.write_text(third)
    three.write_text(first)
    refused(
        read,
        tmp_path,
        "BP4D_test_img_path_fold1.txt contains F001, but the published part3 does not",
        "BP4D_test_img_path_fold3.txt contains F004, but the published part1 does not",
    )


def test_lengths_must_agree(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    with (folder / "BP4D_test_label_fold1.txt").open("a") as file:
        file.write("0 0 0 0 0 0 0 0 0 0 0 0\n")
    refused(read, tmp_path, "BP4D_test_img_path_fold1.txt has 2 lines, but BP4D_test_label_fold1.txt has 3")


@pytest.mark.parametrize(
    "label",
    ["0 1", "a", "0,0,0,0,0,0,0,0,0,0,0,0", *(f"{'0 ' * 11}{last}" for last in ("2", "9", "-1", "nan", "0 0"))],
)
def test_wrong_labels_are_refused(tmp_path: Path, label: str) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    change(folder / "BP4D_test_label_fold2.txt", "0 0 0 0 0 0 0 0 0 0 0 0", label)
    refused(read, tmp_path, f"BP4D_test_label_fold2.txt: {label!r}; expected 12 codes of 0, 1")


@pytest.mark.parametrize("path", ["F003/1.jpg", "F003/T1/x.jpg", "F003/T1/1.txt", "SN003/1.jpg", "/F003/T1/1.jpg"])
def test_wrong_paths_are_refused(tmp_path: Path, path: str) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    change(folder / "BP4D_test_img_path_fold2.txt", "F003/T1/1.jpg", path)
    refused(read, tmp_path, f"BP4D_test_img_path_fold2.txt: {path!r}; expected e.g. F001/T1/2440.jpg")


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    for kind in ("img_path", "label"):
        lines(folder / f"BP4D_test_{kind}_fold2.txt")
    refused(read, tmp_path, "BP4D_test_img_path_fold2.txt: contains no path")


def test_an_image_in_two_test_lists_is_refused(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    change(folder / "BP4D_test_img_path_fold1.txt", "F004/T1/2.jpg", "F001/T1/1.jpg")
    refused(read, tmp_path, "image 1 of F001/T1 is in the test lists 2 times")
    change(folder / "BP4D_test_label_fold3.txt", "0", "1")
    refused(read, tmp_path, "image 1 of F001/T1 is in the test lists 2 times with different labels")


def test_train_lists_must_be_the_other_test_lists(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    change(folder / "BP4D_train_label_fold1.txt", "0 0", "1 0")
    change(folder / "BP4D_train_img_path_fold2.txt", "F004/T1/2.jpg", "F003/T1/2.jpg")
    change(folder / "BP4D_train_img_path_fold3.txt", "F003/T1/2.jpg", "F003/T1/1.jpg")
    refused(
        read,
        tmp_path,
        "BP4D_train_img_path_fold1.txt: 1 images with other labels than in their test list",
        "BP4D_train_img_path_fold2.txt: 1 images of no other test list",
        "BP4D_train_img_path_fold2.txt: 1 images of the other test lists missing",
        "BP4D_train_img_path_fold3.txt: 2 images more than once",
    )
    for path in folder.glob("*_train_*"):
        path.unlink()
    assert read(tmp_path).table.height == 6


def test_missing_images_are_listed(tmp_path: Path) -> None:
    fold_lists(tmp_path, "bp4d", ONE_A_PART)
    (tmp_path / "img" / "F003" / "T1" / "2.jpg").unlink()
    (tmp_path / "img" / "F004" / "T1").rename(tmp_path / "img" / "F004" / "T9")
    refused(read, tmp_path, "F003/T1: 1 of 2 coded frames have no image (image 2 to 2)", "F004/T1: 2 of 2")
    (tmp_path / "img").rename(tmp_path / "pictures")
    refused(read, tmp_path, "the lists name F001/T1/, but there is no such folder in img/")


def test_codes_may_be_apart_by_tabs(tmp_path: Path) -> None:
    folder = fold_lists(tmp_path, "bp4d", ONE_A_PART)
    change(folder / "BP4D_test_label_fold3.txt", "0 0 0", "0\t1  0")
    for path in folder.glob("*_train_*"):
        path.unlink()
    assert read(tmp_path).table["au_2"].to_list() == [1, 0, 0, 0, 0, 0]
