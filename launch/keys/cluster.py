"""Where trials run: on this machine, or on workers that SLURM grants."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.errors import raise_all
from data.settings import check_choices, check_ranges, setting

CHOICES = {"name": ("local", "slurm"), "head": ("job", "here", "first_worker")}
RANGES = {
    "cpus": (0, 10**6),
    "time": (1, 10**6),
    "signal_s": (1, 86_400),
    "head_time": (3, 10**6),  # one or two minutes are for start and end
    "max_workers": (1, 10_000),
    "worker_cpus": (1, 10_000),
    "worker_gpus": (0, 1000),
    "worker_mem_gb": (0, 10**6),
    "idle_s": (0, 10**6),
    "poll_s": (0.1, 3600),
    "stagger": (0.0, 0.5),
}


@dataclass(frozen=True)
class ClusterSettings:
    """The worker jobs, and where the head of the cluster runs."""

    name: str = setting("local", "local: this machine; slurm: workers that join as SLURM starts them")
    cpus: int = setting(0, "local: CPU cores to use; 0 for all")
    head: str = setting("job", "the driver runs in a CPU job of its own (job), here (here) or in the first worker")
    partition: str = setting("", "partition of the workers; empty for the site's default")
    account: str = setting("", "account that is charged; empty for your default")
    qos: str = setting("", "quality of service; empty for the default")
    constraint: str = setting("", "features that nodes must have, e.g. a100")
    exclude: str = setting("", "nodes not to use, e.g. node3,node[7-9]")
    time: int = setting(240, "time limit of a worker job in minutes; a worker comes back when it is reached")
    signal_s: int = setting(300, "seconds before the limit at which a worker stops taking trials; more than an epoch")
    head_partition: str = setting("", "head=job: partition of the head; empty for that of the workers")
    head_time: int = setting(1440, "head=job: time limit of the head in minutes; it comes back when it is reached")
    max_workers: int = setting(4, "workers at once, at most")
    worker_cpus: int = setting(4, "CPU cores of a worker")
    worker_gpus: int = setting(0, "GPUs of a worker; 0 for those of one trial, rounded up")
    worker_mem_gb: float = setting(0.0, "memory of a worker; 0 for the site's default")
    idle_s: int = setting(60, "seconds before an idle worker is released")
    poll_s: float = setting(30.0, "seconds between two looks at the queue")
    stagger: float = setting(
        0.1, "shorten workers' time limits by up to this share, so that they do not all end at once"
    )
    stage: bool = setting(False, "copy the frame store to the node's own disk before its first trial")
    scratch: str = setting("/tmp", "folder on the node's own disk, with a short path")
    interface: str = setting("", "network interface that the cluster uses, e.g. ib0; empty for the default route's")
    dashboard: bool = setting(False, "Ray's dashboard, on 127.0.0.1 of the head alone; needs ray[default]")
    probe: bool = setting(True, "first run a short probe job that checks a compute node")
    setup: tuple[str, ...] = setting((), "shell lines before a job starts, e.g. ['module load cuda']")
    python: str = setting("", "interpreter of the jobs; empty for the one of this command")
    extra: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "further sbatch parameters, e.g. +cluster.extra.reservation=au"}
    )

    def __post_init__(self) -> None:
        problems = check_choices(self, CHOICES) + check_ranges(self, RANGES)
        late = self.uses_jobs and self.signal_s >= 60 * self.time
        if late:
            problems.append(f"signal_s={self.signal_s} is longer than time={self.time} minutes")
        raise_all("cluster:", problems)

    @property
    def uses_jobs(self) -> bool:
        """Whether trials run in jobs of a batch system, and not on this machine."""
        return self.name != "local"

    @property
    def scratch_path(self) -> Path:
        """The folder on a node's own disk."""
        return Path(self.scratch)

    def for_trials(self, gpus: float) -> "ClusterSettings":
        """The same settings with GPUs for a trial of `gpus`, unless the user set their number."""
        return replace(self, worker_gpus=self.worker_gpus or math.ceil(gpus))

    def slots(self, cpus: int, gpus: float) -> int:
        """How many trials of `cpus` cores and `gpus` GPUs fit on a worker."""
        # GPUs can be shared by trials, cores are always whole
        fitting = self.worker_cpus // cpus
        if gpus:
            whole = self.for_trials(gpus).worker_gpus
            fitting = min(fitting, whole * int(1 / gpus) if gpus < 1 else whole // math.ceil(gpus))
        return fitting
