"""Resources of a trial on this machine or on a worker, and how many trials run at once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from data.errors import raise_all
from data.store import FrameStore
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import RunKeys, TrialNeeds
from study.records.config import Placement
from study.records.store import StudyStore


@dataclass(frozen=True)
class Resources:
    """How many trials run at once, and the resources of each."""

    concurrent: int
    cpus: int  # a trial
    gpus: float  # a trial
    device: str
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    timeout: float = TrialNeeds.timeout  # minutes without a report after which a trial counts as hung; 0 for never

    def placement(self, frames: FrameStore, study: StudyStore, weights_file: Path | None) -> Placement:
        """The placement of a trial of `study` on `frames`."""
        return Placement(
            frames.path, study.root, self.device, self.cpus, weights_file, gpus=self.gpus, timeout=self.timeout
        )


def resources(keys: RunKeys) -> Resources:
    """Divide this machine, or the workers of the cluster, among trials; `InputError` for wrong keys."""
    divided = _of_workers(keys) if keys.cluster.uses_jobs else _of_this_machine(keys)
    return replace(divided, timeout=keys.trial.timeout)


def device_here(device: str) -> str:
    """`device` if this machine has it, else the CPU: the command itself may run on a login node."""
    return device if torch.cuda.is_available() else "cpu"


def _of_workers(keys: RunKeys) -> Resources:
    """Each worker runs as many trials as fit on it; an idle GPU is an `InputError`."""
    gpus, each, wanted = keys.trial.gpus, keys.trial.cpus, keys.max_concurrent
    checks = {
        f"trial.cpus={each}; 0 for an even share, or at least 1": each < 0,
        f"trial.gpus={gpus:g}; 0 or more": not 0 <= gpus < math.inf,
    }
    raise_all("resources:", _problems(keys, checks))
    cluster = keys.cluster.for_trials(gpus)
    slots = cluster.slots(max(each, 1), gpus)
    worker = f"a worker of cluster.worker_cpus={cluster.worker_cpus} cluster.worker_gpus={cluster.worker_gpus}"
    trial = f"trial.cpus={each} trial.gpus={gpus:g}"
    checks = {
        f"{worker} is too small for a trial of {trial}": slots < 1,
        f"{worker} has GPUs, but a trial uses none; give trial.gpus=1": cluster.worker_gpus > 0 and not gpus,
        f"{worker} runs {slots} trials of {trial} at once, and some GPUs stay idle": _idle(cluster, slots, gpus),
        f"max_concurrent={wanted}; {worker} runs {slots} trials at once": 0 < wanted < slots,
    }
    raise_all("resources:", _problems(keys, checks))
    # max_concurrent limits the number of workers, because a worker runs all of its slots
    workers = min(cluster.max_workers, wanted // slots or cluster.max_workers)
    device = "cuda" if gpus else "cpu"
    return Resources(
        slots * workers, each or cluster.worker_cpus // slots, gpus, device, replace(cluster, max_workers=workers)
    )


def _idle(cluster: ClusterSettings, slots: int, gpus: float) -> bool:
    """Whether some GPUs of a worker are never used."""
    a_gpu = int(1 / gpus) if 0 < gpus < 1 else 1
    used = math.ceil(slots / a_gpu) * math.ceil(gpus)
    return 0 < used < cluster.worker_gpus


def _of_this_machine(keys: RunKeys) -> Resources:
    # not os.cpu_count(): a container or a SLURM job may use fewer cores than the machine has
    cores, found = len(os.sched_getaffinity(0)), torch.cuda.device_count()
    cpus, gpus, each = keys.cluster.cpus or cores, keys.trial.gpus, keys.trial.cpus
    checks = {
        f"cluster.cpus={cpus}; this machine has {cores}": not 0 < cpus <= cores,
        f"trial.cpus={each}; 0 for an even share, at most {cpus}": not 0 <= each <= cpus,
        f"trial.gpus={gpus:g}; this machine has {found} GPUs": not 0 <= gpus <= found,
    }
    raise_all("resources:", _problems(keys, checks))
    return _divided(cpus, found, keys)


def _problems(keys: RunKeys, checks: Mapping[str, bool]) -> list[str]:
    """The problems that any machine has, and those in `checks` that are true."""
    gpus, timeout, wanted = keys.trial.gpus, keys.trial.timeout, keys.max_concurrent
    everywhere = {
        f"max_concurrent={wanted}; 0 for automatic, or at least 1": wanted < 0,
        f"trial.gpus={gpus:g}; a share of one GPU, or whole GPUs": gpus > 1 and gpus % 1 != 0,
        f"trial.timeout={timeout:g}; minutes, or 0 for never": not timeout >= 0,
    }
    return [problem for problem, is_there in {**everywhere, **checks}.items() if is_there]


def _divided(cpus: int, found: int, keys: RunKeys) -> Resources:
    """Divide `cpus` cores and `found` GPUs among trials."""
    gpus, each, wanted = keys.trial.gpus, keys.trial.cpus, keys.max_concurrent
    fitting = cpus // max(each, 1)
    fitting = min(fitting, _trials_on(found, gpus)) if gpus else fitting
    concurrent = min(wanted or fitting, fitting)
    device = "cuda" if gpus else "cpu"
    return Resources(concurrent, each or cpus // concurrent, gpus, device, keys.cluster)


def _trials_on(found: int, gpus: float) -> int:
    """How many trials fit on the GPUs; a trial gets a share of one GPU, never parts of two."""
    return found * int(1 / gpus) if gpus < 1 else found // int(gpus)
