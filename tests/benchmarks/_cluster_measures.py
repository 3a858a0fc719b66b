"""How a cluster grows, what it costs and what it opens to others; see `tests.benchmarks.cluster`."""

import os
import re
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks._cluster_runs import Bench, Sweep, check
from tests.slurm.sandbox import NODES

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
CONNECT = """
import os, sys
os.environ["RAY_AUTH_MODE"] = "token" if len(sys.argv) > 2 else "disabled"
os.environ["RAY_AUTH_TOKEN"] = "".join(sys.argv[2:])
import ray
from ray._raylet import GcsClient
try:
    print("LET IN:", GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=5))
except BaseException as error:
    print(type(error).__name__, str(error).splitlines()[0][:100])
"""


def elastic(bench: Bench) -> str:
    """100 trials while SLURM grants no, one, four and again one node to the workers."""
    blocked = [block(bench) for _ in range(NODES)]
    asked = {"max_workers": 4, "partition": "low", "signal_s": 10, "extra": {"exclusive": ""}}
    sweep = bench.sweep(cluster=asked, trials=100, epochs=2, seconds=1.0).start()
    sweep.until(lambda: "waiting" in sweep.kinds(), "a queue")
    time.sleep(5)
    check(sweep.done == 0, "trials without a worker")
    for job in blocked[:1]:
        bench.slurm.output("scancel", job)
    sweep.until(lambda: sweep.done >= 8, "eight trials")
    bench.slurm.output("scancel", *blocked[1:])
    sweep.until(lambda: len(sweep.at_work()) == NODES or sweep.done > 60, "four workers")
    for _ in range(NODES - 1):  # jobs of a higher partition take three of the nodes
        block(bench, "high", wait=False)
    sweep.finish()
    return timeline(sweep)


def block(bench: Bench, partition: str = "main", wait: bool = True) -> str:
    """A job that keeps a node from the workers."""
    words = ["sbatch", "--parsable", f"-p{partition}", "-N1", "--exclusive", "-o/dev/null", "--wrap", "sleep 900"]
    job = bench.slurm.output(*words).strip()
    state = ["squeue", "-h", "-j", job, "-o%T"]
    if wait:
        bench.slurm.wait_for(lambda: bench.slurm.output(*state).strip() == "RUNNING", "the other job")
    return job


def timeline(sweep: Sweep) -> str:
    """Workers in the middle of an epoch, and finished trials, every two seconds; and the first trial of each."""
    begun, events = sweep.begun(), [*sweep.cluster.events()]
    zero = events[0].time
    ends = sorted(path.stat().st_mtime for path in (sweep.root / "trials").glob("[!.]*.json"))
    span = sweep.spec.seconds + 0.5
    rows = []
    for at in range(0, int(ends[-1] - zero) + 3, 3):
        jobs = {one[2] for one in begun if 0 <= zero + at - one[-1] < span + 1}
        rows.append((at, len(jobs), sum(end <= zero + at for end in ends)))
    lines = ["| seconds | workers at work | trials finished |", "|---|---|---|"]
    lines += [f"| {at} | {jobs} | {done} |" for at, jobs, done in rows]
    return "\n".join([*lines, "", *grants(sweep)])


def grants(sweep: Sweep) -> list[str]:
    """From the moment at which SLURM starts a worker to its first epoch."""
    lines = ["| worker | granted at | first trial after |", "|---|---|---|"]
    events = [*sweep.cluster.events()]
    for job in sorted({one[2] for one in sweep.begun()}, key=int):
        granted = started(job)
        first = min(one[-1] for one in sweep.begun() if one[2] == job)
        lines.append(f"| {job} | {granted - events[0].time:.1f} s | {first - granted:.1f} s |")
    return lines


def started(job: str) -> float:
    """When SLURM started a job, by its accounting."""
    words = ["sacct", "-n", "-X", "-P", "-j", job, "-o", "start", "-D"]
    said = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"SLURM_TIME_FORMAT": "%s"}).stdout
    return min(float(word) for word in said.split() if word.replace(".", "").isdigit())


def scaling(bench: Bench) -> str:
    """Seconds from the first trial's beginning to the last one's end with 1, 2 and 4 workers."""
    lines = ["| workers | trials | seconds | efficiency | trials of each worker |", "|---|---|---|---|---|"]
    alone = 0.0
    for workers in (1, 2, 4):
        sweep = bench.sweep(cluster={"max_workers": workers}, trials=40 * workers, epochs=2, seconds=1.0).start()
        sweep.finish(seconds=400)
        taken = spent(sweep) / len([*(sweep.root / "trials").glob("[!.]*.json")])
        alone = alone or taken
        ran = {(one[2], one[0]) for one in sweep.begun()}
        by = sorted(Counter(job for job, _ in ran).values())
        lines.append(f"| {workers} | {40 * workers} | {spent(sweep):.1f} | {alone / taken / workers:.0%} | {by} |")
        bench.end()
    return "\n".join(lines)


