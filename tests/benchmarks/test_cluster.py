"""The trials that `tests.benchmarks.cluster` disturbs, and how it counts."""

from pathlib import Path

import pytest

import study.trial.run
from study.records.config import Placement
from study.records.store import StudyStore
from study.trial.run import run_trial
from tests.benchmarks import _cluster_runs
from tests.benchmarks._cluster_runs import Sweep, outcome
from tests.benchmarks._cluster_trial import Spec, base, rates, sleep_through


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.setattr(study.trial.run, "_train_and_evaluate", sleep_through)
    monkeypatch.setattr(_cluster_runs, "our_jobs", lambda folder: [])
    root, log, scratch = (tmp_path / name for name in ("study", "log", "scratch"))
    for folder in (root, log, scratch):
        folder.mkdir()
    spec = Spec(str(log), trials=3, epochs=3, seconds=0.0, bad="nan", times=1)
    spec.write(root)
    return Sweep(root, log, scratch, spec)


def run(sweep: Sweep, number: int, dies_after: int = 0) -> None:
    """A trial, whose process ends after a report."""

    def report(epoch: int, value: float) -> None:
        if epoch == dies_after:
            raise SystemExit

    run_trial(base(sweep.spec, rates(sweep.spec)[number]), Placement(sweep.root, sweep.root), report)


def test_a_trial_that_goes_on_begins_no_epoch_again(sweep: Sweep) -> None:
    for dies_after in (1, 2):
        with pytest.raises(SystemExit):
            run(sweep, 0, dies_after)
    assert outcome(sweep).lost == 3
    run(sweep, 0)
    found = outcome(sweep)
    assert (found.done, found.lost, found.again) == (1, 2, 0)
    assert [one[1] for one in sweep.begun()] == [1, 2, 3]


def test_what_is_lost_failed_or_done_twice_is_counted(sweep: Sweep) -> None:
    for number in range(3):
        run(sweep, number)
    found = outcome(sweep)
    assert (found.done, found.failed, found.lost, found.again) == (2, 1, 0, 0)
    assert "1 FAILED, not 0" in found.note
    [failed] = [one for one in StudyStore(sweep.root).results() if one.status == "FAILED"]
    StudyStore(sweep.root).result_path(failed.config.key).unlink()
    run(sweep, 2)
    found = outcome(sweep)
    assert (found.done, found.lost, found.again, found.best) == (3, 0, 3, True), "a failed trial has no checkpoint"
