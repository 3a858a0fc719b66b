"""The benchmarks of the final evaluation run, and measure what they say."""

import pytest

from tests.benchmarks import coverage, evaluation


def test_the_tasks_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluation.bootstrap(frames=400, replicates=5)[1] == "416 numbers, 5 replicates"
    seconds, remark = evaluation.scoring(frames=2_000, subjects=5)
    assert seconds >= 0
    assert 20_000 < int(remark.split()[0].replace(",", "")) < 24_000, "a tenth of 12 times 2,000 is not coded"
    assert evaluation.peak() > 10


def test_coverage_counts_what_the_intervals_hold() -> None:
    known = coverage.truth(people=20_000)
    assert known["f1"] == pytest.approx(0.65, abs=0.02)
    assert known["auc"] == pytest.approx(0.83, abs=0.02)
    right = coverage.coverage(12, 3, known, replicates=50)
    wrong = coverage.coverage(12, 3, {"f1": 0.2, "auc": 0.2}, replicates=50)
    assert [one.metric for one in right] == ["f1", "auc"]
    assert all(one.covered > 0 for one in right)
    assert all(one.covered == one.percentile_covered == 0 for one in wrong)
    assert all(one.width > one.percentile_width > 0 for one in right)
