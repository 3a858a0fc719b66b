"""A trial that hangs: in a search, and given."""

import subprocess
import sys
from pathlib import Path

import pytest

from launch.run.watchdog import Watchdog, death
from study.records.config import Placement, trial_from_dict
from study.records.store import StudyStore
from tests.study.make import trial

HANGS = """
import sys, time
from pathlib import Path
import launch.run.trials, launch.run.tune
from study.records.config import Placement, TrialConfig

def hang_at_the_third_report(config, placement, report):
    for epoch in range(1, 4):
        report(epoch, 0.5)
        print(epoch, flush=True)
    def stuck():
        time.sleep(60)
    stuck()

placement = Placement(Path(), Path(sys.argv[1]), timeout=1.0 / 60)
launch.run.tune.tune.report = lambda metrics: None
launch.run.tune.run_trial = launch.run.trials.run_trial = hang_at_the_third_report
"""
SEARCHED = "launch.run.tune.train({'config': TrialConfig().to_dict()}, placement)"
GIVEN = "launch.run.trials._finish(TrialConfig(), placement)"


@pytest.mark.slow
@pytest.mark.parametrize("call", [SEARCHED, GIVEN])
def test_a_trial_that_stops_reporting_ends_its_process_and_says_where(call: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HANGS + call, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert done.stdout.split() == ["1", "2", "3"]
    [stack] = (tmp_path / "hung").glob("*.txt")
    assert "in stuck" in stack.read_text()
    assert death(StudyStore(tmp_path), stack.stem, 4).endswith("4 times; the stack is above")


@pytest.mark.parametrize("timeout", [0.0, 60.0])
def test_a_trial_that_ends_leaves_nothing_behind(timeout: float, tmp_path: Path) -> None:
    with Watchdog(trial(), Placement(tmp_path, tmp_path, timeout=timeout)) as watchdog:
        assert watchdog.path.exists() == (timeout > 0)
        watchdog.report()
        watchdog.rest()
    assert not watchdog.path.exists()


def test_a_process_that_never_reported_and_did_not_hang(tmp_path: Path) -> None:
    assert death(StudyStore(tmp_path), trial().key, 4).startswith("its process died 4 times")


@pytest.mark.parametrize("then", ["probe", "finetune"])
def test_pre_training_which_reports_nothing_is_not_watched(
    then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[float] = []
    monkeypatch.setattr("faulthandler.dump_traceback_later", lambda seconds, **where: begun.append(seconds))
    config = trial_from_dict({"method_name": "clp", "method": {"then": then}})
    with Watchdog(config, Placement(tmp_path, tmp_path, timeout=1.5)) as watchdog:
        assert begun == ([90.0] if then == "probe" else [])
        watchdog.report()
    assert begun[-1] == 90.0
