"""What SLURM's commands say, from scripts that say it."""

from pathlib import Path

import pytest

from launch.cluster import slurm
from launch.cluster.slurm import QueuedJob, SlurmError, slurm_seconds
from tests.launch.cluster.fake_slurm import answers

QUEUE = """\
7|a-1234-worker|RUNNING|None|gpu|node1|1-02:03:04|2|
8|a|b|PENDING|QOSMaxJobsPerUserLimit|gpu,short||UNLIMITED|0|
9|other|PENDING|(launch failed requeued held)|gpu||2:00|1|
"""


def test_the_queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, tmp_path / "bin", squeue=QUEUE)
    first, second, third = slurm.queue()
    assert first == QueuedJob("7", "a-1234-worker", "RUNNING", "None", "gpu", "node1", 93784.0, 2)
    assert (second.state, second.reason, second.partition) == ("PENDING", "QOSMaxJobsPerUserLimit", "gpu,short")
    assert (second.node, second.time_left_s, third.restarts) == ("", None, 1)
    assert slurm.queue(["9", "10"]) == [third]


def test_an_empty_queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, tmp_path / "bin", squeue="")
    assert slurm.queue() == []


def test_a_command_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, tmp_path / "bin", squeue="error: Unable to contact slurm controller")
    with pytest.raises(SlurmError, match="squeue --me: error: Unable to contact slurm controller"):
        slurm.queue()


def test_without_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, tmp_path / "bin")
    with pytest.raises(SlurmError, match="no squeue on this machine"):
        slurm.queue()
    slurm.cancel([])  # nothing to do, nothing called
    with pytest.raises(SlurmError, match="no scancel"):
        slurm.cancel(["7"])


def test_a_command_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(slurm, "PATIENCE", 0.05)
    with pytest.raises(SlurmError, match="sleep did not answer"):
        slurm.command("sleep", "9")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:30", 30),
        ("2:00", 120),
        ("1:00:00", 3600),
        ("01:00:00", 3600),
        ("1-02:03:04", 93784),
        ("UNLIMITED", None),
        ("NOT_SET", None),
        ("INVALID", None),
    ],
)
def test_times(text: str, seconds: float | None) -> None:
    assert slurm_seconds(text) == seconds
