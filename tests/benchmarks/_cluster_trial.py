"""A search whose trials sleep, run by the real commands' code: what `tests.benchmarks.cluster` starts and disturbs.

`python -m tests.benchmarks._cluster_sweep STUDY` runs what STUDY/spec.json asks for. Everything but the fit is real:
search, Tune, cluster, head job, results, progress and checkpoints. A trial writes a line to LOG/<key> when it begins an
epoch, so that epochs that are begun again can be counted.
"""

import ctypes
import json
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

import launch.run.follow
import launch.run.trials
import launch.run.tune
import study.trial.run
from data.errors import InputError
from launch.cluster.work import Work
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import RunKeys
from launch.plan.budget import Ending
from launch.plan.preflight import SearchPlan
from launch.plan.resources import Resources
from launch.run.follow import HeadTask
from launch.run.recipe import run_work
from model.checkpoint import load_checkpoint, save_checkpoint
from study.records.config import Placement, TrialConfig, trial_from_dict
from study.records.result import Epoch, TrialResult
from study.records.store import StudyStore
from study.records.study_spec import PruningSettings, StudySpec
from study.search.fold_search import Search
from study.search.objectives import Goals
from study.search.space import parse_space
from study.trial.run import Report
from tests.study.make import score
from tests.study.specs import search_spec

COMMAND = "sleep"
LEAK = 256 * 2**20  # bytes that a leaking trial may have
STEP = 16 * 2**20
_train, _finish = launch.run.tune.train, launch.run.trials._finish  # before the driver replaces them by those below


@dataclass(frozen=True)
class Spec:
    """What a study is asked for; `bad` is what its third trial does, `times` how often (0: each time)."""

    log: str
    cluster: dict[str, Any] = field(default_factory=dict)
    trials: int = 16
    epochs: int = 6
    seconds: float = 0.4  # an epoch
    bad: str = ""
    times: int = 0
    timeout: float = 0.0  # minutes
    final: bool = False  # trials that are given instead of searched for
    cpus: int = 1
    gpus: float = 0.0

    def write(self, study: Path) -> None:
        """Where the driver and the trials find it."""
        (study / "spec.json").write_text(json.dumps(asdict(self)))


def read_spec(study: Path) -> Spec:
    """What `Spec.write` wrote."""
    return Spec(**json.loads((study / "spec.json").read_text()))


def rates(spec: Spec) -> list[float]:
    """The learning rates that are tried: the same in every run."""
    return [10 ** (-4 + 2 * number / spec.trials) for number in range(spec.trials)]


def worth(lr: float) -> float:
    """What a learning rate comes to: best at 10^-2.9."""
    return 1 / (1 + (math.log10(lr) + 2.9) ** 2)


def base(spec: Spec, lr: float = 1e-3) -> TrialConfig:
    """What all trials are variations of."""
    return trial_from_dict(
        {"data": {"fold": "part1"}, "optim": {"lr": lr, "epochs": spec.epochs}, "score_test": spec.final}
    )


# --- in the process of a trial


def train(params: dict[str, Any], placement: Placement) -> None:
    """What Tune runs: the real function, on a fit that sleeps."""
    study.trial.run._train_and_evaluate = sleep_through
    _train(params, placement)


def finish(config: TrialConfig, placement: Placement) -> None:
    """What `run_all` runs: the real function, on a fit that sleeps."""
    study.trial.run._train_and_evaluate = sleep_through
    _finish(config, placement)


def sleep_through(begun: TrialResult, placement: Placement, store: StudyStore, report: Report) -> TrialResult:
    """Epochs that sleep; goes on from the checkpoint."""
    spec, config = read_spec(placement.study), begun.config
    path, epochs = store.checkpoint_path(config.key), list[Epoch]()
    done = (load_checkpoint(path) or {"epoch": 0})["epoch"]
    value = worth(config.optim.lr)
    for number in range(1, spec.epochs + 1):
        if number > done:
            times = _note(Path(spec.log) / config.key, number)
            if spec.bad and number == 3 and math.isclose(config.optim.lr, rates(spec)[2]):
                value = _misbehave(spec, times, value)
            time.sleep(spec.seconds)
            save_checkpoint({"epoch": number}, path)
        epochs.append(
            Epoch(number, 1 / number, value * number / spec.epochs, [[1, 2, 3, 4], [5, 6, 7, 8]], spec.seconds)
        )
        scores = {"val": score()}
        store.write_progress(replace(begun, value=epochs[-1].value, epochs=epochs, scores=scores, seconds=1.0))
        if number < spec.epochs:
            report(number, epochs[-1].value)
    scores |= {"test": score(1)} if config.score_test else {}
    return replace(begun, status="DONE", value=value, epochs=epochs, scores=scores, seconds=spec.epochs * spec.seconds)


