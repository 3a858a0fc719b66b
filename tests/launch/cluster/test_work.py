"""What a dry run says, and that it starts nothing."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from launch.cluster.files import ClusterFolder
from launch.cluster.jobs import sbatch_text
from launch.cluster.work import OPTIMISER_STATES, RESULT_BYTES, Work, cost_text, disk_bytes, size, weight_bytes
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import RunKeys
from launch.plan.resources import Resources
from study.records.config import Placement
from study.records.latest_work import LatestWork
from study.records.store import StudyStore
from tests.conftest import TreeMaker
from tests.launch.commands import run, sweep_arguments
from tests.study.make import opened, result, trial

Making = Callable[..., Work]


@pytest.fixture
def work(tmp_path: Path) -> Making:
    """`work(...)` is a sweep of 10 trials in a study that was begun, with some things changed."""
    store = opened(tmp_path / "runs" / "one")

    def make(**changed: object) -> Work:
        plain = {
            "command": "sweep",
            "keys": RunKeys(dry_run=True),
            "store": store,
            "placement": Placement(tmp_path, store.root),
            "resources": Resources(4, 2, 0.0, "cpu"),
            "example": trial(),
            "stage": "sweep",
            "wanted": 10,
            "todo": 8,
            "about": "2 trials finished",
            "frames": frozenset(["a" * 64]),
            "run": lambda: None,
            "finish": lambda ending: 0,
        }
        return Work(**{**plain, **changed})  # type: ignore[arg-type]

    return make


def test_the_cost_of_what_is_left(work: Making) -> None:
    assert cost_text(work()) == "unknown until the first trials are finished"
    assert cost_text(work(todo=0)) == "nothing"
    store = work().store
    for seed, seconds in ((1, 1800.0), (2, 5400.0)):
        store.write(dataclasses.replace(result(trial(seed=seed)), seconds=seconds))
    assert cost_text(work()) == (
        "about 16.0 core-hours (2 finished trials took 3600 s each), 2:00:00 with all workers busy"
    )
    assert cost_text(work(resources=Resources(4, 2, 0.25, "cuda"))).startswith("about 2.0 GPU-hours ")
    assert cost_text(work(stage="final")) == "unknown until the first trials are finished"


def test_the_disk_that_is_left_to_write(work: Making) -> None:
    weights = weight_bytes(trial())
    assert weights > 1000
    assert disk_bytes(work()) == 8 * RESULT_BYTES + 4 * OPTIMISER_STATES * weights
    assert disk_bytes(work(todo=2)) == 2 * RESULT_BYTES + 2 * OPTIMISER_STATES * weights
    store = work().store
    store.write(result(trial(seed=1)))
    written = store.result_path(trial(seed=1).key).stat().st_size
    assert disk_bytes(work()) == 8 * written + 4 * OPTIMISER_STATES * weights
    kept = disk_bytes(work(stage="final", example=trial(score_test=True)))
    assert kept == disk_bytes(work()) + 8 * weights


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (14_500_000, "14.5 MB"), (2e15, "2e+03 TB")]
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


def test_what_a_command_runs_is_noted_when_it_begins(work: Making) -> None:
    asked = work().store.spec()
    made = work(spec=asked, free=("trials",))
    assert made.store.work() == LatestWork()
    made.begin(Console(quiet=True))
    assert made.store.spec() == dataclasses.replace(asked, trials=10)
    assert made.store.provenance()["frame store"] == "a" * 64
    assert made.store.work() == LatestWork("sweep", "sweep", trials=10, epochs=16, concurrent=4, cpus=2, gpus=0.0)


def test_several_frame_stores_are_named_by_the_beginning_of_their_fingerprints(work: Making) -> None:
    made = work(frames=frozenset(["b" * 64, "a" * 64]))
    made.begin(Console(quiet=True))
    assert made.store.provenance()["frame store"] == f"{'a' * 12} {'b' * 12}"


def test_trials_that_are_run_again_are_forgotten_when_it_begins(
    work: Making, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, lost = result(trial(seed=1)), result(trial(seed=2), None, status="FAILED", curve=())
    store = work().store
    for one in (kept, lost):
        store.write(one)
    work(keys=RunKeys(retry_failed=True), again=(lost.config.key,)).begin(Console())
    assert capsys.readouterr().out == "1 trials that failed or lost their files are run again\n"
    assert [one.config for one in store.results()] == [kept.config]


def test_the_work_in_one_line(work: Making) -> None:
    made = work()
    said = f"study {made.store.root}: 2 trials finished, 8 to do, 4 at a time on 2 cores each (cpu)"
    assert made.headline == said


def test_a_dry_run_shows_the_jobs_and_starts_nothing(
    trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [*sweep_arguments(trees("bp4d"), tmp_path), "name=one", "fold=part1", "dry_run=true"]
    monkeypatch.setenv("PATH", str(tmp_path))  # no SLURM is needed
    jobs = [
        "cluster=slurm",
        "cluster.partition=gpu",
        "trial.gpus=0.5",
        "cluster.worker_cpus=8",
        "cluster.max_workers=3",
    ]
    assert run("sweep", *quick, *jobs) == 0
    said = capsys.readouterr().out
    settings = ClusterSettings(name="slurm", partition="gpu", worker_cpus=8, worker_gpus=1, max_workers=3)
    folder = ClusterFolder(tmp_path / "runs" / "one" / "cluster")
    for kind in ("head", "worker"):
        assert sbatch_text(settings, folder, kind) in said
    assert "0 of 3 trials finished, 3 to do" in said
    assert "a trial gets 4 cores and 0.5 GPUs (cuda); 6 at a time" in said
    assert "workers: up to 3, each runs 2 trials at a time; head=job" in said
    assert not StudyStore(tmp_path / "runs" / "one").exists()
    assert not folder.root.exists()


def test_a_dry_run_on_this_machine(
    trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [*sweep_arguments(trees("bp4d"), tmp_path), "name=one", "fold=part1", "dry_run=true", "cluster.cpus=1"]
    assert run("sweep", *quick) == 0
    said = capsys.readouterr().out
    assert "a trial gets 1 cores (cpu); 1 at a time" in said
    assert "#SBATCH" not in said
    assert said.splitlines()[-1] == "dry run: nothing was started"
