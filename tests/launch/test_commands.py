"""The commands that need no Ray, and what the others say at their end."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import launch.sweep
from data.checked import json_object
from launch.plan.datasets import prepare_store
from launch.plan.preflight import plan_sweep
from launch.run.command import compose_keys
from launch.sweep import describe_study
from study.records.config import TrialConfig
from study.records.result import TrialResult
from study.records.store import StudyStore
from tests.conftest import TreeMaker
from tests.launch.commands import SMALL, run, sweep_arguments
from tests.study.make import opened, result, trial

FIRST_FILES = {
    "bp4d": "AUCoding/AU_OCC",
    "disfa": "ActionUnit_Labels",
    "gft": "train_subjects.txt",
    "affwild2": "cropped_aligned",
}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", sorted(FIRST_FILES))
def test_synthesize_writes_a_tree_that_prepare_reads(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trees" / layout
    small = ["subjects=6", "sequences=1", "frames=3", "size=32"]
    assert run("synthesize", f"layout={layout}", f"out={out}", *small) == 0
    assert f"{layout} tree: {out}\n" in capsys.readouterr().out
    assert [*out.rglob(Path(FIRST_FILES[layout]).name)]
    assert run("prepare", f"dataset={layout}", f"data_root={out}", f"store_root={tmp_path / 's'}", *SMALL) == 0
    assert "of 6 subjects" in capsys.readouterr().out


def test_synthesize_draws_once_and_refuses_another_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["layout=gft", f"out={tmp_path / 'a'}", "subjects=2", "sequences=1", "frames=2", "size=32"]
    assert run("synthesize", *arguments) == 0
    assert "drawing faces" in capsys.readouterr().out
    before = files(tmp_path / "a")
    assert run("synthesize", *arguments) == 0
    assert "drawing faces" not in capsys.readouterr().out
    assert run("synthesize", *arguments, "seed=1") == 2
    assert "other parameters" in capsys.readouterr().err
    assert files(tmp_path / "a") == before


@pytest.mark.parametrize(("dataset", "code"), [("synthetic", 0), ("bp4d", 1)])
def test_the_doctor_examines_and_builds_nothing(
    dataset: str, code: int, trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"dataset={dataset}", f"data_root={trees('bp4d')}", f"store_root={tmp_path / 'stores'}", *SMALL]
    assert run("prepare", *arguments, "doctor=true") == code
    told = capsys.readouterr().out
    for words in ("what to do", "coded frames", "not built yet", "fold part1", "ME-GraphAU", f"{code} wrong, "):
        assert words in told
    assert ("; missing: F" in told) == (dataset == "bp4d")
    assert not (tmp_path / "stores").exists()

    assert run("prepare", *arguments) == 0
    before = files(tmp_path)
    capsys.readouterr()
    assert run("prepare", *arguments, "doctor=true") == code
    assert "as rendered now" in capsys.readouterr().out
    assert files(tmp_path) == before


def test_the_doctor_finds_a_changed_picture(
    copied_tree: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = copied_tree("bp4d")
    arguments = ["dataset=synthetic", f"data_root={tree}", f"store_root={tmp_path / 'stores'}", *SMALL]
    assert run("prepare", *arguments) == 0
    one, other, *_ = sorted(tree.rglob("*.jpg"))
    one.write_bytes(other.read_bytes())
    assert run("prepare", *arguments, "doctor=true") == 1
    assert "raw files changed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sheet.png", "sheet.html"])
def test_a_contact_sheet_is_drawn_of_the_store(
    name: str, trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["dataset=gft", f"data_root={trees('gft')}", f"store_root={tmp_path / 'stores'}", *SMALL]
    assert run("prepare", *arguments, f"sheet={tmp_path / 'made' / name}") == 0
    assert (tmp_path / "made" / name).stat().st_size > 10_000
    assert f"contact sheet: {tmp_path / 'made' / name}\n" in capsys.readouterr().out


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(by: Console) -> str:
    assert isinstance(by.file, io.StringIO)
    return by.file.getvalue()


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The studies whose page was asked for; nothing is drawn."""
    asked: list[Path] = []

    def write_page(store: StudyStore) -> Path:
        asked.append(store.root)
        return store.report_path

    monkeypatch.setattr(launch.sweep, "write_page", write_page)
    return asked


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


