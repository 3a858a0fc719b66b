import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.catalog import CATALOG, read_dataset
from data.errors import InputError
from data.frames import aus_of, intensities_of
from data.media import iter_video, read_image
from data.synthetic import LAYOUTS, write_tree

FRAMES = 12
VARIANTS = [(layout, variant) for layout in LAYOUTS for variant in LAYOUTS[layout].variants]


Tree = Callable[..., Path]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """`tree(layout, variant)` is drawn once; it must not be changed."""
    made: dict[tuple[str, str, int], Path] = {}

    def make(layout: str, variant: str, subjects: int = 3) -> Path:
        key = layout, variant, subjects
        if key not in made:
            made[key] = tmp_path_factory.mktemp("trees") / "tree"
            write_tree(layout, made[key], subjects, 1, FRAMES, size=32, variant=variant)
        return made[key]

    return make


def options(variant: str) -> dict[str, object]:
    return {"missing": [999]} if variant == "codes" else {}


def below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(("layout", "variant"), VARIANTS)
def test_each_variant_is_read_as_the_same_dataset(tree: Tree, layout: str, variant: str) -> None:
    plain = read_dataset(layout, tree(layout, ""), {})
    reading = read_dataset(layout, tree(layout, variant), options(variant))
    assert reading.table.height == plain.table.height
    assert reading.excluded.height == plain.excluded.height
    if variant == "abaw1":
        assert aus_of(reading.table) == (1, 2, 4, 6, 12, 15, 20, 25)
        return
    assert aus_of(reading.table) == CATALOG[layout].aus
    shared = [au for au in aus_of(reading.table) if au in aus_of(plain.table)]
    if variant != "videos":  # a longer recording: the frames before the coded ones are drawn, too
        labels = [f"au_{au}" for au in shared]
        assert reading.table.sort("subject", "frame")[labels].equals(plain.table.sort("subject", "frame")[labels])


@pytest.mark.parametrize(("layout", "variant"), VARIANTS)
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, layout: str, variant: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for out in (one, two):
        write_tree(layout, out, 1, 1, 4, size=32, variant=variant, scene=variant in LAYOUTS[layout].scenes)
    assert below(one) == below(two)
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in below(one))


def test_intensities_are_found_in_the_folders_of_fera(tree: Tree) -> None:
    root = tree("bp4d", "fera")
    assert (root / "AU Intensity Codes3.0" / "AU06" / "F001_T1_AU06.csv").is_file()
    assert (root / "BP4D-training" / "F001" / "T1").is_dir()
    assert intensities_of(read_dataset("bp4d", root, {}).table) == (6, 10, 12, 14, 17)


@pytest.mark.parametrize("variant", ["plain", "fera", "videos"])
def test_some_frames_are_flagged_as_occluded(tree: Tree, variant: str) -> None:
    root = tree("bp4d", variant)
    reading = read_dataset("bp4d", root, {"drop_occluded": True})
    assert 1 <= reading.excluded.height <= 3
    assert reading.excluded["reason"].unique().to_list() == ["occluded"]
    assert reading.table.height == 3 * FRAMES - reading.excluded.height


def test_plain_has_the_subjects_in_the_root(tree: Tree) -> None:
    assert (tree("bp4d", "plain") / "F001" / "T1").is_dir()


def test_videos_start_at_label_frame_1_and_end_with_the_last_label(tmp_path: Path) -> None:
    out = tmp_path / "videos"
    write_tree("bp4d", out, 3, 8, 3, size=32, variant="videos")
    names = [path.name for path in sorted((out / "2D Videos").iterdir())]
    assert names[:8] == [f"2F01_{task}.avi" for task in ("01", "03", "07", "08", "09", "10", "11", "13")]
    table = read_dataset("bp4d", out, {}).table
    starts = table.group_by("subject", "sequence").agg(first=pl.min("frame"))
    assert starts["first"].max() == 10
    assert starts["first"].min() == 1
    for (path,), rows in table.group_by("path"):
        assert rows["frame"].max() == sum(1 for _ in iter_video(out / str(path)))
        assert (rows["index"] == rows["frame"] - 1).all()


