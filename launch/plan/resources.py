"""What a trial gets of this machine, or of a worker, and how many run at once."""

import math
import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from data.errors import raise_all
from data.store import FrameStore
from launch.keys.cluster import ClusterSettings
from study.records.config import Placement
from study.records.store import StudyStore

_Keys = dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """How many trials run at once, and what each of them gets."""

    concurrent: int
    cpus: int  # a trial
    gpus: float  # a trial
    device: str
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    timeout: float = 60.0  # minutes without a report after which a trial hangs; 0 for never

    def placement(self, frames: FrameStore, study: StudyStore, weights_file: Path | None) -> Placement:
        """Where a trial of `study` on `frames` runs, with what it gets."""
        return Placement(
            frames.path, study.root, self.device, self.cpus, weights_file, gpus=self.gpus, timeout=self.timeout
        )


def resources(keys: _Keys) -> Resources:
    """Divide this machine, or a worker of the cluster, among the trials."""
    divided = _of_workers(keys) if keys["cluster"]["name"] == "slurm" else _of_this_machine(keys)
    return replace(divided, timeout=keys["trial"]["timeout"])


def device_here(device: str) -> str:
    """The `device` of trials where this machine has it, else the CPU: a command may run where no trial does."""
    return device if torch.cuda.is_available() else "cpu"


def cluster_settings(keys: _Keys) -> ClusterSettings:
    """Where trials run; `InputError` for settings that cannot be."""
    names = {f.name for f in fields(ClusterSettings)}
    given = {name: value for name, value in keys["cluster"].items() if name in names}
    return ClusterSettings(**given | {"setup": tuple(keys["cluster"].get("setup", ()))})


def _of_workers(keys: _Keys) -> Resources:
    """Each worker runs as many trials at once as fit on it, and none of its GPUs lies idle."""
    gpus, each, wanted = float(keys["trial"]["gpus"]), keys["trial"]["cpus"], keys["max_concurrent"]
    raise_all(
        "resources:",
        [f"max_concurrent={wanted}; 0 for automatic, or at least 1"] * (wanted < 0)
        + [f"trial.cpus={each}; 0 for an even share, or at least 1"] * (each < 0)
        + [f"trial.gpus={gpus:g}; 0 or more"] * (not 0 <= gpus < math.inf)
        + _trial_problems(keys),
    )
    asked = cluster_settings(keys)
    cluster = replace(asked, worker_gpus=asked.worker_gpus or math.ceil(gpus))
    slots = cluster.slots(max(each, 1), gpus)
    worker = f"a worker of cluster.worker_cpus={cluster.worker_cpus} cluster.worker_gpus={cluster.worker_gpus}"
    trial = f"trial.cpus={each} trial.gpus={gpus:g}"
    raise_all(
        "resources:",
        [f"{worker} is too small for a trial of {trial}"] * (slots < 1)
        + [f"{worker} has GPUs, but a trial uses none; give trial.gpus=1"] * (cluster.worker_gpus > 0 and not gpus)
        + [f"{worker} runs {slots} trials of {trial} at once, and GPUs lie idle"] * _idle(cluster, slots, gpus)
        + [f"max_concurrent={wanted}; {worker} runs {slots} trials at once"] * (0 < wanted < slots),
    )
    workers = min(cluster.max_workers, wanted // slots or cluster.max_workers)
    device = "cuda" if gpus else "cpu"
    return Resources(
        slots * workers, each or cluster.worker_cpus // slots, gpus, device, replace(cluster, max_workers=workers)
    )


def _idle(cluster: ClusterSettings, slots: int, gpus: float) -> bool:
    """Whether a worker has GPUs that its trials leave alone."""
    a_gpu = int(1 / gpus) if 0 < gpus < 1 else 1
    used = math.ceil(slots / a_gpu) * math.ceil(gpus)
    return 0 < used < cluster.worker_gpus


def _of_this_machine(keys: _Keys) -> Resources:
    cores, found, wanted = len(os.sched_getaffinity(0)), torch.cuda.device_count(), keys["max_concurrent"]
    cpus, gpus, each = keys["cluster"]["cpus"] or cores, float(keys["trial"]["gpus"]), keys["trial"]["cpus"]
    raise_all(
        "resources:",
        [f"max_concurrent={wanted}; 0 for automatic, or at least 1"] * (wanted < 0)
        + [f"cluster.cpus={cpus}; this machine has {cores}"] * (not 0 < cpus <= cores)
        + [f"trial.cpus={each}; 0 for an even share, at most {cpus}"] * (not 0 <= each <= cpus)
        + [f"trial.gpus={gpus:g}; this machine has {found} GPUs"] * (not 0 <= gpus <= found)
        + _trial_problems(keys),
    )
    return _divided(cpus, found, keys)


def _trial_problems(keys: _Keys) -> list[str]:
    gpus, timeout = float(keys["trial"]["gpus"]), keys["trial"]["timeout"]
    return [f"trial.gpus={gpus:g}; a share of one GPU, or whole GPUs"] * (gpus > 1 and gpus % 1 != 0) + [
        f"trial.timeout={timeout:g}; minutes, or 0 for never"
    ] * (not timeout >= 0)


def _divided(cpus: int, found: int, keys: _Keys) -> Resources:
    """The trials that `cpus` cores and `found` GPUs run at once, each with its share of the cores."""
    gpus, each, wanted = float(keys["trial"]["gpus"]), keys["trial"]["cpus"], keys["max_concurrent"]
    fitting = cpus // max(each, 1)
    fitting = min(fitting, _trials_on(found, gpus)) if gpus else fitting
    concurrent = min(wanted or fitting, fitting)
    device = "cuda" if gpus else "cpu"
    return Resources(concurrent, each or cpus // concurrent, gpus, device, cluster_settings(keys))


def _trials_on(found: int, gpus: float) -> int:
    """How many trials fit on the GPUs; Ray gives a trial its share of one GPU, never parts of two."""
    return found * int(1 / gpus) if gpus < 1 else found // int(gpus)
