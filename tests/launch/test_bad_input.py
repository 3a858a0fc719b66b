"""Wrong input: one clear screen, exit code 2, and no trial."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TreeMaker
from tests.launch.commands import SMALL, run, sweep_arguments


def first(root: Path, pattern: str) -> Path:
    return min(root.rglob(pattern))


def no_change(tree: Path) -> None:
    pass


def empty(tree: Path) -> None:
    tree.rename(tree.with_name("elsewhere"))
    tree.mkdir()


def forbidden_label(tree: Path) -> None:
    labels = first(tree, "AU_OCC/*.csv")
    header, *rows = labels.read_text().splitlines()
    rows[2] = ",".join([rows[2].split(",")[0], "7", *rows[2].split(",")[2:]])
    labels.write_text("\n".join([header, *rows]))


def text_label(tree: Path) -> None:
    labels = first(tree, "AU_OCC/*.csv")
    labels.write_text(labels.read_text().replace(",0,", ",yes,", 1))


def truncated_image(tree: Path) -> None:
    image = first(tree, "*.jpg")
    image.write_bytes(image.read_bytes()[:200])


def missing_image(tree: Path) -> None:
    first(tree, "*.jpg").unlink()


def subject_in_two_parts(tree: Path) -> None:
    train, test = tree / "train_subjects.txt", tree / "test_subjects.txt"
    test.write_text(test.read_text() + train.read_text().splitlines()[0] + "\n")


Fault = Callable[[Path], None]
TREE_FAULTS: list[tuple[str, Fault, list[str]]] = [
    ("bp4d", empty, ["AU_OCC"]),
    ("bp4d", forbidden_label, ["7", "0, 1", "line 4"]),
    ("bp4d", text_label, ["yes"]),
    ("bp4d", truncated_image, [".jpg"]),
    ("bp4d", missing_image, ["image"]),
    ("gft", subject_in_two_parts, ["train_subjects.txt", "test_subjects.txt"]),
]


@pytest.mark.parametrize(("layout", "fault", "said"), TREE_FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_tree_stops_before_the_first_trial(
    layout: str,
    fault: Fault,
    said: list[str],
    copied_tree: TreeMaker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree = copied_tree(layout)
    fault(tree)
    assert run("sweep", *sweep_arguments(tree, tmp_path, layout)) == 2
    stops_clearly(capsys, tmp_path, said)


KEY_FAULTS: list[tuple[list[str], list[str]]] = [
    (["dataset=bp4"], ["bp4", "bp4d", "affwild2"]),
    (["dataset.name=bp4"], ["bp4", "bp4d"]),
    (["trialz=3"], ["trialz", "Did you mean trial"]),
    (["method.temprature=1"], ["method.temprature", "Did you mean temperature?"]),
    (["dataset.optoins.x=1"], ["optoins", "Did you mean options?"]),
    (["trials"], ["trials", "key=value"]),
    (["data_root=/a b=c"], ["quote"]),
    (["method=aunc"], ["aunc", "aunce", "bce"]),
    (["trials=many"], ["many", "Integer"]),
    (["trials=0"], ["trials=0", "at least 1"]),
    (["epochs=-1"], ["epochs=-1"]),
    (["trials=0", "fold_=1"], ["fold_"]),
    (["trials=0", "max_concurrent=-2"], ["trials=0", "max_concurrent=-2"]),
    (["method.ratios.max=0.9"], ["sum to 1"]),
    (["method.temperature=-1"], ["temperature=-1"]),
    (["fold=part9"], ["part9", "part1, part2, part3"]),
    (["dataset.options.offset=1"], ["offset", "image_offset"]),
    (["dataset.crop=64"], ["dataset.crop=64", "dataset.size=32"]),
    (["dataset=[bp4d,disfa]"], ["dataset=[bp4d,disfa]", "one value", "each"]),
    (["backbone=[tiny]", "cluster=[local]"], ["backbone=[tiny]", "cluster=[local]"]),
    (["dataset.alignment=landmark"], ["landmark", "precropped", "haar", "dataset.alignment"]),
    (["dataset.alignment=yunet", "dataset.codec=png"], ["dataset.face_model", "png", "jpeg"]),
    (["dataset.quality=0", "processes=-1"], ["quality=0", "processes=-1"]),
    (["dataset.margin=2"], ["margin=2", "dataset.margin"]),
    (["dataset.alignment=landmarks"], ["alignment=precropped", "dataset.landmarks=", "alignment=haar", "yunet"]),
    (["dataset.alignment=landmarks", "dataset.landmarks=/no/where"], ["/no/where"]),
    (["doctor=true"], ["doctor"]),
    (["sheet=x.png"], ["sheet"]),
    (["data_root=/nowhere/at/all"], ["/nowhere/at/all"]),
    (["runs_root=/proc/runs"], ["/proc/runs", "write"]),
    (["name=../elsewhere"], ["../elsewhere"]),
    (["weights=absent.pt"], ["absent.pt", "torchvision"]),
    (["weights=IMAGENET1K_V1"], ["tiny", "file"]),
    (["trial.gpus=99"], ["99"]),
    (["search.optim.lr.log_uniform=[0,1]"], ["optim.lr"]),
    (["search.optim.lr={normal: [0, 1]}"], ["optim.lr"]),
    (["+search.optim.momentum.uniform=[0,1]"], ["optim.momentum", "weight_decay"]),
]


@pytest.mark.parametrize(("keys", "said"), KEY_FAULTS, ids=lambda value: value[0])
def test_a_wrong_key_or_value_stops_before_the_first_trial(
    keys: list[str], said: list[str], trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sweep", *sweep_arguments(trees("bp4d"), tmp_path), *keys) == 2
    stops_clearly(capsys, tmp_path, said)


def stops_clearly(capsys: pytest.CaptureFixture[str], folder: Path, said: list[str]) -> None:
    error = capsys.readouterr().err
    for words in said:
        assert words in error
    assert "Traceback" not in error
    assert len(error.splitlines()) <= 40
    assert not (folder / "runs" / "bp4d-aunce").exists()


def test_no_tree_and_no_store_names_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AU_DATA", str(tmp_path / "nothing"))
    assert run("prepare", "dataset=disfa", f"store_root={tmp_path}") == 2
    error = capsys.readouterr().err
    assert "data_root=" in error
    assert "AU_DATA" in error


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["sheet=faces.gif"], [".png", ".html"]),
        (["sheet=faces.png", "doctor=true"], ["one of them"]),
        (["doctor=maybe"], ["maybe"]),
        (["doctor=true", "dataset.alignment=landmarks"], ["alignment=precropped", "alignment=haar"]),
        (["doctor=true", "dataset.codec=png"], ["png"]),
        (["doctor=true", "dataset.options.offset=1"], ["offset", "image_offset"]),
    ],
    ids=lambda value: value[0],
)
def test_prepare_refuses_what_it_cannot_do(
    keys: list[str], said: list[str], trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["dataset=bp4d", f"data_root={trees('bp4d')}", f"store_root={tmp_path / 'stores'}", *SMALL]
    assert run("prepare", *arguments, *keys) == 2
    error = capsys.readouterr().err
    for words in said:
        assert words in error
    assert not [*tmp_path.rglob("*.parquet")]


@pytest.mark.parametrize("fault", [empty, forbidden_label, missing_image])
def test_the_doctor_cannot_examine_what_cannot_be_read(
    fault: Fault, copied_tree: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = copied_tree("bp4d")
    fault(tree)
    assert run("prepare", "dataset=bp4d", f"data_root={tree}", f"store_root={tmp_path}", *SMALL, "doctor=true") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_doctor_needs_a_raw_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AU_DATA", str(tmp_path / "nothing"))
    assert run("prepare", "dataset=disfa", f"store_root={tmp_path}", "doctor=true") == 2
    assert "doctor=true examines a raw tree" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["final", "report"])
def test_an_unknown_study(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "name=never", f"runs_root={tmp_path}") == 2
    assert "never" in capsys.readouterr().err


def test_a_missing_key_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("final") == 2
    assert "name=" in capsys.readouterr().err
    assert run("synthesize", "layout=bp4d") == 2
    assert "out=" in capsys.readouterr().err


def test_synthesize_lists_every_wrong_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("synthesize", "layout=bp4d", f"out={tmp_path / 'x'}", "subjects=0", "label_noise=2") == 2
    error = capsys.readouterr().err
    for words in ("subjects", "label_noise"):
        assert words in error
