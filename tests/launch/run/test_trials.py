"""Trials that are given: what becomes of one whose process or disk fails."""

import errno
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

import launch.run.trials
from data.errors import InputError
from launch.plan.resources import Resources
from study.records.config import Placement
from study.records.store import StudyStore
from tests.study.make import result, trial


def run(folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> StudyStore:
    """One trial, in whose place Ray raises `error`."""

    def get(reference: object) -> None:
        raise error

    task = SimpleNamespace(remote=lambda *arguments: None)
    monkeypatch.setattr(launch.run.trials, "ray_session", lambda *arguments: nullcontext())
    monkeypatch.setattr(ray, "remote", lambda **needs: lambda function: task)
    monkeypatch.setattr(ray, "get", get)
    store = StudyStore(folder)
    launch.run.trials.run_all([(trial(), Placement(folder, folder))], store, Resources(1, 1, 0.0, "cpu"))
    return store


def test_a_trial_whose_process_dies_has_a_result_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(tmp_path, ray.exceptions.WorkerCrashedError(), monkeypatch).result(trial().key)
    assert found is not None
    assert found.status == "FAILED"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_is_no_failure_of_the_trial(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ray.exceptions.RayTaskError("finish", "the traceback", OSError(number, "the reason"))
    with pytest.raises(InputError, match=r"the disk fails: .*the reason"):
        run(tmp_path, error, monkeypatch)
    assert StudyStore(tmp_path).result(trial().key) is None


def test_a_trial_that_hung_each_time_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = StudyStore(tmp_path).hung_path(trial().key)
    path.parent.mkdir()
    path.write_text("Timeout (0:01:00)!\n  File fit.py, line 3\n")
    found = run(tmp_path, ray.exceptions.WorkerCrashedError(), monkeypatch).result(trial().key)
    assert found is not None
    assert found.error is not None
    assert "the trial hung" in found.error
    assert "fit.py, line 3" in found.error
    assert not path.exists()


def test_a_trial_that_has_a_result_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StudyStore(tmp_path).write(result(trial(), None, status="FAILED", curve=()))
    monkeypatch.setattr(ray, "remote", lambda **needs: pytest.fail("it is run"))
    found = run(tmp_path, ValueError("it is run"), monkeypatch)
    assert [one.status for one in found.results()] == ["FAILED"]
