import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data.catalog import read_dataset
from data.errors import InputError
from data.media import iter_video, read_image
from data.synthetic import write_tree
from data.synthetic.layouts import LAYOUTS
from data.synthetic.recordings import TreePlan
from tests.data.faults import FAULTS, HAS

FRAMES = 12
HARMLESS = ("extra_column", "code_9_column", "gap", "windows_text", "finder_files", "symlink_loop", "non_utf8_name")
PIXELS = ("truncated_image", "empty_image", "not_an_image", "sixteen_bit_image")
LANDMARKS = ("unreadable_landmarks", "missing_landmarks")

Tree = Callable[..., Path]


def form(layout: str, fault: str) -> tuple[str, bool]:
    """The first variant that has what the fault damages, and whether it takes a scene."""
    scene = FAULTS[fault].needs == "landmarks"
    plans = [TreePlan(layout, 3, 1, FRAMES, 0, 0.0, 32, variant, scene=scene) for variant in LAYOUTS[layout].variants]
    return next(plan.variant for plan in plans if HAS[FAULTS[fault].needs](plan)), scene


CASES = [(layout, fault) for fault in FAULTS for layout in FAULTS[fault].layouts]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """`whole(layout, variant, scene)` is a tree without faults, drawn once; it must not be changed."""
    made: dict[tuple[str, str, bool], Path] = {}

    def make(layout: str, variant: str, scene: bool) -> Path:
        key = layout, variant, scene
        if key not in made:
            made[key] = tmp_path_factory.mktemp("trees") / "tree"
            write_tree(layout, made[key], 3, 1, FRAMES, size=32, variant=variant, scene=scene)
        return made[key]

    return make


@pytest.fixture
def damaged(whole: Tree, tmp_path: Path) -> Tree:
    """`damaged(layout, fault)` is a copy of a whole tree to which the fault was applied."""

    def make(layout: str, fault: str, name: str = "tree") -> Path:
        out = Path(shutil.copytree(whole(layout, *form(layout, fault)), tmp_path / name))
        FAULTS[fault].apply(out, layout)
        return out

    return make


def contents(root: Path) -> dict[bytes, object]:
    found: dict[bytes, object] = {}
    for path in root.rglob("*"):
        name = bytes(path.relative_to(root))
        if path.is_symlink():
            found[name] = path.readlink()
        elif path.is_file() and path.name != "synthetic.json":
            found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize(("layout", "fault"), CASES)
def test_each_fault_damages_the_tree_the_same_way_each_time(
    whole: Tree, damaged: Tree, layout: str, fault: str
) -> None:
    before, after = contents(whole(layout, *form(layout, fault))), contents(damaged(layout, fault, "one"))
    assert after != before
    assert after == contents(damaged(layout, fault, "two"))
    kept = [name for name in before if before[name] == after.get(name)]
    everywhere = fault in ("shifted_images", "windows_text", "extra_column")
    assert everywhere or len(kept) > len(before) * 0.6


@pytest.mark.parametrize(("layout", "fault"), [case for case in CASES if case[1] in HARMLESS])
def test_harmless_faults_are_read(whole: Tree, damaged: Tree, layout: str, fault: str) -> None:
    sound = read_dataset(layout, whole(layout, *form(layout, fault)), {}).table
    table = read_dataset(layout, damaged(layout, fault), {}).table
    assert table.height == sound.height - (fault == "gap")
    if fault == "code_9_column":
        subject = table["subject"].sort()[0]
        rows = table.filter(subject=subject)
        assert rows["au_1"].null_count() == rows.height == FRAMES
    elif fault != "gap":
        assert table.drop("path").equals(sound.drop("path"))


TOLD = {  # what the reader says; the rest is found where pixels or landmarks are read
    "missing_image": "have no image|has no image",
    "missing_image_folder": "have no image|no folder",
    "duplicate_image": "are all image",
    "missing_video": "no video",
    "short_video": "frames, but",
    "truncated_video": "not a readable video|frames, but",
    "wrong_header": "header",
    "missing_column": r"AU \[1\] missing|expected 2|codes AU",
    "code_7": "'7'; allowed",
    "code_nan": "'NaN'; allowed",
    "code_text": "'present'; allowed",
    "code_minus_1": "'-1'; allowed",
    "ragged_row": "values, expected",
    "duplicate_frame": "is listed on lines",
    "labels_not_utf8": "not a readable text file",
    "label_video_count_mismatch": "cover different frames",
    "list_label_mismatch": "lines, but",
    "list_wrong_part": "no other test list",
    "subject_in_both_parts": "is in both",
    "second_annotations": "sets of annotations",
    "missing_crop_folder": "no folder",
}
SILENT = {("affwild2", "missing_image")}  # crops are missing where no face was found


