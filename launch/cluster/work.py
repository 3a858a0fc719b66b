"""Work: everything that a command is going to do, and its plan as text: trials, resources, cost, disk and jobs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import Kind
from launch.cluster.jobs import sbatch_text
from launch.keys.runs import RunKeys
from launch.plan.budget import Ending, clock
from launch.plan.provenance import origins_in, provenance_facts
from launch.plan.resources import Resources
from model.backbone import build_backbone
from study.records.config import Placement, TrialConfig
from study.records.latest_work import LatestWork
from study.records.store import StudyStore
from study.records.study_spec import StudySpec

RESULT_BYTES = 60_000  # of a trial with 12 AUs and 10 validation subjects
OPTIMISER_STATES = 3  # weights and two moments of Adam, 4 bytes each


@dataclass(frozen=True)
class Work:
    """The trials of a command, how to run them, and what to do at the end."""

    command: str
    keys: RunKeys
    store: StudyStore
    placement: Placement
    resources: Resources
    example: TrialConfig  # all trials have about the same size
    frames: frozenset[str]  # fingerprints of the stores for training
    stage: str
    wanted: int  # number of trials at the end
    todo: int
    about: str  # short description of the trials
    run: Callable[[], Ending | None]  # runs the trials; returns the reason for an early end
    finish: Callable[[Ending | None], int]  # prints the results; returns the exit code
    spec: StudySpec | None = None  # None if another command began the study
    free: tuple[str, ...] = ()  # fields of `spec` that may change when the study continues
    notes: tuple[str, ...] = ()  # lines to print before the trials
    again: tuple[str, ...] = ()  # trials to run again: their results are removed

    @property
    def folder(self) -> ClusterFolder:
        """The folder of the cluster."""
        return ClusterFolder(self.store.cluster_path)

    @property
    def headline(self) -> str:
        """The work in one line."""
        got = self.resources
        shares = f"{got.concurrent} at a time on {got.cpus} cores each ({got.device})"
        return f"study {self.store.root}: {self.about}, {self.todo} to do, {shares}"

    def check(self) -> None:
        """`InputError` if the study was begun with other settings; nothing is written."""
        if self.spec:
            self.store.check_unchanged(replace(self.spec, trials=self.wanted), self.free)

    def begin(self, console: Console) -> None:
        """Write the settings, the provenance and the latest work; the caller holds the study's lock."""
        if self.spec:
            self.store.open_study(replace(self.spec, trials=self.wanted), self.free)
        frames = sorted(self.frames)
        origins = origins_in(self.placement.store.parent, frames)
        self.store.write_provenance(provenance_facts(frames[0] if len(frames) == 1 else _short(frames), origins))
        self.store.forget(self.again)
        if self.keys.retry_failed:
            console.print(f"{len(self.again)} trials that failed or lost their files are run again")
        got, epochs = self.resources, self.example.optim.epochs
        facts = self.command, self.stage, self.wanted, epochs, got.concurrent, got.cpus, got.gpus
        self.store.write_work(LatestWork(*facts))


def _short(fingerprints: Sequence[str]) -> str:
    return " ".join(fingerprint[:12] for fingerprint in fingerprints)


def plan_text(work: Work) -> str:
    """The plan for dry_run=true."""
    return "\n".join(_lines(work))


def _lines(work: Work) -> Iterator[str]:
    got, cluster = work.resources, work.resources.cluster
    each = f"{got.cpus} cores" + (f" and {got.gpus:g} GPUs" if got.gpus else "")
    yield f"study {work.store.root}: {work.wanted - work.todo} of {work.wanted} trials finished, {work.todo} to do"
    yield f"a trial gets {each} ({got.device}); {got.concurrent} at a time"
    yield f"cost: {cost_text(work)}"
    yield f"disk: about {size(disk_bytes(work))} more below {work.store.root}"
    if cluster.uses_jobs:
        slots = cluster.slots(got.cpus, got.gpus)
        yield f"workers: up to {cluster.max_workers}, each runs {slots} trials at a time; head={cluster.head}"
        for kind in _kinds(cluster.head):
            yield f"\n----- {kind} job -----\n{sbatch_text(cluster, work.folder, kind)}"
    yield "dry run: nothing was started"


def _kinds(head: str) -> list[Kind]:
    return ["worker"] if head == "here" else ["head", "worker"]


def cost_text(work: Work) -> str:
    """Estimated GPU-hours or core-hours of the remaining trials, from the finished ones."""
    seconds = [one.seconds for one in work.store.outcomes(work.stage) if one.seconds > 0] if work.store.exists() else []
    if not work.todo:
        return "nothing"
    if not seconds:
        return "unknown until the first trials are finished"
    hours = sum(seconds) / len(seconds) * work.todo / 3600
    unit, share = ("GPU-hours", work.resources.gpus) if work.resources.gpus else ("core-hours", work.resources.cpus)
    left = clock(3600 * hours / work.resources.concurrent)
    known = f"{len(seconds)} finished trials took {sum(seconds) / len(seconds):.0f} s each"
    return f"about {hours * share:.1f} {unit} ({known}), {left} with all workers busy"


def disk_bytes(work: Work) -> int:
    """Estimated bytes that the remaining trials write: results, detectors, and checkpoints of running trials."""
    results = [path.stat().st_size for path in _some(work.store.root / "trials")]
    a_result = sum(results) // len(results) if results else RESULT_BYTES
    weights = weight_bytes(work.example)
    detectors = work.todo * weights if work.example.score_test and work.placement.keep_detector else 0
    at_once = min(work.resources.concurrent, work.todo)
    return work.todo * a_result + at_once * OPTIMISER_STATES * weights + detectors


def weight_bytes(config: TrialConfig) -> int:
    """Size of the encoder's weights in bytes."""
    encoder = build_backbone(replace(config.backbone, weights=""), seed=0)
    return sum(4 * parameter.numel() for parameter in encoder.parameters())


def size(count: float) -> str:
    """Bytes with a unit."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _some(folder: Path, most: int = 100) -> Iterator[Path]:
    for path, _ in zip(folder.glob("[!.]*.json"), range(most), strict=False):
        yield path
