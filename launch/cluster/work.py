"""What a command is about to do, before it does anything: trials, resources, cost, disk, and the jobs word for word."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import Kind
from launch.cluster.jobs import sbatch_text
from launch.keys.runs import RunKeys
from launch.plan.budget import Ending, clock
from launch.plan.provenance import provenance_facts
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
    """What a command that trains is about to do."""

    command: str
    keys: RunKeys
    store: StudyStore
    placement: Placement
    resources: Resources
    example: TrialConfig  # all trials are about as large
    frames: frozenset[str]  # fingerprints of the stores that are trained on
    stage: str
    wanted: int  # trials that the study will hold
    todo: int
    about: str  # the trials in a few words
    run: Callable[[], Ending | None]  # runs them; why that ended early, if it did
    finish: Callable[[Ending | None], int]  # says what came out, where the trials ran; the exit code
    spec: StudySpec | None = None  # what is asked; None where another command has begun the study
    free: tuple[str, ...] = ()  # fields of `spec` that may differ from what the study was begun with
    notes: tuple[str, ...] = ()  # lines to say before the trials run
    again: tuple[str, ...] = ()  # trials whose results are removed, so that they are run again

    @property
    def folder(self) -> ClusterFolder:
        """Where the files of the cluster lie."""
        return ClusterFolder(self.store.cluster_path.resolve())

    @property
    def headline(self) -> str:
        """The work in one line."""
        got = self.resources
        shares = f"{got.concurrent} at a time on {got.cpus} cores each ({got.device})"
        return f"study {self.store.root}: {self.about}, {self.todo} to do, {shares}"

    def begin(self, console: Console) -> None:
        """Write down what is asked and what is run, while the study's lock is held."""
        if self.spec:
            self.store.open_study(replace(self.spec, trials=self.wanted), free=self.free)
        frames = sorted(self.frames)
        self.store.write_provenance(provenance_facts(frames[0] if len(frames) == 1 else _short(frames)))
        self.store.forget(self.again)
        if self.keys.retry_failed:
            console.print(f"{len(self.again)} trials are run again that failed or lost their files")
        got, epochs = self.resources, self.example.optim.epochs
        facts = self.command, self.stage, self.wanted, epochs, got.concurrent, got.cpus, got.gpus
        self.store.write_work(LatestWork(*facts))


def _short(fingerprints: Sequence[str]) -> str:
    return " ".join(fingerprint[:12] for fingerprint in fingerprints)


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
