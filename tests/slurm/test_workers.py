"""Workers as jobs of a real SLURM: they come when it grants them, go when it needs their place, and nothing is lost."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.cluster.runs import TASKS, Run, left
from tests.slurm.sandbox import Sandbox

pytestmark = pytest.mark.slurm


@pytest.fixture
def run(tmp_path: Path, slurm: Sandbox) -> Iterator[Run]:
    scratch = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    made = Run(tmp_path, scratch, slurm=True)
    yield made
    made.end()
    slurm.cancel_all()
    shutil.rmtree(scratch, ignore_errors=True)


def test_the_queue_grants_one_after_the_other_and_trials_begin_with_the_first(run: Run, slurm: Sandbox) -> None:
    block = slurm.output("sbatch", "--parsable", "-N3", "--exclusive", "-o/dev/null", "--wrap", "sleep 600").strip()
    slurm.wait_for(lambda: slurm.output("squeue", "-h", "-j", block, "-o%T").strip() == "RUNNING", "the other job")
    run.allow(2)
    run.start(worker_cpus=4, tasks=30)
    run.wait(lambda: run.done >= 2 and len(run.busy()) == 1)
    run.wait(lambda: "Resources" in {event.text for event in run.cluster.events() if event.kind == "waiting"})
    slurm.output("scancel", block)
    run.wait(lambda: len(run.busy()) == 2)
    run.allow(30)
    run.finish()
    assert run.done == 30
    assert all(len(jobs) == 1 for jobs in run.begun().values())
    assert left(run) == []


def test_a_preempted_worker_comes_back_and_its_trials_are_free(run: Run, slurm: Sandbox) -> None:
    run.allow(3)
    run.start(partition="low", worker_cpus=4, tasks=30)
    run.wait(lambda: run.done >= 3 and len(run.busy()) == 2 and len(run.joined()) == 2)
    slurm.output("sbatch", "-phigh", "-N4", "--exclusive", "-o/dev/null", "--wrap", "sleep 5")
    run.wait(lambda: run.kinds().count("draining") == 2)
    run.allow(22)  # the eight that run, and as many that began before Ray knew; others are left for who comes back
    run.wait(lambda: all(run.kinds(job).count("joined") == 2 for job in run.joined()))
    run.allow(30)
    run.finish()
    assert run.done == 30
    jobs = {job for jobs in run.begun().values() for job in jobs}
    assert all(run.kinds(job).count("draining") == 1 for job in jobs)
    assert all(run.kinds(job).count("joined") == 2 for job in jobs)
    assert run.kinds().count("submitted") == 2, "the same jobs came back"
    assert all(len(jobs) == 1 for jobs in run.begun().values()), "trials ended before the node did"
    assert left(run) == []


def test_a_cancelled_worker_leaves_nothing_behind_and_is_replaced(run: Run, slurm: Sandbox) -> None:
    run.allow(2)
    run.start()
    run.wait(lambda: run.done >= 2 and len(run.busy()) == 2)
    victim = run.busy()[0]
    slurm.output("scancel", victim)
    slurm.wait_for(lambda: not slurm.processes(victim), "the end of its processes", 60)
    run.wait(lambda: run.kinds().count("submitted") >= 3)
    run.allow(TASKS)
    run.finish()
    assert run.done == TASKS
    assert run.kinds().count("submitted") >= 3
    assert left(run) == []


def test_a_killed_driver_is_followed_by_the_same_command_and_its_jobs_serve_it(run: Run) -> None:
    run.allow(2)
    run.start()
    run.wait(lambda: run.done >= 2 and len(run.busy()) == 2)
    run.kill()
    run.allow(TASKS)
    run.start()
    run.finish()
    assert run.done == TASKS
    assert run.kinds().count("submitted") == 2
    assert left(run) == []


@pytest.mark.slow
def test_workers_outlive_their_time_limit(run: Run) -> None:
    run.allow(20)
    run.start(partition="short", time=1, signal_s=15, max_workers=1, seconds=2.0, tasks=40)
    run.wait(lambda: "draining" in run.kinds())
    run.allow(40)
    run.finish()
    assert run.done == 40
    assert run.kinds().count("submitted") == 1
    assert run.kinds().count("draining") >= 1
    assert left(run) == []
