import csv
import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from data.catalog import CATALOG
from data.errors import InputError
from data.synthetic import LAYOUTS, write_tree

FRAMES = 12


def tree(tmp_path: Path, layout: str, subjects: int = 2, sequences: int = 1, seed: int = 0, noise: float = 0.0) -> Path:
    out = tmp_path / layout
    write_tree(layout, out, subjects, sequences, FRAMES, seed, label_noise=noise, size=32)
    return out


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as handle:
        return list(csv.reader(handle))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path: Path, layout: str) -> None:
    first = contents(tree(tmp_path / "a", layout))
    assert first == contents(tree(tmp_path / "b", layout))
    other = contents(tree(tmp_path / "c", layout, seed=1))
    assert all(first[name] != other[name] for name in first if name.endswith((".jpg", ".avi")) and name in other)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_person_does_not_depend_on_how_many_others_there_are(tmp_path: Path, layout: str) -> None:
    few, many = contents(tree(tmp_path / "a", layout, 1)), contents(tree(tmp_path / "b", layout, 3))
    media = [name for name in few if name.endswith((".jpg", ".avi"))]
    assert media
    assert all(few[name] == many[name] for name in media)


def test_bp4d_images_count_from_zero_and_labels_from_one(tmp_path: Path) -> None:
    root = tree(tmp_path, "bp4d", subjects=3, sequences=2)
    for table in sorted((root / "AUCoding" / "AU_OCC").iterdir()):
        subject, task = table.stem.split("_")
        frames = [int(row[0]) for row in rows(table)[1:]]
        images = sorted(int(path.stem) for path in (root / "Sequences(2D+3D)" / subject / task).iterdir())
        assert images == [frame - 1 for frame in frames]
        assert frames == list(range(frames[0], frames[0] + FRAMES))


def test_bp4d_numbers_vary_in_padding_and_start(tmp_path: Path) -> None:
    out = tmp_path / "bp4d"
    write_tree("bp4d", out, subjects=12, sequences=2, frames=1, size=32)
    stems = [path.stem for path in out.glob("Sequences*/*/*/*.jpg")]
    assert len(stems) == 24
    assert {len(stem) for stem in stems} == {2, 3, 4}
    assert 3 < sum(int(stem) == 0 for stem in stems) < 15


def test_bp4d_label_columns(tmp_path: Path) -> None:
    root = tree(tmp_path, "bp4d")
    header, *body = rows(root / "AUCoding" / "AU_OCC" / "F001_T1.csv")
    assert header == [str(number) for number in range(29)]
    values = np.array(body, dtype=int)
    coded = CATALOG["bp4d"].aus
    assert set(values[:, coded].flat) <= {0, 1}
    assert (values[:, [3, 8, 25, 28]] == 9).all()


def test_bp4d_intensities_agree_with_occurrence(tmp_path: Path) -> None:
    root = tree(tmp_path, "bp4d")
    occurrence = np.array(rows(root / "AUCoding" / "AU_OCC" / "F001_T1.csv")[1:], dtype=int)
    for au in (6, 10, 12, 14, 17):
        levels = np.array(rows(root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"F001_T1_AU{au:02d}.csv"), dtype=int)
        assert (levels[:, 0] == occurrence[:, 0]).all()
        assert ((levels[:, 1] >= 1) == (occurrence[:, au] == 1)).all()
        assert levels[:, 1].max() <= 5


def test_disfa_videos_and_labels(tmp_path: Path) -> None:
    root = tree(tmp_path, "disfa", subjects=1, sequences=2)
    names = ("Videos_LeftCamera/LeftVideoSN001_comp.avi", "Video_RightCamera/RightVideoSN001_Comp.avi")
    left, right = (_decode(root / name) for name in names)
    assert left.shape == right.shape == (2 * FRAMES, 32, 32, 3)
    assert np.abs(left.astype(int) - right[:, :, ::-1]).mean() < 4
    files = sorted((root / "ActionUnit_Labels" / "SN001").iterdir())
    assert {int(path.stem.split("_au")[1]) for path in files} == {1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26}
    for path in files:
        values = np.array(rows(path), dtype=int)
        assert values[:, 0].tolist() == list(range(1, 2 * FRAMES + 1))
        assert 0 <= values[:, 1].min() <= values[:, 1].max() <= 5


def _decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def test_gft_layout(tmp_path: Path) -> None:
    root = tree(tmp_path, "gft", subjects=6)
    lists = [(root / f"{part}_subjects.txt").read_text().split() for part in ("train", "test")]
    assert [len(part) for part in lists] == [5, 1]
    assert sorted(lists[0] + lists[1]) == ["001A", "001B", "001C", "002A", "002B", "002C"]
    header, *body = rows(root / "labels" / "001A.csv")
    assert header[0] == "frame"
    assert {f"AU{au}" for au in CATALOG["gft"].aus} <= set(header)
    assert [row[0] for row in body] == [str(number) for number in range(1, FRAMES + 1)]
    assert {path.stem for path in (root / "images" / "001A").iterdir()} == {row[0] for row in body}
    cells = [set(row[1:]) for row in body]
    assert set.union(*cells) == {"0", "1", "9"}
    assert {"9"} in cells