def _note(log: Path, epoch: int) -> int:
    """Write that an epoch begins; how often it began."""
    job = os.environ.get("SLURM_JOB_ID", "")
    with log.open("a") as file:
        file.write(f"{epoch} {job} {os.getpid()} {time.time():.3f}\n")
    log.with_suffix(".gpu").write_text(f"{job}:{os.environ.get('CUDA_VISIBLE_DEVICES', '')}")
    return [line.split()[0] for line in log.read_text().splitlines()].count(str(epoch))


def _misbehave(spec: Spec, times: int, value: float) -> float:
    if spec.times and times > spec.times:
        return value
    if spec.bad == "raise":
        raise RuntimeError("this trial always raises")
    if spec.bad == "crash":
        ctypes.string_at(0)  # a segmentation fault
    if spec.bad == "hang":
        time.sleep(3600)
    if spec.bad == "leak":
        _leak()
    return math.nan


def _leak() -> None:
    """Fill a memory cgroup of our own until the kernel kills us; without one, what it would do."""
    group = Path("/sys/fs/cgroup/memory/au-leak")
    try:
        group.mkdir(exist_ok=True)
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        (group / "memory.limit_in_bytes").write_text(str(LEAK))
        (group / "cgroup.procs").write_text(str(os.getpid()))
        print("leaks, resident before", resident, flush=True)
        kept = [bytearray(os.urandom(STEP)) for _ in range(4 * LEAK // STEP)]
        print("not killed", len(kept), flush=True)
    except OSError:
        os.kill(os.getpid(), signal.SIGKILL)


# --- the driver


@dataclass(frozen=True)
class SleepHead(HeadTask):
    """The head job of this command, which is none of launch's."""

    def __call__(self) -> int:
        """The exit code of the command."""
        sys.modules[f"launch.{COMMAND}"] = sys.modules[__name__]
        return super().__call__()


@dataclass(frozen=True)
class SleepKeys(RunKeys):
    """The keys of this command."""

    root: str = ""


def main(keys: SleepKeys) -> int:
    """As launch/sweep.py does it, from the study's folder that `keys` name."""
    launch.run.follow.HeadTask = SleepHead  # type: ignore[misc]
    launch.run.tune.train, launch.run.trials._finish = train, finish
    root = Path(keys.root)
    spec, store, console = read_spec(root), StudyStore(root), Console(width=200)
    cluster = ClusterSettings(**spec.cluster | {"probe": False, "setup": tuple(spec.cluster.get("setup", ()))})
    workers = cluster.max_workers * cluster.slots(spec.cpus, spec.gpus) if cluster.name == "slurm" else 2
    resources = Resources(workers, spec.cpus, spec.gpus, "cpu", cluster)
    placement = Placement(root / "frames", root, gpus=spec.gpus, timeout=spec.timeout)
    stage = "final" if spec.final else "sweep"

    def run() -> Ending | None:
        return _final(spec, work) if spec.final else launch.run.tune.search(_plan(spec, work), spec.trials)

    def end(ending: Ending | None) -> int:
        if ending:
            print(ending.said, flush=True)
        print(f"{store.count(stage)} of {spec.trials}", flush=True)
        return ending.code if ending else int(store.count(stage) < spec.trials)

    work = Work(
        command=COMMAND,
        keys=keys,
        store=store,
        placement=placement,
        resources=resources,
        example=base(spec),
        frames=frozenset(["none"]),
        stage=stage,
        wanted=spec.trials,
        todo=spec.trials - store.count(stage),
        about=f"{spec.trials} trials",
        run=run,
        finish=end,
        spec=_study(spec, root),
        free=("trials",),
    )
    return run_work(work, console)


def _study(spec: Spec, root: Path) -> StudySpec:
    return search_spec(root.name, trials=spec.trials, epochs=spec.epochs, store=str(root / "frames"))


def _plan(spec: Spec, work: Work) -> SearchPlan:
    space = parse_space({"optim": {"lr": {"log_uniform": [1e-4, 1e-2]}}}, base(spec))
    points = tuple({"optim.lr": lr} for lr in rates(spec))
    search = Search(base(spec), space, Goals(), "random", 0, points, PruningSettings("none"))
    return SearchPlan(work.store, search, ("part1",), work.placement, work.resources)


def _final(spec: Spec, work: Work) -> Ending | None:
    launch.run.trials.run_all([(base(spec, lr), work.placement) for lr in rates(spec)], work.store, work.resources)
    return None


def run(arguments: Sequence[str]) -> int:
    """As every command does it: 2 for wrong input, 1 when it was stopped."""
    (study,) = arguments
    try:
        return main(SleepKeys(root=study, runs_root=str(Path(study).parent)))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return 1
