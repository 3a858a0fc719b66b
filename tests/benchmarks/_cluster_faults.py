"""Faults of a cluster, each done to a running search in the sandbox; see `tests.benchmarks.cluster`."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launch.cluster.job_names import our_jobs
from tests.benchmarks._cluster_runs import PATIENCE, Bench, Outcome, Sweep, check, outcome
from tests.slurm.sandbox import Sandbox

# --- what happens to workers


def worker_cancelled(bench: Bench) -> Outcome:
    """scancel of a busy worker."""
    sweep = bench.sweep().start()
    sweep.middle()
    bench.slurm.output("scancel", sweep.at_work()[0])
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


def worker_killed(bench: Bench) -> Outcome:
    """kill -9 of the supervisor."""
    sweep = bench.sweep().start()
    sweep.middle()
    os.kill(sweep.supervisor(sweep.at_work()[0]), signal.SIGKILL)
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


def raylet_killed(bench: Bench) -> Outcome:
    """kill -9 of a raylet."""
    sweep = bench.sweep().start()
    sweep.middle()
    os.kill(sweep.raylet(sweep.at_work()[0]), signal.SIGKILL)
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted: its job starts another")


def node_down(bench: Bench) -> Outcome:
    """slurmd and everything on the node killed, state=down."""
    sweep = bench.sweep().start()
    sweep.middle()
    node = sweep.node(sweep.at_work()[0])
    with lost(bench.slurm, node):
        sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


@contextmanager
def lost(slurm: Sandbox, node: str) -> Iterator[None]:
    """A node that is gone for a while."""
    slurm.lose_node(node)
    slurm.output("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        yield
    finally:
        slurm.start_node(node)
        slurm.output("scontrol", "update", f"nodename={node}", "state=resume")
        slurm.wait_for(lambda: "down" not in slurm.output("sinfo", "-h", "-N", "-n", node, "-o", "%T"), "the node")


def preempted(bench: Bench) -> Outcome:
    """Every node is wanted by a partition of higher priority; trials are longer than what a drained node may finish."""
    sweep = bench.sweep(cluster={"partition": "low", "signal_s": 20}, trials=8, seconds=6.0).start()
    sweep.middle(trials=1)
    bench.slurm.output("sbatch", "-phigh", "-N4", "--exclusive", "-o/dev/null", "--wrap", "sleep 5")
    sweep.finish()
    kinds = sweep.kinds()
    check("draining" in kinds, "no worker was preempted")
    return outcome(sweep, f"{kinds.count('submitted')} submitted, {kinds.count('joined')} joined")


def worker_time_limit(bench: Bench) -> Outcome:
    """Workers of one minute, shorter than the search."""
    short = {"partition": "short", "time": 1, "signal_s": 20}
    sweep = bench.sweep(cluster=short, trials=24, seconds=0.8).start()
    sweep.finish()
    kinds = sweep.kinds()
    check("draining" in kinds, "no worker reached its limit")
    return outcome(sweep, f"{kinds.count('submitted')} submitted, {kinds.count('joined')} joined")


# --- what happens to the head


HEAD = {"head": "job", "head_partition": "main"}


def head_time_limit(bench: Bench) -> Outcome:
    """A head job of three minutes, shorter than the search; SLURM's signal comes after 30 to 90 s."""
    sweep = bench.sweep(cluster={**HEAD, "head_time": 3}, trials=40, seconds=0.8).start()
    sweep.finish(seconds=600)
    heads = sweep.kinds().count("head")
    check(heads > 1, "the head did not reach its limit")
    return outcome(sweep, f"{heads} heads, {sweep.kinds().count('submitted')} workers")


def driver_killed(bench: Bench) -> Outcome:
    """kill -9 of the driver, and the same command again."""
    sweep = bench.sweep().start()
    sweep.middle()
    sweep.drivers[-1].kill()
    sweep.drivers[-1].wait()
    sweep.start().finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted in all")