def test_lists_of_bp4d_are_those_of_the_published_folds(tree: Tree) -> None:
    root = tree("bp4d", "lists", subjects=6)
    listed = {
        (use, fold): (root / "list" / f"BP4D_{use}_img_path_fold{fold}.txt").read_text().split("\n")
        for use in ("train", "test")
        for fold in (1, 2, 3)
    }
    for (use, fold), paths in listed.items():
        labels = (root / "list" / f"BP4D_{use}_label_fold{fold}.txt").read_text().splitlines()
        assert len(labels) == len(paths) == (2 if use == "test" else 4) * FRAMES
        assert {len(line.split(" ")) for line in labels} == {12}
        tested = CATALOG["bp4d"].parts[f"part{4 - fold}"]
        assert all((path[:4] in tested) == (use == "test") for path in paths)
    coded = read_dataset("bp4d", tree("bp4d", "", subjects=6), {}).table
    names = {f"{subject}/T1/{frame}.jpg" for subject, frame in coded.select("subject", "frame").iter_rows()}
    assert {path for fold in (1, 2, 3) for path in listed["test", fold]} == names
    assert all((root / "img" / name).is_file() for name in names)


def test_the_lists_of_jaa_have_four_digits(tree: Tree) -> None:
    root = tree("bp4d", "jaa")
    paths = (root / "list" / "BP4D_part1_path.txt").read_text().splitlines()
    labels = (root / "list" / "BP4D_part1_AUoccur.txt").read_text().splitlines()
    assert len(paths) == len(labels) == FRAMES
    assert all(path.startswith("BP4D/F001/T1/") and len(Path(path).stem) == 4 for path in paths)
    assert all((root / "imgs" / path).is_file() for path in paths)


def test_the_lists_of_disfa_count_from_zero_without_loss(tree: Tree) -> None:
    root, raw = tree("disfa", "lists"), tree("disfa", "")
    assert {path.name for path in (root / "img" / "SN001").iterdir()} == {f"{number}.png" for number in range(FRAMES)}
    first = next(iter_video(raw / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi")).astype(int)
    assert np.abs(first - read_image(root / "img" / "SN001" / "0.png")).mean() < 6


def test_the_spellings_of_disfa_differ(tree: Tree) -> None:
    usual, other = below(tree("disfa", "")), below(tree("disfa", "spellings"))
    assert set(usual) & set(other) == {"synthetic.json"}
    assert len(usual) == len(other)


def test_gft_has_another_code_for_not_coded(tree: Tree) -> None:
    root = tree("gft", "codes")
    cells = {cell for line in (root / "labels" / "001A.csv").read_text().split()[1:] for cell in line.split(",")[1:]}
    assert cells == {"0", "1", "999"}


@pytest.mark.parametrize(
    ("variant", "folder"),
    [
        ("", "6th ABAW Annotations/AU_Detection_Challenge/Train_Set"),
        ("abaw1", "annotations/AU_Set/Training_Set"),
        ("abaw2", "annotations/AU_Set/Train_Set"),
        ("abaw3", "3rd_ABAW_Annotations/AU_Detection_Challenge/Train_Set"),
        ("abaw8", "8th ABAW Annotations/AU_Detection_Challenge/Train_Set"),
    ],
)
def test_annotations_of_the_challenges(tree: Tree, variant: str, folder: str) -> None:
    assert len(list((tree("affwild2", variant) / folder).iterdir())) == 2


def test_a_tree_says_what_it_is_and_no_other_is_taken_for_it(tmp_path: Path) -> None:
    out = tmp_path / "tree"
    write_tree("bp4d", out, 1, 1, FRAMES, size=32)
    assert "variant" not in json.loads((out / "synthetic.json").read_text())
    for more in ({"variant": "plain"}, {"fault": "gap"}, {"scene": True}):
        with pytest.raises(InputError, match="other parameters"):
            write_tree("bp4d", out, 1, 1, FRAMES, size=32, **more)


@pytest.mark.parametrize(
    ("layout", "more", "problem"),
    [
        (
            "bp4d",
            {"variant": "codes"},
            "variant 'codes'; allowed for bp4d: '', 'plain', 'fera', 'videos', 'lists', 'jaa'",
        ),
        ("gft", {"scene": True}, "scene of gft variant ''; allowed: without scene"),
        ("disfa", {"scene": True, "variant": "lists"}, "allowed: '', 'spellings'"),
        ("bp4d", {"full": True, "scene": True}, "scene with full"),
        ("bp4d", {"full": True, "variant": "videos"}, "variant 'videos' with full"),
        ("gft", {"full": True, "frames": 3}, "sequences 0, frames 3; allowed with full: none"),
        ("gft", {"full": True, "size": 40}, "size 40; allowed with full: multiples of 16"),
    ],
)
def test_wrong_forms_are_refused(tmp_path: Path, layout: str, more: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        write_tree(layout, tmp_path / "x", **more)  # type: ignore[arg-type]
    assert problem in str(caught.value)
    assert not list(tmp_path.iterdir())
