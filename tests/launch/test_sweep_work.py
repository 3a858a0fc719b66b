"""What a sweep is about to do, from the files of its study alone."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import launch.sweep
from launch.plan.resources import Resources
from launch.sweep import sweep_work
from study.records.config import Placement
from study.records.store import StudyStore
from tests.study.make import opened, result, trial

FAILED = trial(3)


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    """Three trials on one fold, one of which failed and one was pruned; four on the other, one more than its share."""
    store = opened(tmp_path / "mine")
    store.write(result(trial(1)))
    store.write(result(trial(2), status="PRUNED"))
    store.write(result(FAILED, None, status="FAILED", curve=()))
    for seed in range(4):
        store.write(result(trial(seed, fold="part2")))
    return store


@pytest.mark.parametrize(("retry", "todo", "again"), [(False, 0, ()), (True, 1, (FAILED.key,))])
def test_what_failed_is_run_again_when_asked_to_and_nothing_else(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch, retry: bool, todo: int, again: tuple[str, ...]
) -> None:
    monkeypatch.setattr(launch.sweep, "describe_study", lambda *given: None)
    place = Placement(store.root, store.root)
    plan: Any = SimpleNamespace(
        store=store, folds=("part1", "part2"), placement=place, resources=Resources(2, 1, 0.0, "cpu"), base=trial()
    )
    keys: Any = SimpleNamespace(retry_failed=retry, trials=5)
    frames: Any = SimpleNamespace(fingerprint="f" * 64)
    work = sweep_work(keys, plan, frames, Console(file=io.StringIO()))
    assert (work.wanted, work.todo, work.again) == (5, todo, again)
