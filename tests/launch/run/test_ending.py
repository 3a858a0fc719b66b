"""Why a search ends early."""

from dataclasses import replace
from pathlib import Path

import pytest

from launch.plan.budget import Budget, Ending
from launch.run.ending import DISK, Watch, failure_signature, used_gpu_hours
from launch.run.searcher import METRIC
from study.records.outcome import Outcome
from study.records.store import StudyStore
from tests.study.make import opened, result, trial

ERROR = """Traceback (most recent call last):
  File "/home/me/au/study/trial.py", line 53, in run_trial
    result = _train(begun)
  File "/home/me/au/model/fit.py", line {line}, in fit
    torch.zeros(1) + None
  File "/env/site-packages/torch/x.py", line 9, in add
TypeError: unsupported operand
"""


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_time_runs_out(store: StudyStore) -> None:
    clock = Clock()
    watch = Watch(store, Budget(seconds=90.0), clock)
    clock.now += 89
    assert not watch.stop_all()
    clock.now += 1
    assert watch.stop_all()
    assert watch.ending is not None
    assert (watch.ending.code, watch.ending.said) == (0, "the time budget of 1.5 m is used up")


def test_gpu_hours_run_out_with_what_runs(store: StudyStore) -> None:
    clock = Clock()
    watch = Watch(store, Budget(gpu_hours=2.0), clock)
    store.write(replace(result(trial(1), gpus=0.5), seconds=2 * 3600.0))
    store.write(replace(result(trial(2, score_test=True), gpus=0.5), seconds=100 * 3600.0))  # not of the search
    assert not watch.stop_all()
    store.write_progress(replace(result(trial(3), gpus=0.25), seconds=4 * 3600.0))
    assert used_gpu_hours(store) == 2.0
    clock.now += 60
    assert watch.stop_all()
    assert watch.ending is not None
    assert watch.ending.code == 0


def test_the_first_ending_stays(store: StudyStore) -> None:
    watch = Watch(store, Budget())
    watch.end(1, "the disk fails")
    watch.end(0, "the time budget is used up")
    assert watch.ending == Ending(1, "the disk fails")


def outcomes(store: StudyStore, *errors: str) -> list[Outcome]:
    made = []
    for seed, error in enumerate(errors):
        failed = replace(result(trial(seed), None, status="FAILED", curve=()), error=error)
        store.write(failed if error else result(trial(seed)))
        found = store.outcome(trial(seed).key)
        assert found is not None
        made.append(found)
    return made


ALIKE = ERROR.format(line=7)
RUNAWAY = "Traceback\nFloatingPointError: the loss became nan in epoch 1; lower the learning rate"


@pytest.mark.parametrize(
    ("errors", "ends"),
    [
        ([ALIKE] * 3, True),
        ([ALIKE] * 2, False),
        ([ALIKE, ALIKE, "", ALIKE], False),
        ([ALIKE, ALIKE, ERROR.format(line=8), ALIKE], False),
        ([ERROR.format(line=8), ALIKE, ALIKE, ALIKE], True),
        ([RUNAWAY] * 5, False),
        ([ALIKE, RUNAWAY, ALIKE, ALIKE], False),
    ],
)
def test_the_same_failure_three_times_in_a_row(errors: list[str], ends: bool, store: StudyStore) -> None:
    watch = Watch(store, Budget())
    for outcome in outcomes(store, *errors):
        watch.finished(outcome)
    assert (watch.ending is not None) == ends
    if watch.ending is not None:
        assert watch.ending.code == 1
        assert "TypeError: unsupported operand" in watch.ending.said
        assert "retry_failed=true" in watch.ending.said


def test_what_failures_have_in_common_is_their_place_in_our_code() -> None:
    assert failure_signature(ALIKE).splitlines() == [
        'File "/home/me/au/model/fit.py", line 7, in fit',
        "TypeError: unsupported operand",
    ]
    assert failure_signature("") == ""


def test_a_trial_reports_a_full_disk(store: StudyStore) -> None:
    watch = Watch(store, Budget())
    assert not watch("a", {METRIC: 0.5})
    assert not watch("a", {DISK: "[Errno 28] No space left on device"}), "a trial is never stopped by itself"
    assert watch.stop_all()
