"""Trials that are given: what becomes of one whose process or disk fails."""

import errno
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

import launch.trials
from data.errors import InputError
from launch.preflight import Resources
from study.config import Placement
from study.store import StudyStore
from tests.study.make import trial


def run(folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> StudyStore:
    """One trial, in whose place Ray raises `error`."""

    def get(reference: object) -> None:
        raise error

    task = SimpleNamespace(remote=lambda *arguments: None)
    monkeypatch.setattr(launch.trials, "ray_session", lambda *arguments: nullcontext())
    monkeypatch.setattr(ray, "remote", lambda **needs: lambda function: task)
    monkeypatch.setattr(ray, "get", get)
    store = StudyStore(folder)
    launch.trials.run_all([(trial(), Placement(folder, folder))], store, Resources(1, 1, 0.0, "cpu"))
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