def head_node_down(bench: Bench) -> Outcome:
    """The node of the head job is gone; the command that follows goes on."""
    sweep = bench.sweep(cluster=HEAD).start()
    sweep.middle()
    head = our_jobs(sweep.cluster, "head")[0]
    with lost(bench.slurm, head.node):
        sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('head')} heads, {sweep.kinds().count('submitted')} workers")


def controller_restarted(bench: Bench) -> Outcome:
    """slurmctld is away for ten seconds, while a worker is killed."""
    sweep = bench.sweep().start()
    sweep.middle()
    victim = sweep.supervisor(sweep.at_work()[0])
    bench.slurm.stop_controller()
    os.kill(victim, signal.SIGKILL)
    time.sleep(10)
    bench.slurm.start_controller()
    sweep.finish()
    return outcome(sweep, f"{sweep.kinds().count('submitted')} workers submitted")


# --- what happens to the disk


def read_only(bench: Bench) -> Outcome:
    """The study's folder is read-only for 30 s: a read-only bind mount over it."""
    sweep = bench.sweep(trials=24).start()
    sweep.middle()
    at = sweep.done
    with mounted_read_only(sweep.root):
        time.sleep(30)
    if not sweep.finish(0, 1):
        return outcome(sweep, f"at {at} trials; the same command went on")
    said = told(sweep, "the disk fails")
    sweep.start().finish()
    return outcome(sweep, f"at {at} trials: {said!r}, then given again")


def told(sweep: Sweep, what: str) -> str:
    """The line with which the command ended."""
    return next((line[:70] for line in sweep.said().splitlines() if what in line), f"NOT SAID: {what}")


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    """Whatever is opened in `folder` by its path meets a read-only file system."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def disk_full(bench: Bench) -> Outcome:
    """A disk of 16 MB is full: the command ends, room is made, the command is given again."""
    disk = bench.place / "disk"
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "au-bench", disk], check=True)
    try:
        sweep = bench.sweep(place=disk, trials=24).start()
        sweep.middle()
        at = sweep.done
        subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=64k"], capture_output=True)
        with (disk / "filler").open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"0" * 512)
        code = sweep.finish(1)
        said = told(sweep, "the disk fails")
        (disk / "filler").unlink()
        sweep.start().finish()
        return outcome(sweep, f"full at {at} trials, exit {code} {said!r}, then given again")
    finally:
        bench.end()
        subprocess.run(["umount", "-l", disk], check=True)


# --- what trials do


def bad_trial(bench: Bench, bad: str, times: int = 0, timeout: float = 0.0) -> Outcome:
    """The third trial is `bad` so many `times`, or each time, and fails then."""
    sweep = bench.sweep(bad=bad, times=times, timeout=timeout).start()
    sweep.finish()
    return outcome(sweep, failures=int(not times))


def raises(bench: Bench) -> Outcome:
    """A trial raises, always."""
    return bad_trial(bench, "raise")


def crashes_once(bench: Bench) -> Outcome:
    """A segmentation fault, once."""
    return bad_trial(bench, "crash", times=1)


def crashes(bench: Bench) -> Outcome:
    """A segmentation fault, each time."""
    return bad_trial(bench, "crash")


def hangs_once(bench: Bench) -> Outcome:
    """No report for trial.timeout=0.2 minutes, once."""
    return bad_trial(bench, "hang", times=1, timeout=0.2)


def hangs(bench: Bench) -> Outcome:
    """No report for trial.timeout=0.1 minutes, each time."""
    return bad_trial(bench, "hang", timeout=0.1)


def leaks(bench: Bench) -> Outcome:
    """Memory is leaked until the kernel kills the process: a memory cgroup of 256 MB, each time."""
    return bad_trial(bench, "leak")


def nan(bench: Bench) -> Outcome:
    """A trial comes to NaN."""
    return bad_trial(bench, "nan")


# --- several searches, and workers that do not fit


def same_name_here(bench: Bench) -> Outcome:
    """The same command twice at once, both drivers here: one refuses."""
    sweep = bench.sweep().start().start()
    codes = sorted(driver.wait(PATIENCE) for driver in sweep.drivers)
    check(codes == [0, 2], f"exit codes {codes}: {sweep.said()[-300:]}")
    line = next(line for line in sweep.said().splitlines() if "another command is running" in line)
    return outcome(sweep, f"exit codes {codes}: {line[:60]!r}")


def same_name_in_job(bench: Bench) -> Outcome:
    """The same command twice at once, the driver in a job: the second follows the first's head job."""
    sweep = bench.sweep(cluster=HEAD).start().start()
    codes = sorted(driver.wait(PATIENCE) for driver in sweep.drivers)
    heads = sweep.kinds().count("head")
    check(codes == [0, 0] and heads == 1, f"exit codes {codes}, {heads} heads: {sweep.said()[-300:]}")
    return outcome(sweep, f"exit codes {codes}, 1 head")


