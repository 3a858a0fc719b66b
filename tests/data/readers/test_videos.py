"""Videos without labels."""

from pathlib import Path

import pytest

from data.catalog import read_dataset
from data.errors import InputError
from data.folds import fold_names
from data.frames import Reading, aus_of
from tests.data.trees import refused, video


def read(root: Path, **options: object) -> Reading:
    return read_dataset("videos", root, options)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people: one with a video in a folder and one below it, two with a video each."""
    root = tmp_path_factory.mktemp("videos")
    for name, frames in (("anna/talk.mp4", 5), ("anna/2020/talk.avi", 3), ("ben/x.MP4", 1), ("carl.mkv", 7)):
        video(root / name, frames)
    (root / "notes.txt").write_text("no video")
    return root


def test_a_folder_is_a_person_and_a_video_a_sequence(root: Path) -> None:
    table = read(root).table
    counts = table.group_by("subject", "sequence", "path").len().sort("path").rows()
    assert counts == [
        ("anna", "2020/talk", "anna/2020/talk.avi", 3),
        ("anna", "talk", "anna/talk.mp4", 5),
        ("ben", "x", "ben/x.MP4", 1),
        ("carl", "carl", "carl.mkv", 7),
    ]
    assert table.filter(subject="carl")["index"].to_list() == [*range(7)]
    assert table.filter(subject="carl")["frame"].to_list() == [*range(1, 8)]
    assert aus_of(table) == ()
    assert set(table["dataset"]) == {"videos"}


def test_a_step_leaves_no_gap_in_the_numbers(root: Path) -> None:
    table = read(root, frame_step=3).table.filter(subject="carl")
    assert table.select("frame", "index").rows() == [(1, 0), (2, 3), (3, 6)]
    assert read(root, frame_step=100).table.height == 4


@pytest.mark.parametrize("step", [0, -1, 1.5, True, "2"])
def test_a_wrong_step_is_refused(root: Path, step: object) -> None:
    refused(read, root, f"frame_step={step!r}", "at least 1", frame_step=step)


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    refused(read, tmp_path, "<subject>/<video>.mp4", "It contains: anna")


def test_all_videos_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for name in ("a/x.mp4", "b.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no video")
    refused(read, tmp_path, "x.mp4: not a readable video", "b.avi: not a readable video")


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a/x.mp4", "a/x.avi"):
        video(tmp_path / name, 1)
    refused(read, tmp_path, "a/x.avi and a/x.mp4 have the same name")


def test_what_has_no_labels_is_not_divided(root: Path) -> None:
    with pytest.raises(InputError, match=r"videos has no labels, so it has no folds; use it only in pretrain\.stores"):
        fold_names(read(root).table, "random3")