def test_affwild2_layout(tmp_path: Path) -> None:
    root = tree(tmp_path, "affwild2", subjects=6)
    labels = root / "6th ABAW Annotations" / "AU_Detection_Challenge"
    files = sorted(labels.rglob("*.txt"))
    assert {path.parent.name for path in files} == {"Train_Set", "Validation_Set"}
    assert {path.stem for path in files} == set(LAYOUTS["affwild2"].subjects()[:6])
    assert any(path.stem.endswith("_left") for path in files)
    assert list(root.rglob(".DS_Store"))
    for path in files:
        header, *body = rows(path)
        assert header == [f"AU{au}" for au in CATALOG["affwild2"].aus]
        assert len(body) == FRAMES
        assert {"-1"} in [set(row) for row in body]
        images = [image.stem for image in (root / "cropped_aligned" / path.stem).glob("*.jpg")]
        assert set(images) < {f"{number:05d}" for number in range(1, FRAMES + 1)}
        assert len(images) == FRAMES - 1


def test_default_sizes(tmp_path: Path) -> None:
    for layout, size in (("bp4d", 128), ("affwild2", 112)):
        write_tree(layout, tmp_path / layout, subjects=1, sequences=1, frames=1)
        (image,) = (tmp_path / layout).rglob("*.jpg")
        with Image.open(image) as picture:
            assert picture.size == (size, size)


@pytest.mark.parametrize("layout", ["bp4d", "disfa"])
def test_the_first_subjects_cover_all_parts_evenly(layout: str) -> None:
    ids, parts = LAYOUTS[layout].subjects(), CATALOG[layout].parts.values()
    assert sorted(ids) == sorted(subject for part in parts for subject in part)
    for count in (3, 6, 12):
        assert {sum(name in part for name in ids[:count]) for part in parts} == {count // 3}


def test_label_noise_changes_labels_but_no_picture(tmp_path: Path) -> None:
    clean, noisy = contents(tree(tmp_path / "a", "bp4d")), contents(tree(tmp_path / "b", "bp4d", noise=0.5))
    assert clean.keys() == noisy.keys()
    changed = {name for name in clean if clean[name] != noisy[name]} - {"synthetic.json"}
    assert changed
    assert all(name.startswith("AUCoding") for name in changed)


def test_a_finished_tree_is_reused(tmp_path: Path) -> None:
    out = tree(tmp_path, "bp4d")
    calls: list[int] = []
    write_tree("bp4d", out, 2, 1, FRAMES, 0, size=32, progress=lambda done, total: calls.append(done))
    assert calls == []


def test_another_tree_or_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    out = tree(tmp_path, "bp4d")
    with pytest.raises(InputError, match="other parameters"):
        write_tree("bp4d", out, 2, 1, FRAMES, 1, size=32)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("draft")
    with pytest.raises(InputError, match="something else"):
        write_tree("bp4d", mine, 1, 1, 1, size=32)
    assert (mine / "thesis.txt").read_text() == "draft"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "bp4d").mkdir()
    out = tree(tmp_path, "bp4d", subjects=1)
    assert json.loads((out / "synthetic.json").read_text())["layout"] == "bp4d"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, layout: str) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > FRAMES:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tree(layout, tmp_path / "out", 2, 1, FRAMES, size=32, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_frame(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_tree("gft", tmp_path / "gft", 2, 2, 5, size=32, progress=lambda *call: calls.append(call))
    assert calls[-1] == (20, 20)
    assert len(calls) > 2


def test_every_wrong_argument_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_tree("bp4d", tmp_path / "x", subjects=42, sequences=9, frames=0, label_noise=1.5, size=33)
    for problem in ("subjects 42", "sequences 9", "frames 0", "label_noise 1.5", "size 33"):
        assert problem in str(caught.value)
    with pytest.raises(InputError, match="layout 'ck\\+'; allowed: bp4d, disfa, gft, affwild2"):
        write_tree("ck+", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_the_same_tree_do_not_clash(tmp_path: Path) -> None:
    out, calls = tmp_path / "gft", [0]

    def other_is_faster(done: int, total: int) -> None:
        if done == total:
            write_tree("gft", out, 1, 1, FRAMES, size=32)
            calls[0] += 1

    write_tree("gft", out, 1, 1, FRAMES, size=32, progress=other_is_faster)
    assert calls == [1]
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        write_tree("gft", tmp_path / "file" / "gft", 1, 1, 1, size=32)
