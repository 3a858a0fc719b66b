"""Searches with budgets, broken code, several objectives and several methods, with a real Ray."""

import json
from pathlib import Path

import pytest

from study.records.store import StudyStore
from tests.conftest import TreeMaker
from tests.launch.commands import sweep_arguments
from tests.launch.test_sweep import finish, start

pytestmark = pytest.mark.ray


def test_a_budget_ends_a_search_and_a_larger_one_goes_on(trees: TreeMaker, tmp_path: Path) -> None:
    arguments = [*sweep_arguments(trees("bp4d"), tmp_path), "epochs=60", "pruning.name=none", "fold=part1"]
    store = StudyStore(tmp_path / "runs/bp4d-aunce")
    output = finish(start("sweep", *arguments, "trials=90", "time_budget=40s"))
    assert "the time budget of 40 s is used up" in output
    begun = [config.key for config, _ in store.unfinished()]
    assert f"{store.count()} of 90 trials are finished, {len(begun)} begun" in output
    assert begun
    finish(start("sweep", *arguments, f"trials={store.count() + len(begun)}"))
    assert all(store.result(key) is not None for key in begun)
    assert store.unfinished() == []


def test_broken_code_ends_a_search_and_the_mended_one_goes_on(trees: TreeMaker, tmp_path: Path) -> None:
    arguments = [*sweep_arguments(trees("bp4d"), tmp_path), "trials=12", "fold=part1"]
    store = StudyStore(tmp_path / "runs/bp4d-aunce")
    store.root.mkdir(parents=True)
    blocked = store.root / "checkpoints"
    blocked.touch()
    output = finish(start("sweep", *arguments), expected=1)
    assert "3 trials in a row failed with the same error" in output
    assert "FileExistsError" in output
    assert store.count() < 12
    blocked.unlink()
    output = finish(start("sweep", *arguments, "retry_failed=true"))
    assert "trials that failed or lost their files are run again" in output
    assert {one.status for one in store.outcomes()} <= {"DONE", "PRUNED"}
    assert store.count() == 12


def test_methods_objectives_constraints_and_start_points(trees: TreeMaker, tmp_path: Path) -> None:
    keys = ["search=methods", "pruning.name=none", "objectives=[f1,hours]", "trials=4", "fold=part1"]
    keys += ["start_points=[{method_name: bce, method: {balance: 0.5}}]", "sampler=random"]
    arguments = sweep_arguments(trees("bp4d"), tmp_path)
    output = finish(start("sweep", *arguments, *keys, "constraints={hours: {at_most: 1.0}}"))
    assert "Pareto front for f1 and hours" in output
    store = StudyStore(tmp_path / "runs/bp4d-methods")
    trials = store.trials()
    assert trials.filter(method="bce")["param/bce:method.balance"].to_list().count(0.5) == 1
    assert trials.filter(trials["method"] != "bce")["param/bce:method.balance"].null_count() == (
        trials.height - trials.filter(method="bce").height
    )
    assert json.loads(store.journal_path.read_text().splitlines()[0])["directions"] == [2, 1]

    output = finish(start("sweep", *arguments, *keys, "name=b", "constraints={f1: {at_least: 2.0}}"), expected=1)
    assert "none of the 4 finished trials" in output
