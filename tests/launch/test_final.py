"""The final evaluation: what it asks for, what it refuses, what it prints and keeps. Trials run in this process."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

import launch.final
import launch.run.recipe
from data.errors import InputError
from data.store import FrameStore
from launch.final import finish_final, finish_partitions, named_study, unique_trials
from launch.keys.trials import FinalKeys
from launch.plan.datasets import prepare_store
from launch.plan.preflight import SearchPlan as Search
from launch.plan.preflight import plan_sweep
from launch.plan.resources import Resources
from launch.run.command import compose_keys
from launch.run.recipe import finished
from launch.run.trials import GivenTrial
from launch.show.scoreboard import COLUMN_HEADS, cell
from launch.sweep import describe_study
from study.experiments.partitions import components_of, partitions_of
from study.experiments.selection import final_trials_of, plan
from study.records.score_files import read_scores
from study.records.score_table import METRICS, scores_frame
from study.records.store import StudyStore
from study.records.study_spec import ABLATION, StudySpec
from study.trial.run import run_trial
from tests.conftest import TreeMaker
from tests.launch.commands import run, sweep_arguments
from tests.study.make import opened, result, trial
from tests.study.specs import OTHERS, search_spec

FOLDS = ("part1", "part2", "part3")


def console() -> Console:
    return Console(file=io.StringIO(), width=250)


def said(by: Console) -> str:
    assert isinstance(by.file, io.StringIO)
    return by.file.getvalue()


@pytest.fixture(scope="module")
def search(trees: TreeMaker, tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, FrameStore]:
    """A search of two trials a fold, `x`, in the folder `runs`."""
    folder = tmp_path_factory.mktemp("final")
    settings = compose_keys("sweep", [*sweep_arguments(trees("bp4d"), folder), "name=x", "epochs=1"])
    frames = prepare_store(settings, Console(quiet=True))
    search = plan_sweep(settings, frames)
    search.store.open_study(describe_study(settings, search, frames), free=())
    for fold in FOLDS:
        for lr in (0.001, 0.02):
            base = replace(search.base, data=replace(search.base.data, fold=fold))
            run_trial(replace(base, optim=replace(base.optim, lr=lr)), search.placement)
    return search, frames


@pytest.fixture
def runs(search: tuple[Search, FrameStore], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Keys of the trials that each command runs, here and one after another; no page is written."""
    asked: list[list[str]] = []

    def run_all(jobs: Sequence[GivenTrial], store: StudyStore, available: Resources) -> None:
        asked.append([config.key for config, _ in jobs if store.result(config.key) is None])
        for config, placement in jobs:
            run_trial(config, placement)

    monkeypatch.setattr(launch.run.recipe, "run_all", run_all)
    monkeypatch.setattr(launch.final, "write_page", lambda store: store.report_path)
    return asked


def arguments(search: tuple[Search, FrameStore]) -> list[str]:
    return [f"runs_root={search[0].store.root.parent}", "seeds=1"]


