"""A whole cluster on this machine: a real head and real nodes, workers that are processes instead of jobs."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launch.cluster.runs import TASKS, Run, left

pytestmark = pytest.mark.ray


@pytest.fixture
def run(tmp_path: Path, scratch: Path) -> Iterator[Run]:
    made = Run(tmp_path, scratch)
    yield made
    made.end()


def test_workers_join_run_trials_and_nothing_is_left(run: Run) -> None:
    run.allow(2)
    run.start()
    run.wait(lambda: run.joined() == {"1", "2"} and len(run.busy()) == 2)
    run.allow(TASKS)
    assert f"{TASKS} of {TASKS}" in run.finish()
    assert sorted(run.begun()) == [*range(TASKS)]
    assert {job for jobs in run.begun().values() for job in jobs} == {"1", "2"}
    assert all(len(jobs) == 1 for jobs in run.begun().values())
    kinds = run.kinds("1")  # a look at the right moment also finds it running, or starting, before it has joined
    assert kinds[0] == "submitted"
    assert {*kinds[1 : kinds.index("joined")]} <= {"running", "starting", "staging"}
    assert left(run) == []


def kill_supervisor(run: Run, job: str) -> None:
    beat = run.cluster.heartbeat(job)
    assert beat is not None
    os.kill(beat.pid, signal.SIGKILL)


def cancel(run: Run, job: str) -> None:
    beat = run.cluster.heartbeat(job)
    assert beat is not None
    os.kill(beat.pid, signal.SIGTERM)


def warn(run: Run, job: str) -> None:
    beat = run.cluster.heartbeat(job)
    assert beat is not None
    os.kill(beat.pid, signal.SIGUSR2)


def kill_raylet(run: Run, job: str) -> None:
    os.kill(run.raylet(job), signal.SIGKILL)


@pytest.mark.parametrize("fault", [kill_supervisor, cancel, warn, kill_raylet])
def test_a_lost_worker_is_replaced_and_no_trial_is_lost(fault: Callable[[Run, str], None], run: Run) -> None:
    run.allow(2)
    run.start(signal_s=60, tasks=24)
    run.wait(lambda: run.done >= 2 and len(run.busy()) == 2)
    fault(run, "1")
    if fault is warn:
        run.wait(lambda: "draining" in run.kinds("1"))
    run.allow(18)  # what runs may end, as a worker that leaves waits for it, and enough is left for another worker
    if fault is not kill_raylet:
        run.wait(lambda: run.kinds().count("submitted") >= 3)
    run.allow(24)
    run.finish()
    assert run.done == 24
    twice = {number: jobs for number, jobs in run.begun().items() if len(jobs) > 1}
    assert len(twice) <= (0 if fault is warn else 2), "only what ran there is run again"
    assert all(jobs[0] == "1" for jobs in twice.values())
    submitted = run.kinds().count("submitted")
    assert submitted == 2 if fault is kill_raylet else submitted >= 3, "an allocation that still stands is used again"
    assert left(run) == []


def test_a_killed_driver_is_followed_by_the_same_command_and_the_workers_stay(run: Run) -> None:
    run.allow(2)
    run.start()
    run.wait(lambda: run.done >= 2 and run.joined() == {"1", "2"})
    run.kill()
    before = run.done
    run.start()
    run.wait(lambda: all(run.kinds(job).count("joined") == 2 for job in "12"))
    run.allow(TASKS)
    run.finish()
    assert run.done == TASKS
    assert before < TASKS
    first = run.cluster.rendezvous()
    assert first is not None
    assert first.generation == 2
    assert run.kinds().count("submitted") == 2, "the same allocations serve the new head"
    assert run.kinds("1").count("joined") == 2
    assert left(run) == []


def test_a_head_that_dies_ends_the_driver_and_not_the_workers(run: Run) -> None:
    run.allow(2)
    run.start()
    run.wait(lambda: run.done >= 2 and len(run.busy()) == 2)
    head = run.cluster.head()
    assert head is not None
    os.kill(run.process("gcs_server", f"au-h-{head.pid}-"), signal.SIGKILL)
    assert "The same command continues" in run.finish(code=1)
    run.allow(TASKS)
    run.start()
    run.finish()
    assert run.done == TASKS
    assert run.kinds().count("submitted") == 2
    assert left(run) == []


def test_idle_workers_leave_in_the_tail(run: Run) -> None:
    (run.folder / "done").mkdir()
    for number in range(TASKS - 5):
        (run.folder / "done" / str(number)).touch()
    run.allow(TASKS - 1)
    run.start()
    run.wait(lambda: "asked to leave" in run.kinds())
    assert run.drivers[-1].poll() is None
    [left_to_do] = {*range(TASKS)} - {int(path.name) for path in (run.folder / "done").iterdir()}
    asked = {event.job for event in run.cluster.events() if event.kind == "asked to leave"}
    assert not asked & {*run.begun()[left_to_do]}, "a busy worker was sent away"
    run.allow(TASKS)
    run.finish()
    assert run.done == TASKS
    assert all(len(jobs) == 1 for jobs in run.begun().values()), "a busy worker was sent away"
    assert left(run) == []


def test_asked_to_stop_everything_ends_and_the_same_command_goes_on(run: Run) -> None:
    run.allow(2)
    run.start()
    run.wait(lambda: run.done >= 2)
    run.cluster.ask_stop()
    assert "KeyboardInterrupt" in run.finish(code=-signal.SIGINT)
    assert left(run) == []
    run.allow(TASKS)
    run.start(seconds=0.2)
    run.finish()
    assert run.done == TASKS
    assert left(run) == []


def test_a_cluster_without_a_worker_that_can_work_is_given_up_with_the_reason(run: Run) -> None:
    run.start(worker_gpus=1)
    assert "the node gives 0 GPUs, cluster.worker_gpus=1" in run.finish(code=1)
    assert run.kinds().count("excluded") >= 3, "one look may find two at once"
    assert left(run) == []
