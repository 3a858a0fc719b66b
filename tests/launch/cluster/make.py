"""Jobs, heartbeats and settings as the tests of the cluster need them."""

from typing import Any

from launch.cluster.files import Heartbeat
from launch.cluster.slurm import QueuedJob
from launch.keys.cluster import ClusterSettings


def job(id: str, state: str = "RUNNING", reason: str = "None", restarts: int = 0) -> QueuedJob:
    return QueuedJob(id, "study-worker", state, reason, "main", "" if state == "PENDING" else "node1", 600.0, restarts)


def heartbeat(job: str, state: Any = "busy", **changed: Any) -> Heartbeat:
    plain = {"node": "node1", "host": "node1", "pid": 1, "cpus": 4, "gpus": 0, "time": 1.0, "ends": 0.0}
    return Heartbeat(job=job, state=state, **{**plain, "generation": 1, "since": 0.0, **changed})


def settings(**changed: Any) -> ClusterSettings:
    plain = {"name": "slurm", "head": "here", "poll_s": 1.0, "time": 60, "signal_s": 20, "idle_s": 10, "stagger": 0.0}
    return ClusterSettings(**{**plain, **changed})