def test_selections_share_trials_and_are_scored_side_by_side(
    search: tuple[Search, FrameStore], runs: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    root = search[0].store.root
    assert run("final", "name=x", *arguments(search)) == 0
    assert len(runs[0]) == 3
    first = capsys.readouterr().out
    for words in (
        "selection=nested: folds part1, part2, part3 with seeds 1, 3 trials",
        "selection=nested, mean of fold",
    ):
        assert words in first
    assert COLUMN_HEADS["bias"] not in first

    assert run("final", f"study={root}", "selection=[nested,oracle]", "candidates=2", "seeds=1") == 0
    assert len(runs[1]) == 3, "the other candidate of each fold; the rest is there"
    assert "selection bias" in " ".join(capsys.readouterr().out.split())

    store = StudyStore(root)
    scores = store.final_scores()
    assert {*scores["selection"]} == {"nested", "oracle", "bias"}
    assert {*scores["metric"]} == {*METRICS}
    nested = final_trials_of(store)
    assert [one.config.data.fold for one in nested] == [*FOLDS]
    assert all(store.predictions_path(one.config.key).exists() for one in nested)
    value = scores.filter(pl.col("au").is_null(), metric="f1", rule="0.5", aggregate="folds").select(
        "selection", "value"
    )
    by = dict(value.iter_rows())
    assert by["bias"] == pytest.approx(by["oracle"] - by["nested"])
    assert by["bias"] >= 0, "the best of two on the test part"

    again = store.final_scores()
    assert run("final", "dataset=bp4d", "selection=[nested,oracle]", "candidates=2", *arguments(search)) == 0
    assert runs[2] == []
    assert StudyStore(root).final_scores().equals(again)


def test_random_partitions_are_trained_beside_the_final_evaluation(
    search: tuple[Search, FrameStore], runs: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    store, where = search[0].store, f"runs_root={search[0].store.root.parent}"
    finals, scores = store.count("final"), store.final_scores()
    assert run("final", "name=x", where, "partitions=2", "seeds=2") == 0
    said = capsys.readouterr().out
    for words in ("partitions=2: 12 trials with 2 seeds", "These numbers show variance and are no result", "partition"):
        assert words in said
    store = StudyStore(store.root)
    assert len(runs[0]) == store.count("partition") == 12
    assert store.count("final") == finals
    assert store.final_scores().equals(scores)
    table = read_scores(store.root, "partitions")
    assert partitions_of(table)["condition"].to_list() == ["random3@1", "random3@2"]
    assert components_of(table).height == 3
    tested = [one for one in store.results() if one.stage == "partition"]
    assert not any(store.detector_path(one.config.key).exists() for one in tested)
    people = {one.config.data.fold: one.scores["test"].subjects for one in tested}
    assert len({*people["random3@1-1"], *people["random3@1-2"], *people["random3@1-3"]}) == 6

    assert run("final", "name=x", where, "partitions=3", "seeds=1") == 0
    assert len(runs[1]) == 3, "the folds of one more partition"
    assert "one seed cannot be told apart" in " ".join(capsys.readouterr().out.split())


def test_partitions_without_all_trials_say_what_to_do(store: StudyStore, runs: list[list[str]]) -> None:
    config = replace(trial(score_test=True), data=replace(trial().data, fold_scheme="random2@1", fold="random2@1-1"))
    out = console()
    assert finish_partitions(store, {"random2@1": [config]}, out) == 1
    assert "0 of 1 final trials are done" in said(out)
    assert read_scores(store.root, "partitions").is_empty()


def test_a_dry_run_starts_nothing(
    search: tuple[Search, FrameStore], runs: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("final", "name=x", f"runs_root={search[0].store.root.parent}", "seeds=2", "dry_run=true") == 0
    said = re.search(r"(\d+) of (\d+) trials finished, (\d+) to do", capsys.readouterr().out)
    assert said is not None
    finished, wanted, todo = map(int, said.groups())
    assert finished == search[0].store.count("final") == wanted - todo, "those of earlier choices are counted, too"
    assert not runs


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    """Two folds were searched."""
    store = opened(tmp_path / "runs" / "mine")
    for fold in ("part1", "part2"):
        store.write(result(trial(fold=fold)))
    return store


@pytest.mark.parametrize("failed", [True, False])
def test_a_final_evaluation_without_all_trials_says_what_to_do(
    failed: bool, store: StudyStore, runs: list[list[str]]
) -> None:
    asked, out = plan(store, "nested", ["part1", "part2"], seeds=1, candidates=3), console()
    store.write(result(asked.trials[0]))
    if failed:
        store.write(result(asked.trials[1], None, status="FAILED", curve=()))
    assert finish_final(store, [asked], out) == 1
    assert "1 of 2 final trials are done" in said(out)
    assert ("run the same command with retry_failed=true" in said(out)) == failed
    assert (f"failed: trial {asked.trials[1].key}: Traceback: it broke" in said(out)) == failed
    assert not store.report_path.exists()
    assert store.final_scores().is_empty()
    assert len(finished(store, asked.trials, console())) == 1


def test_final_trials_of_before_that_kept_no_predictions(store: StudyStore, runs: list[list[str]]) -> None:
    asked = plan(store, "nested", ["part1", "part2"], seeds=1, candidates=3)
    for config in asked.trials:
        store.write(result(config))
    where = rf"the predictions .*{asked.trials[0].key}.parquet are missing"
    with pytest.raises(InputError, match=rf"{where}. .* launch/final.py name=mine retry_failed=true"):
        finish_final(store, [asked], console())


def test_trials_that_several_selections_need_are_run_once(store: StudyStore) -> None:
    both = [plan(store, selection, ["part1", "part2"], 2, 3) for selection in ("nested", "shared")]
    assert len(unique_trials(both)) == len({config.key for one in both for config in one.trials})
    assert len(unique_trials([both[0], both[0]])) == 4


def test_a_study_is_named_by_itself_its_folder_or_its_dataset(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name, dataset in (("bp4d-aunce", "bp4d"), ("disfa-bce", "disfa"), ("disfa-clp", "disfa")):
        StudyStore(runs / name).open_study(search_spec(name, dataset=dataset), free=())
    StudyStore(runs / "bp4d-comparison").open_study(StudySpec("c", "bp4d", OTHERS[ABLATION]), free=())

    def named(**given: Any) -> tuple[str, Path]:
        found = named_study(FinalKeys(**{"runs_root": str(runs), **given}))
        assert (found.study, found.dataset) == ("", {}), "a head job that reads the keys again finds the same"
        return found.name, Path(found.runs_root)

    assert named(name="any") == ("any", runs)
    assert named(study=str(runs / "disfa-clp"), runs_root="elsewhere") == ("disfa-clp", runs)
    assert named(dataset={"name": "bp4d"}) == ("bp4d-aunce", runs)
    with pytest.raises(InputError, match=r"has 2 studies of it, so give name=<study>; .*disfa-bce, disfa-clp$"):
        named(dataset={"name": "disfa"})
    with pytest.raises(InputError, match=r"has 0 studies of it.*studies: bp4d-aunce, disfa-bce, disfa-clp$"):
        named(dataset={"name": "gft"})
    for given in ({}, {"name": "a", "dataset": {"name": "bp4d"}}):
        with pytest.raises(InputError, match="give one of name=, study= and dataset="):
            named(**given)


FAULTS = {
    "no seeds": ("seeds=0; at least 1", ["seeds=0"]),
    "no candidates": ("candidates=0; at least 1", ["candidates=0"]),
    "no such selection": ("selection=best; allowed: nested, shared, oracle", ["selection=best"]),
    "one partition": ("partitions=1; 0 for none, or at least 2", ["partitions=1"]),
    "partitions of a choice": (
        "selection=oracle with partitions=3: all partitions have one configuration",
        ["partitions=3", "selection=oracle"],
    ),
    "no study": ("no study", ["name=y"]),
    "nothing finished": ("selection=nested: the search of empty has no finished trial on fold part1", ["name=empty"]),
    "store gone": ("is missing", ["name=gone"]),
    "another store": ("is not the store that the search used", ["name=other"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_final_evaluation_that_cannot_start(
    fault: str, search: tuple[Search, FrameStore], trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = search
    asked = made.store.spec()
    larger = compose_keys("sweep", [*sweep_arguments(trees("bp4d"), tmp_path), "dataset.size=40"])
    paths = {"empty": asked.store, "gone": str(tmp_path / "gone"), "other": ""}
    if fault == "another store":
        paths["other"] = str(prepare_store(larger, Console(quiet=True)).path)
    for name, path in paths.items():
        StudyStore(tmp_path / "runs" / name).open_study(replace(asked, name=name, store=path), free=())
        for one in (one for one in made.store.results() if name == "other" and one.stage == "sweep"):
            StudyStore(tmp_path / "runs" / name).write(one)
    words, given = FAULTS[fault]
    named = [] if given[0].startswith("name=") else ["name=other"]
    assert run("final", f"runs_root={tmp_path / 'runs'}", *named, *given) == 2
    assert words in capsys.readouterr().err
    assert StudyStore(tmp_path / "runs/other").count("final") == 0


ROW = {"selection": "nested", "rule": "0.5", "metric": "f1", "aggregate": "folds", "value": 0.661}


@pytest.mark.parametrize(
    ("numbers", "sign", "shown"),
    [
        ({"low": 0.6, "high": 0.7, "seed_sd": 0.004}, "", "66.1 (60.0 to 70.0) ±0.4"),
        ({"low": None, "high": None, "seed_sd": None}, "", "66.1"),
        ({"low": -0.1, "high": 0.7, "seed_sd": None}, "+", "+66.1 (-10.0 to +70.0)"),
        ({"value": None}, "", "-"),
    ],
)
def test_a_cell_shows_what_is_known(numbers: dict[str, float | None], sign: str, shown: str) -> None:
    assert cell(scores_frame([{**ROW, **numbers}]), sign) == shown
