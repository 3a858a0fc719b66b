"""What a command is about to do, before it does anything: trials, resources, cost, disk, and the jobs word for word."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import Kind
from launch.cluster.jobs import sbatch_text
from launch.keys.runs import RunKeys
from launch.plan.budget import clock
from launch.plan.resources import Resources
from model.backbone import build_backbone
from study.records.config import Placement, TrialConfig
from study.records.latest_work import LatestWork
from study.records.store import StudyStore

RESULT_BYTES = 60_000  # of a trial with 12 AUs and 10 validation subjects
OPTIMISER_STATES = 3  # weights and two moments of Adam, 4 bytes each


@dataclass(frozen=True)
class Work:
    """Trials that a command is about to run, and how it begins and finishes its study."""

    command: str
    keys: RunKeys
    store: StudyStore
    placement: Placement
    resources: Resources
    example: TrialConfig  # all of them are about as large
    stage: str
    wanted: int
    todo: int
    begin: Callable[[], None]  # writes down what is asked; the study's lock is held
    finish: Callable[[], int]  # says what came out, where the trials ran; the exit code

    def __post_init__(self) -> None:
        object.__setattr__(self, "begin", partial(_begin, self, self.begin))

    @property
    def folder(self) -> ClusterFolder:
        """Where the files of the cluster lie."""
        return ClusterFolder(self.store.cluster_path.resolve())


def _begin(work: Work, begin: Callable[[], None]) -> None:
    """Begin, and note what is run for those who only see files."""
    begin()
    got = work.resources
    epochs, share = work.example.optim.epochs, (got.concurrent, got.cpus, got.gpus)
    work.store.write_work(LatestWork(work.command, work.stage, work.wanted, epochs, *share))


def plan_text(work: Work) -> str:
    """The plan as people read it."""
    return "\n".join(_lines(work))


def _lines(work: Work) -> Iterator[str]:
    got, cluster = work.resources, work.resources.cluster
    each = f"{got.cpus} cores" + (f" and {got.gpus:g} GPUs" if got.gpus else "")
    yield f"study {work.store.root}: {work.wanted - work.todo} of {work.wanted} trials finished, {work.todo} to do"
    yield f"a trial gets {each} ({got.device}); {got.concurrent} at a time"
    yield f"cost: {cost_text(work)}"
    yield f"disk: about {size(disk_bytes(work))} more below {work.store.root}"
    if cluster.name == "slurm":
        slots = cluster.slots(got.cpus, got.gpus)
        yield f"workers: up to {cluster.max_workers}, each runs {slots} trials at a time; head={cluster.head}"
        for kind in _kinds(cluster.head):
            yield f"\n----- {kind} job -----\n{sbatch_text(cluster, work.folder, kind)}"
    yield "dry run: nothing was started"


def _kinds(head: str) -> list[Kind]:
    return ["worker"] if head == "here" else ["head", "worker"]


def cost_text(work: Work) -> str:
    """GPU-hours or core-hours of what is left, from the finished trials of the same study."""
    seconds = [one.seconds for one in work.store.outcomes(work.stage) if one.seconds > 0] if work.store.exists() else []
    if not work.todo:
        return "nothing"
    if not seconds:
        return "unknown before the first trials are finished"
    hours = sum(seconds) / len(seconds) * work.todo / 3600
    unit, share = ("GPU-hours", work.resources.gpus) if work.resources.gpus else ("core-hours", work.resources.cpus)
    left = clock(3600 * hours / work.resources.concurrent)
    known = f"{len(seconds)} finished trials took {sum(seconds) / len(seconds):.0f} s each"
    return f"about {hours * share:.1f} {unit} ({known}), {left} with all of them at work"


def disk_bytes(work: Work) -> int:
    """What the trials that are left will write: their results, and the checkpoints of those that run at once."""
    results = [path.stat().st_size for path in _some(work.store.root / "trials")]
    a_result = sum(results) // len(results) if results else RESULT_BYTES
    weights = weight_bytes(work.example)
    detectors = work.todo * weights if work.example.score_test and work.placement.keep_detector else 0
    at_once = min(work.resources.concurrent, work.todo)
    return work.todo * a_result + at_once * OPTIMISER_STATES * weights + detectors


def weight_bytes(config: TrialConfig) -> int:
    """Bytes of the encoder's weights."""
    encoder = build_backbone(replace(config.backbone, weights=""), seed=0)
    return sum(4 * parameter.numel() for parameter in encoder.parameters())


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _some(folder: Path, most: int = 100) -> Iterator[Path]:
    for path, _ in zip(folder.glob("[!.]*.json"), range(most), strict=False):
        yield path
