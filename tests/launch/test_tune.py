"""What Ray runs for one trial: it hangs, and the disk is full."""

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import launch.tune
from launch.ending import DISK
from launch.searcher import CONFIG
from study.config import Placement
from study.store import StudyStore
from tests.study.make import trial

HANGS = """
import sys, time
from pathlib import Path
import launch.tune
from study.config import Placement, TrialConfig

def hang_at_the_third_report(config, placement, report):
    for epoch in range(1, 4):
        report(epoch, 0.5)
    def stuck():
        time.sleep(60)
    stuck()

launch.tune.run_trial = hang_at_the_third_report
launch.tune.tune.report = lambda metrics: print(metrics["epoch"], flush=True)
launch.tune.train({"config": TrialConfig().to_dict()}, Placement(Path(), Path(sys.argv[1])), 1.0 / 60)
"""


def test_a_trial_that_stops_reporting_ends_its_process_and_says_where(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HANGS, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert done.stdout.split() == ["1", "2", "3"]
    [stack] = (tmp_path / "hung").glob("*.txt")
    assert "in stuck" in stack.read_text()


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

    monkeypatch.setattr(launch.tune, "run_trial", run_trial)


@pytest.mark.parametrize("timeout", [0.0, 60.0])
def test_a_full_disk_is_reported(
    timeout: float, tmp_path: Path, reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_with(OSError(errno.ENOSPC, "No space left on device"), monkeypatch)
    launch.tune.train({CONFIG: trial().to_dict()}, Placement(tmp_path, tmp_path), timeout)
    assert reported == [{DISK: "[Errno 28] No space left on device"}]


def test_another_error_is_raised(
    tmp_path: Path, reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_with(OSError(errno.EACCES, "Permission denied"), monkeypatch)
    with pytest.raises(PermissionError):
        launch.tune.train({CONFIG: trial().to_dict()}, Placement(tmp_path, tmp_path), 60.0)
    assert not reported


def test_a_trial_that_ends_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(None, monkeypatch)
    launch.tune.train({CONFIG: trial().to_dict()}, Placement(tmp_path, tmp_path), 60.0)
    assert not StudyStore(tmp_path).hung_path(trial().key).exists()
