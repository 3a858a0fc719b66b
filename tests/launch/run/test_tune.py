"""What Ray runs for one trial: it hangs, and the disk is full."""

import errno
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import launch.run.tune
from launch.plan.budget import Budget
from launch.plan.preflight import SearchPlan
from launch.plan.resources import Resources
from launch.run.ending import DISK
from launch.run.searcher import CONFIG
from study.records.config import Placement
from study.records.store import StudyStore
from study.search.fold_search import Search
from study.search.objectives import Goals
from study.search.space import parse_space
from tests.study.make import opened, trial


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the trial tells Tune."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("ray.tune.report", told.append)
    return told


def ends_with(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trial(*arguments: object) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(launch.run.tune, "run_trial", run_trial)


@pytest.mark.parametrize("timeout", [0.0, 60.0])
def test_a_full_disk_is_reported(
    timeout: float, tmp_path: Path, reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_with(OSError(errno.ENOSPC, "No space left on device"), monkeypatch)
    launch.run.tune.train({CONFIG: trial().to_dict()}, Placement(tmp_path, tmp_path, timeout=timeout))
    assert reported == [{DISK: "[Errno 28] No space left on device"}]


@pytest.mark.parametrize("timeout", [0.0, 60.0])
def test_a_disk_that_is_away_is_reported_and_is_no_failure_of_the_trial(
    timeout: float, tmp_path: Path, reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object, **named: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(launch.run.tune, "run_trial", away)
    if timeout:
        monkeypatch.setattr(Path, "mkdir", away)
    launch.run.tune.train({CONFIG: trial().to_dict()}, Placement(tmp_path, tmp_path, timeout=timeout))
    assert reported == [{DISK: "[Errno 30] Read-only file system"}]


def test_another_error_is_raised(
    tmp_path: Path, reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_with(OSError(errno.EACCES, "Permission denied"), monkeypatch)
    with pytest.raises(PermissionError):
        launch.run.tune.train({CONFIG: trial().to_dict()}, Placement(tmp_path, tmp_path, timeout=60.0))
    assert not reported


def test_an_index_that_cannot_be_written_ends_the_search_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(store: StudyStore) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def search_fold(*arguments: object) -> None:
        monkeypatch.setattr(StudyStore, "write_index", away)

    store = opened(tmp_path)
    monkeypatch.setattr(launch.run.tune, "ray_session", lambda *arguments: nullcontext())
    monkeypatch.setattr(launch.run.tune, "_search_fold", search_fold)
    space = parse_space({"optim": {"lr": {"log_uniform": [1e-4, 1e-2]}}}, trial())
    resources = Resources(1, 1, 0.0, "cpu")
    plan = SearchPlan(
        store, Search(trial(), space, Goals(), "tpe", 0), ("part1",), Placement(tmp_path, tmp_path), resources
    )
    ending = launch.run.tune.search(plan, 4)
    assert ending is not None
    assert (ending.code, "Read-only file system" in ending.said) == (1, True)


def test_another_error_of_the_system_ends_no_search_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(launch.run.tune, "ray_session", refused)
    plan: Any = SimpleNamespace(store=opened(tmp_path), budget=Budget(), folds=("part1",), resources=None)
    with pytest.raises(PermissionError):
        launch.run.tune.search(plan, 1)