def two_sweeps(bench: Bench) -> Outcome:
    """Two searches at once, a worker of one is cancelled: the other loses nothing."""
    one, other = bench.sweep().start(), bench.sweep().start()
    one.middle(3, 1)
    other.until(lambda: other.done >= 3, "three trials")
    bench.slurm.output("scancel", one.at_work()[0])
    one.finish()
    other.finish()
    mine, theirs = ({job for _, _, job, _, _ in sweep.begun()} for sweep in (one, other))
    check(not mine & theirs, f"jobs of both: {mine & theirs}")
    second = outcome(other)
    check(second.lost == second.again == 0 and second.best, f"the other search: {second.row()}")
    check("lost" not in other.kinds(), "the other lost a worker")
    return outcome(one, f"the other: {second.done} of {second.asked}, {second.again} again")


def other_version(bench: Bench) -> Outcome:
    """One node has another numpy: it is refused by name, the others do the work."""
    packages = bench.place / "other" / "numpy-9.9.9.dist-info"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9.9\n")
    setup = f'if [ "$SLURMD_NODENAME" = node1 ]; then export PYTHONPATH={packages.parent}:$PYTHONPATH; fi'
    sweep = bench.sweep(cluster={"setup": (setup,), "extra": {"exclusive": ""}}).start()
    sweep.finish()
    texts = [event.text for event in sweep.cluster.events() if event.kind == "excluded"]
    check(any("numpy is 9.9.9 here" in text for text in texts), f"nobody was refused: {texts}")
    check(all(job not in {one[2] for one in sweep.begun()} for job in refused(sweep)), "it ran trials")
    return outcome(sweep, texts[0])


def refused(sweep: Sweep) -> list[str]:
    """Workers that were refused."""
    return [event.job for event in sweep.cluster.events() if event.kind == "excluded"]


def given_trials(bench: Bench) -> Outcome:
    """Trials that are given (final evaluation): a worker is killed and a trial's process crashes once."""
    sweep = bench.sweep(final=True, bad="crash", times=1).start()
    sweep.middle()
    os.kill(sweep.supervisor(sweep.at_work()[0]), signal.SIGKILL)
    sweep.finish()
    return outcome(sweep)


FAULTS: dict[str, Callable[[Bench], Outcome]] = {
    "worker_cancelled": worker_cancelled,
    "worker_killed": worker_killed,
    "raylet_killed": raylet_killed,
    "node_down": node_down,
    "preempted": preempted,
    "worker_time_limit": worker_time_limit,
    "head_time_limit": head_time_limit,
    "driver_killed": driver_killed,
    "head_node_down": head_node_down,
    "controller_restarted": controller_restarted,
    "read_only": read_only,
    "disk_full": disk_full,
    "raises": raises,
    "crashes_once": crashes_once,
    "crashes": crashes,
    "hangs_once": hangs_once,
    "hangs": hangs,
    "leaks": leaks,
    "nan": nan,
    "same_name_here": same_name_here,
    "same_name_in_job": same_name_in_job,
    "two_sweeps": two_sweeps,
    "other_version": other_version,
    "given_trials": given_trials,
}