def broken(config: TrialConfig) -> TrialResult:
    return result(config, None, status="FAILED", curve=())


def above_always_positive(one: TrialResult) -> TrialResult:
    """The same with every frame right, so that a final evaluation is worth its time."""
    counts = one.scores["val"].counts
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    right = np.stack([tp + fn, 0 * fp, 0 * fn, tn + fp], axis=-1)
    return replace(one, scores={"val": replace(one.scores["val"], counts=right)})


def test_a_finished_sweep_says_what_is_best_and_what_comes_next(store: StudyStore, pages: list[Path]) -> None:
    best = trial(lr=0.00123456)
    for config, value in ((trial(lr=0.004), 0.4), (best, 0.61)):
        store.write(above_always_positive(result(config, value)))
    out = console()
    assert launch.sweep.finish_sweep(store, 2, out) == 0
    for words in (f"best trial {best.key}: f1 61.0", "optim.lr = 0.00123", f"report: {store.report_path}", "name=mine"):
        assert words in said(out)
    assert pages == [store.root]


@pytest.mark.parametrize(("failed", "code"), [(1, 0), (2, 1)])
def test_too_many_failed_trials_fail_the_sweep(failed: int, code: int, store: StudyStore, pages: list[Path]) -> None:
    for number in range(5):
        config = trial(seed=number)
        store.write(broken(config) if number < failed else result(config))
    out = console()
    assert launch.sweep.finish_sweep(store, 5, out) == code
    assert said(out).count("failed: trial ") == failed
    assert "Traceback: it broke" in said(out)
    assert len(pages) == 1 - code


def test_a_sweep_without_all_of_its_trials_has_failed(store: StudyStore, pages: list[Path]) -> None:
    store.write(result(trial()))
    store.write(result(trial(score_test=True)))
    out = console()
    assert launch.sweep.finish_sweep(store, 2, out) == 1
    assert "1 of 2" in said(out)
    assert "The same command continues" in said(out)
    assert not pages


@pytest.mark.parametrize(
    ("keys", "epochs", "objective"),
    [(["epochs=3"], 3, "f1"), (["objective=auc"], 2, "auc"), (["optim.epochs=5", "optim.objective=auc"], 5, "auc")],
)
def test_a_study_is_described_as_its_trials_are_run(
    keys: list[str], epochs: int, objective: str, trees: TreeMaker, tmp_path: Path
) -> None:
    settings = compose_keys("sweep", [*sweep_arguments(trees("bp4d"), tmp_path), "name=x", *keys])
    frames = prepare_store(settings, Console(quiet=True))
    plan = plan_sweep(settings, frames)
    described = describe_study(settings, plan, frames)
    assert (described.kind, described.epochs, described.objective) == ("search", epochs, objective)
    assert described.config["optim"]["epochs"] == epochs
    assert [*described.searched] == plan.space.settings_names
    assert described.store == str(frames.path.resolve())
    assert described.folds == ("part1", "part2", "part3")
    assert described.weights_file == ""
    work = launch.sweep.sweep_work(settings, plan, frames, console())
    assert (work.wanted, work.todo, work.spec) == (3, 3, described)


def test_a_report_of_a_study_without_trials_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = json_object(opened(tmp_path / "empty").spec().to_json(), "study.json")
    del damaged["dataset"]
    (tmp_path / "empty/study.json").write_text(json.dumps(damaged))
    assert run("report", "name=empty", f"runs_root={tmp_path}") == 2
    said = capsys.readouterr().err
    assert "study.json is damaged; restore it" in said
    assert "missing key 'dataset'" in said
    opened(tmp_path / "begun")
    assert run("report", "name=begun", f"runs_root={tmp_path}") == 2
    assert "no finished trial" in capsys.readouterr().err
