"""Submission of jobs: one text for each kind of job, which submitit gives to sbatch and dry_run=true shows."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import submitit
from submitit.core.utils import FailedJobError

from data.errors import InputError
from launch.cluster import private_names
from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import Kind, job_name
from launch.cluster.slurm import SlurmError
from launch.keys.cluster import ClusterSettings

HEAD_CPUS, HEAD_MEM_GB = 2, 4
HEAD_SIGNAL_S = 120  # SLURM sends it up to 60 s early
PROBE_MINUTES = 5
FOR_EVER = 10**6  # no limit: how often submitit lets a job return to the queue
OURS = ("array", "dependency", "error", "job-name", "open-mode", "output", "requeue", "signal", "time")
LIMITS = re.compile(r"(QOS|Assoc)(Max|Grp)|accounting/QOS policy|temporarily unable to accept|MaxJobCount")
PASSING = re.compile(r"contact slurm controller|timed out|Connection|temporarily|Zero Bytes", re.IGNORECASE)


class QueueFull(SlurmError):
    """The site's limits allow no further job now; try again later."""


def submit(task: Callable[[], Any], settings: ClusterSettings, folder: ClusterFolder, kind: Kind) -> str:
    """Submit `task`, which must be importable from a module; returns the job's id.

    `QueueFull` at a limit of the site, `SlurmError` when SLURM does not answer, `InputError` when it refuses the job.
    """
    with _clean_environment():
        executor = submitit.AutoExecutor(
            folder.jobs, cluster="slurm", slurm_python=_python(settings), slurm_max_num_timeout=FOR_EVER
        )
        executor.update_parameters(
            **{f"slurm_{name}": value for name, value in _parameters(settings, folder, kind).items()}
        )
        try:
            return str(executor.submit(task).job_id)
        except (FailedJobError, OSError) as error:
            raise _refusal(str(error)) from error


def sbatch_text(settings: ClusterSettings, folder: ClusterFolder, kind: Kind) -> str:
    """The exact text that `submit` gives to sbatch; needs no SLURM."""
    return private_names.submission_text(_python(settings), folder.jobs, _parameters(settings, folder, kind))


def _parameters(settings: ClusterSettings, folder: ClusterFolder, kind: Kind) -> dict[str, Any]:
    """The parameters for submitit's `SlurmExecutor`."""
    alone = kind == "head" and settings.head != "first_worker"
    size = _head_size(settings) if alone else _worker_size(settings)
    size |= {"time": PROBE_MINUTES, "gpus_per_node": None} if kind == "probe" else {}
    places = {name: getattr(settings, name) or None for name in ("account", "qos", "constraint", "exclude")}
    asked = {"job_name": job_name(folder, kind), "nodes": 1, **places, **size}
    asked |= {"setup": list(settings.setup) or None, "use_srun": False}
    extra = {name: value for name, value in settings.extra.items() if not alone or "gpu" not in f"{name}{value}"}
    flags = {"requeue": True, "signal": f"B:USR2@{_signal(settings, kind, size['time'])}"} if kind != "probe" else {}
    flags |= {"dependency": "singleton"} if kind == "head" else {}
    given = {name: value for name, value in asked.items() if value is not None}
    return given | {"additional_parameters": {**extra, **flags}}


def _head_size(settings: ClusterSettings) -> dict[str, Any]:
    """A small job without GPUs."""
    partition = settings.head_partition or settings.partition or None
    size = {"cpus_per_task": HEAD_CPUS, "mem": f"{HEAD_MEM_GB}GB", "time": int(settings.head_time)}
    return size | {"partition": partition}


def _worker_size(settings: ClusterSettings) -> dict[str, Any]:
    return {
        "partition": settings.partition or None,
        "time": int(settings.time),
        "cpus_per_task": int(settings.worker_cpus),
        "gpus_per_node": int(settings.worker_gpus) or None,
        "mem": f"{round(1024 * settings.worker_mem_gb)}MB" if settings.worker_mem_gb else None,
    }


def _signal(settings: ClusterSettings, kind: Kind, minutes: int) -> int:
    """Seconds before the time limit at which SLURM signals the job (only the job's process, not its children)."""
    return int(settings.signal_s) if kind == "worker" else min(HEAD_SIGNAL_S, 30 * minutes)


def _python(settings: ClusterSettings) -> str:
    """The interpreter, with `exec` so that SLURM's signal reaches Python and not the shell."""
    return f"exec {settings.python or shlex.quote(sys.executable)}"


@contextmanager
def _clean_environment() -> Iterator[None]:
    """Remove the variables of the job that we may be in, but keep the SLURM configuration."""
    kept = os.environ.get("SLURM_CONF")
    with submitit.helpers.clean_env():
        os.environ.update({"SLURM_CONF": kept} if kept else {})
        yield


def _refusal(said: str) -> Exception:
    line = next((line for line in said.splitlines() if "error" in line.lower()), said.strip())
    if LIMITS.search(said):
        return QueueFull(line)
    if PASSING.search(said):
        return SlurmError(line)
    return InputError(f"SLURM refuses the job: {line}\nChange cluster.partition, account, qos, time or worker_*.")
