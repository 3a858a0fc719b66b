"""Commands whose trials run on a real SLURM: followed, let go, found again, stopped, killed, and always finished."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from data.errors import InputError
from launch.cluster import preflight
from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import our_jobs
from launch.cluster.jobs import submit
from launch.cluster.work import Work
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import RunKeys
from launch.plan.resources import Resources
from study.records.config import Placement
from study.records.store import StudyStore
from tests.conftest import TreeMaker
from tests.launch.cluster.conftest import scratch as scratch
from tests.launch.commands import sweep_arguments
from tests.readme import commands
from tests.slurm.sandbox import Sandbox
from tests.slurm.tasks import Sleep
from tests.study.make import trial

pytestmark = pytest.mark.slurm
REPOSITORY = Path(__file__).parents[2]
CLUSTER = (
    "cluster=slurm",
    "cluster.partition=main",
    "cluster.max_workers=2",
    "cluster.worker_cpus=1",
    "cluster.time=10",
    "cluster.head_time=30",
    "cluster.poll_s=2",
)
Started = subprocess.Popen[str]


@pytest.fixture
def study(tmp_path: Path) -> StudyStore:
    return StudyStore(tmp_path / "runs" / "one")


@pytest.fixture
def start(slurm: Sandbox, trees: TreeMaker, tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """`start(command, *arguments)` runs a command of ours as a user does; what is left of them ends with the test."""
    running: list[Started] = []
    quick = [*sweep_arguments(trees("bp4d"), tmp_path), "name=one", "fold=part1", "pruning.grace=2", *CLUSTER]

    def begin(command: str, *arguments: str) -> Started:
        given = (
            [*quick, *arguments] if command == "sweep" else ["name=one", f"runs_root={tmp_path / 'runs'}", *arguments]
        )
        words = [sys.executable, str(REPOSITORY / "launch" / f"{command}.py"), *given]
        process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path)
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def finished(process: Started, seconds: float = 900) -> tuple[int, str]:
    """Exit code and output of a command."""
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output


def test_a_sweep_is_let_go_followed_stopped_and_goes_on(
    slurm: Sandbox, start: Callable[..., Started], study: StudyStore
) -> None:
    folder = ClusterFolder(study.cluster_path)
    first = start("sweep", "trials=1000")
    slurm.wait_for(lambda: study.count() > 0, "the first trial", 900)
    first.send_signal(signal.SIGINT)
    code, said = finished(first)
    assert code == 1
    assert "keeps running without this terminal" in said
    assert f"launch/stop.py name=one runs_root={study.root.parent}" in said
    heads = our_jobs(folder, "head")
    assert len(heads) == 1
    code, said = finished(start("status", "json=true"))
    shown = json.loads(said)
    assert (code, shown["wanted"], shown["stage"]) == (0, 1000, "sweep")
    assert {worker["job"] for worker in shown["workers"]} <= {job.id for job in our_jobs(folder, "worker")}
    second = start("sweep", "trials=1000")
    assert second.stdout
    assert any(f"head job {heads[0].id} is running: following it" in line for line in second.stdout)
    code, said = finished(start("stop"))
    assert code == 0, said
    assert our_jobs(folder) == []
    assert finished(second)[0] == 1
    there = study.count()
    assert 0 < there < 1000
    code, said = finished(start("sweep", f"trials={there + 2}", "cluster.probe=false"))
    assert code == 0, said
    assert StudyStore(study.root).count() == there + 2
    assert "best trial" in said


def test_a_head_that_is_killed_is_started_anew(
    slurm: Sandbox, start: Callable[..., Started], study: StudyStore
) -> None:
    command = start("sweep", "trials=30", "cluster.probe=false")
    slurm.wait_for(lambda: study.count() > 0, "a trial", 600)
    head = ClusterFolder(study.cluster_path).head()
    assert head is not None
    os.kill(head.pid, signal.SIGKILL)
    code, said = finished(command)
    assert code == 0, said
    assert "head job crashed; resubmitted as" in said
    assert StudyStore(study.root).count() == 30


def test_a_head_in_the_first_worker_and_frames_on_the_nodes_disk(
    slurm: Sandbox, start: Callable[..., Started], study: StudyStore, scratch: Path
) -> None:
    staged = ["cluster.stage=true", f"cluster.scratch={scratch}"]
    code, said = finished(start("sweep", "trials=4", "cluster.head=first_worker", "cluster.probe=false", *staged))
    assert code == 0, said
    assert StudyStore(study.root).count() == 4
    left = [path.suffix for path in scratch.glob(f"au-stage-{os.getuid()}/*")]
    assert sorted(left) == [".lock", ".use"], "there was a copy, and it is gone"
    assert len([*study.cluster_path.glob("jobs/*_submission.sh")]) == 2  # as many as workers: the driver submitted none


def test_a_look_at_a_node(slurm: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preflight.check_node(work(tmp_path, tmp_path), Console())
    assert "no look" not in capsys.readouterr().out
    with pytest.raises(InputError, match=r"does not see .*absent; put store_root on a shared disk"):
        preflight.check_node(work(tmp_path, tmp_path / "absent"), Console())


def test_a_full_queue_is_no_reason_not_to_start(
    slurm: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "PROBE_S", 3.0)
    whole = work(tmp_path, tmp_path)
    everything = ClusterSettings(name="slurm", partition="main", worker_cpus=4, time=30)
    for _ in slurm.nodes:
        submit(Sleep(tmp_path / "log"), everything, whole.folder, "worker")
    slurm.wait_for(lambda: {job.state for job in our_jobs(whole.folder)} == {"RUNNING"}, "the start of all jobs")
    preflight.check_node(whole, Console(width=200))
    said = capsys.readouterr().out
    assert "no check of a compute node: the probe job" in said
    assert "PENDING" in said
    assert our_jobs(whole.folder, "probe") == []


def work(folder: Path, frames: Path) -> Work:
    """Trials of a study in `folder`, on frames that need not be any."""
    store = StudyStore(folder / "study")
    cluster = ClusterSettings(name="slurm", partition="main", worker_cpus=1, time=30)
    found = Work(
        command="sweep",
        keys=RunKeys(cluster=cluster),
        store=store,
        placement=Placement(frames, store.root),
        resources=Resources(1, 1, 0.0, "cpu", cluster),
        example=trial(),
        stage="sweep",
        wanted=1,
        todo=1,
        about="1 trial",
        frames=frozenset(["f00"]),
        run=lambda: None,
        finish=lambda ending: 0,
    )
    found.folder.open()
    return found


def test_the_commands_of_the_readme(slurm: Sandbox, start: Callable[..., Started], study: StudyStore) -> None:
    plan, sweep, status, stop = (shlex.split(command) for command in commands("cluster"))
    assert [Path(words[0]).stem for words in (plan, sweep, status, stop)] == ["sweep", "sweep", "status", "stop"]
    assert plan == [*sweep, "dry_run=true"]
    kept = [word for word in sweep[1:] if word.startswith("cluster")]
    code, said = finished(start("sweep", *kept, "cluster.partition=main", "dry_run=true"))
    assert code == 0, said
    assert "#SBATCH --partition=main" in said
    assert not study.exists()
    few = ("cluster.partition=main", "cluster.max_workers=2")  # this machine would need minutes for 16
    running = start("sweep", *kept, *few, "trials=1000", "cluster.probe=false")
    slurm.wait_for(lambda: study.count() > 0, "the first trial", 240)
    assert {"name", "watch"} == {word.partition("=")[0] for word in status[1:]}
    assert finished(start("status"))[0] == 0
    assert {"name"} == {word.partition("=")[0] for word in stop[1:]}
    code, said = finished(start("stop"))
    assert code == 0, said
    assert finished(running)[0] == 1
