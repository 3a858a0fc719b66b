"""What is asked of a real SLURM, and what it answers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import InputError
from launch.cluster import slurm as commands
from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import our_jobs
from launch.cluster.jobs import sbatch_text, submit
from launch.keys.cluster import ClusterSettings
from tests.slurm.sandbox import Sandbox
from tests.slurm.tasks import Sleep

pytestmark = pytest.mark.slurm


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    return ClusterFolder(tmp_path / "a study" / "cluster").open()


def settings(**given: object) -> ClusterSettings:
    """Workers of one core for five minutes."""
    plain = {"name": "slurm", "partition": "main", "time": 5, "signal_s": 60, "worker_cpus": 1}
    return ClusterSettings(**{**plain, **given})  # type: ignore[arg-type]


def wrote(log: Path, *lines: str) -> Callable[[], bool]:
    return lambda: log.exists() and log.read_text().splitlines() == [*lines]


def test_what_is_submitted_is_what_the_dry_run_shows(slurm: Sandbox, folder: ClusterFolder, tmp_path: Path) -> None:
    asked = settings(worker_gpus=2, worker_mem_gb=0.5, setup=("export AU_SETUP=1",), extra={"comment": "two words"})
    job = submit(Sleep(tmp_path / "log"), asked, folder, "worker")
    assert (folder.jobs / f"{job}_submission.sh").read_text() == sbatch_text(asked, folder, "worker")
    shown = slurm.output("scontrol", "show", "job", job, "-o")
    for word in ("TimeLimit=00:05:00", "gres:gpu:2", "MinMemoryNode=512M", "Comment=two words", "Requeue=1"):
        assert word in shown


def test_a_job_runs_is_requeued_and_cancelled(slurm: Sandbox, folder: ClusterFolder, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = submit(Sleep(log), settings(), folder, "worker")
    slurm.wait_for(wrote(log, "started"), "the start of the job")
    found = our_jobs(folder)
    assert [(one.id, one.state, one.partition, one.restarts) for one in found] == [(job, "RUNNING", "main", 0)]
    assert found[0].node in slurm.nodes
    assert 200 < (found[0].time_left_s or 0) <= 300
    commands.requeue(job)
    slurm.wait_for(wrote(log, "started", "started"), "the second start")
    assert [one.restarts for one in commands.queue([job])] == [1]
    commands.cancel([job, "999999"])
    slurm.wait_for(lambda: not commands.queue([job]), "the end of the job")


def test_the_early_signal_reaches_the_job_and_it_comes_back(
    slurm: Sandbox, folder: ClusterFolder, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    job = submit(Sleep(log), settings(), folder, "worker")
    slurm.wait_for(wrote(log, "started"), "the start of the job")
    slurm.output("scancel", "--batch", "--signal=USR2", job)  # as SLURM does for --signal=B:USR2@60
    slurm.wait_for(wrote(log, "started", "signalled", "started"), "the return of the job")
    assert [one.id for one in our_jobs(folder)] == [job]


def test_only_jobs_of_this_study_are_ours(slurm: Sandbox, folder: ClusterFolder, tmp_path: Path) -> None:
    other = ClusterFolder(tmp_path / "elsewhere" / "a study" / "cluster").open()
    ours = submit(Sleep(tmp_path / "log"), settings(), folder, "worker")
    theirs = submit(Sleep(tmp_path / "log"), settings(), other, "worker")
    head = submit(Sleep(tmp_path / "log"), settings(), folder, "head")
    assert {one.id for one in our_jobs(folder)} == {ours, head}
    assert [one.id for one in our_jobs(folder, "head")] == [head]
    assert [one.id for one in our_jobs(other)] == [theirs]


def test_two_heads_never_run_at_once(slurm: Sandbox, folder: ClusterFolder, tmp_path: Path) -> None:
    asked = settings(head_time=5)
    submit(Sleep(tmp_path / "log"), asked, folder, "head")
    second = submit(Sleep(tmp_path / "log"), asked, folder, "head")
    waits = [("PENDING", "Dependency")]
    slurm.wait_for(lambda: [(one.state, one.reason) for one in commands.queue([second])] == waits, "its reason")
    assert [(one.state, one.reason) for one in commands.queue([second])] == waits


@pytest.mark.parametrize("wrong", [{"partition": "absent"}, {"constraint": "absent"}])
def test_a_job_that_slurm_refuses(wrong: dict[str, str], slurm: Sandbox, folder: ClusterFolder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SLURM refuses the job"):
        submit(Sleep(tmp_path / "log"), settings(**wrong), folder, "worker")


def test_a_controller_that_is_away(slurm: Sandbox, folder: ClusterFolder) -> None:
    slurm.stop_controller()
    try:
        with pytest.raises(commands.SlurmError, match="squeue"):
            commands.queue()
    finally:
        slurm.start_controller()
    assert commands.queue() == []