@pytest.mark.parametrize(("layout", "fault"), [case for case in CASES if case[1] in TOLD and case not in SILENT])
def test_faults_are_refused_by_the_readers(damaged: Tree, layout: str, fault: str) -> None:
    root = damaged(layout, fault)
    with pytest.raises(InputError, match=TOLD[fault]):
        read_dataset(layout, root, {})


@pytest.mark.parametrize("layout", ["bp4d", "gft"])
@pytest.mark.parametrize("fault", ["shifted_images", "shifted_one_sequence", "unknown_subject"])
def test_faults_that_several_checks_find_are_refused(damaged: Tree, layout: str, fault: str) -> None:
    with pytest.raises(InputError):
        read_dataset(layout, damaged(layout, fault), {})


@pytest.mark.parametrize("fault", PIXELS)
@pytest.mark.parametrize("layout", ["bp4d", "disfa", "gft", "affwild2"])
def test_damaged_images_cannot_be_decoded(damaged: Tree, layout: str, fault: str) -> None:
    root = damaged(layout, fault)
    paths = [root / path for path in read_dataset(layout, root, {}).table["path"]]
    unreadable = 0
    for path in paths:
        try:
            read_image(path)
        except InputError:
            unreadable += 1
    assert unreadable == 1


def test_a_truncated_image_in_a_tree_of_full_size_damages_no_other(tmp_path: Path) -> None:
    write_tree("gft", tmp_path / "t", 1, full=True, fault="empty_image")
    sizes = [path.stat().st_size for path in (tmp_path / "t").rglob("*.jpg")]
    assert sizes.count(0) == 1
    assert len(sizes) == 1800


def test_short_and_truncated_videos_are_the_first_of_the_left_camera(whole: Tree, damaged: Tree) -> None:
    name = Path("Videos_LeftCamera") / "LeftVideoSN001_comp.avi"
    short = damaged("disfa", "short_video", "short")
    assert sum(1 for _ in iter_video(short / name)) == FRAMES // 2
    cut = damaged("disfa", "truncated_video", "cut")
    assert (cut / name).stat().st_size == (whole("disfa", "", False) / name).stat().st_size // 2


def test_landmarks_are_damaged_for_one_sequence(damaged: Tree) -> None:
    for layout, left in (("bp4d", 2), ("disfa", 22)):
        root = damaged(layout, "missing_landmarks", f"lost {layout}")
        assert len(list(root.rglob("*.mat"))) == left
        broken = damaged(layout, "unreadable_landmarks", f"broken {layout}")
        assert sum(path.read_bytes().startswith(b"MATLAB") for path in broken.rglob("*.mat")) == (left or 1) + (
            0 if layout == "bp4d" else 10
        )


@pytest.mark.parametrize(
    ("layout", "more", "problem"),
    [
        ("bp4d", {"fault": "truncated"}, "fault 'truncated'; allowed for this tree: code_7, "),
        ("bp4d", {"fault": "missing_video"}, "needs videos of bp4d, disfa, which this tree lacks; allowed"),
        ("gft", {"fault": "second_annotations"}, "needs labels of affwild2, which this tree lacks; allowed"),
        ("bp4d", {"fault": "missing_landmarks"}, "needs landmarks of bp4d, disfa"),
        ("bp4d", {"fault": "code_7", "variant": "lists"}, "needs labels of "),
        ("disfa", {"fault": "list_wrong_part"}, "needs lists of bp4d, disfa"),
    ],
)
def test_unknown_and_unsuitable_faults_are_named(
    tmp_path: Path, layout: str, more: dict[str, str], problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        write_tree(layout, tmp_path / "x", **more)  # type: ignore[arg-type]
    assert problem in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tree_is_written_with_its_fault(whole: Tree, damaged: Tree, tmp_path: Path, layout: str) -> None:
    write_tree(layout, tmp_path / "out", 3, 1, FRAMES, size=32, fault="code_7")
    assert contents(tmp_path / "out") == contents(damaged(layout, "code_7"))
    assert json.loads((tmp_path / "out" / "synthetic.json").read_text())["fault"] == "code_7"
    write_tree(layout, tmp_path / "out", 3, 1, FRAMES, size=32, fault="code_7")  # found
    with pytest.raises(InputError, match="other parameters"):
        write_tree(layout, tmp_path / "out", 3, 1, FRAMES, size=32)


def test_every_fault_says_what_it_does_and_has_its_name() -> None:
    for name, fault in FAULTS.items():
        assert fault.apply.__name__ == name
        assert fault.apply.__doc__
        assert "\n" not in fault.apply.__doc__