def gpu_shares(bench: Bench) -> str:
    """Trials of half a GPU on two workers with two GPUs each: which GPU each trial saw, and how many saw it at once."""
    asked = {"worker_gpus": 2, "worker_cpus": 4}
    sweep = bench.sweep(cluster=asked, trials=24, epochs=2, seconds=2.0, gpus=0.5).start()
    sweep.finish()
    begun = {key: at for key, _, _, _, at in reversed(sweep.begun())}
    ends = {path.stem: path.stat().st_mtime for path in (sweep.root / "trials").glob("[!.]*.json")}
    seen = {path.stem: path.read_text() for path in sweep.log.glob("*.gpu")}
    check({*begun} == {*ends} == {*seen}, "a trial has no begin, no end or no GPU")
    lines = ["| job:GPU | trials | at once, at most |", "|---|---|---|"]
    for gpu in sorted({*seen.values()}):
        keys = [key for key in seen if seen[key] == gpu]
        at_once = max(sum(begun[other] <= begun[key] < ends[other] for other in keys) for key in keys)
        check(at_once <= 2, f"{at_once} trials of half a GPU on {gpu}")
        lines.append(f"| {gpu} | {len(keys)} | {at_once} |")
    return "\n".join(lines)


def spent(sweep: Sweep) -> float:
    """Seconds from the first trial's beginning to the last one's end."""
    ends = [path.stat().st_mtime for path in (sweep.root / "trials").glob("[!.]*.json")]
    return max(ends) - min(one[-1] for one in sweep.begun())


def first_trial(bench: Bench) -> str:
    """Seconds from the command to the first trial: on this machine, on SLURM, with the driver in a job."""
    kinds: dict[str, dict[str, object]] = {
        "local": {"name": "local"},
        "slurm, head=here": {},
        "slurm, head=job": {"head": "job"},
    }
    lines = ["| cluster | seconds from the command to the first epoch |", "|---|---|"]
    for name, cluster in kinds.items():
        taken = []
        for _ in range(3):
            began = time.time()
            sweep = bench.sweep(cluster=cluster, trials=2, epochs=1).start()
            sweep.finish()
            taken.append(min(one[-1] for one in sweep.begun()) - began)
            bench.end()
        lines.append(f"| {name} | {', '.join(f'{seconds:.1f}' for seconds in taken)} |")
    return "\n".join(lines)


def openness(bench: Bench) -> str:
    """What listens where, modes of what lies on disks, and what another user can do."""
    sweep = bench.sweep(trials=200).start()
    sweep.middle(1, 1)
    head = sweep.cluster.rendezvous()
    assert head is not None
    lines = ["What listens:", "", "```", *listening(sweep), "```", "", "Modes:", "", "```", *modes(sweep), "```", ""]
    token = Path(head.token)
    stranger = [*NOBODY, sys.executable, "-c", CONNECT, head.address]
    own = [sys.executable, "-c", CONNECT, head.address, token.read_text()]
    tries = {
        "nobody reads the token": [*NOBODY, "cat", head.token],
        "nobody lists the cluster's folder": [*NOBODY, "ls", str(sweep.cluster.root)],
        "nobody lists the head's folder": [*NOBODY, "ls", *map(str, sweep.scratch.glob("au-h-*"))],
        "nobody connects without a token": stranger,
        "nobody connects with another token": [*stranger, "0" * 64],
        "we connect with it": own,
    }
    for what, words in tries.items():
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd="/")
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
        lines.append(f"- {what}: {''.join(said)[:160]}")
    bench.end()
    return "\n".join(lines)


def listening(sweep: Sweep) -> list[str]:
    """Sockets of all processes of the study, by program and address."""
    pids, found = {*map(str, sweep.processes())}, dict[tuple[str, str], int]()
    for line in subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True).stdout.splitlines():
        owner = re.search(r'\("([^"]+)",pid=(\d+)', line)
        if owner and owner[2] in pids:
            words = (owner[1], line.split()[3].rpartition(":")[0])
            found[words] = found.get(words, 0) + 1
    return [f"{name:24} {address:16} {count} ports" for (name, address), count in sorted(found.items())]


def modes(sweep: Sweep) -> list[str]:
    """Modes and owners of the cluster's files and of Ray's folders."""
    paths = [sweep.cluster.root, *sorted(sweep.cluster.root.rglob("*"))]
    paths += [path for top in sorted(sweep.scratch.glob("au-*")) for path in (top, *top.glob("*"), *top.glob("*/*"))]
    seen: dict[str, str] = {}
    for path in paths:
        shown = re.sub(
            r"\d{2,}", "N", str(path).replace(str(sweep.root), "STUDY").replace(str(sweep.scratch), "SCRATCH")
        )
        seen.setdefault(re.sub(r"N[-_]\w{8}$", "N-X", shown), stat.filemode(path.lstat().st_mode))
    return [f"{mode} {name}" for name, mode in seen.items()]


MEASURES = {
    "elastic": elastic,
    "scaling": scaling,
    "gpu_shares": gpu_shares,
    "first_trial": first_trial,
    "openness": openness,
}
