"""How a machine, or a worker, is divided among trials."""

from dataclasses import replace
from typing import Any

import pytest

from data.errors import InputError
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import RunKeys, TrialNeeds
from launch.plan.resources import Resources, resources


def asked(cpus: int = 0, gpus: float = 0.0, max_concurrent: int = 0, each: int = 0, timeout: float = 60.0) -> RunKeys:
    """A small part of the keys; `each` is trial.cpus."""
    cluster, trial = ClusterSettings(cpus=cpus), TrialNeeds(gpus, each, timeout)
    return RunKeys(cluster=cluster, trial=trial, max_concurrent=max_concurrent)


DIVISIONS = [
    ((8, 0), asked(), Resources(8, 1, 0.0, "cpu")),
    ((8, 0), asked(max_concurrent=3), Resources(3, 2, 0.0, "cpu")),
    ((8, 0), asked(cpus=4), Resources(4, 1, 0.0, "cpu")),
    ((8, 0), asked(cpus=4, max_concurrent=1), Resources(1, 4, 0.0, "cpu")),
    ((2, 0), asked(max_concurrent=99), Resources(2, 1, 0.0, "cpu")),
    ((1, 0), asked(), Resources(1, 1, 0.0, "cpu")),
    ((16, 4), asked(), Resources(16, 1, 0.0, "cpu")),
    ((16, 4), asked(gpus=1), Resources(4, 4, 1.0, "cuda")),
    ((16, 4), asked(gpus=2), Resources(2, 8, 2.0, "cuda")),
    ((16, 3), asked(gpus=2), Resources(1, 16, 2.0, "cuda")),
    ((16, 2), asked(gpus=0.25), Resources(8, 2, 0.25, "cuda")),
    ((16, 2), asked(gpus=0.4), Resources(4, 4, 0.4, "cuda")),
    ((16, 1), asked(gpus=0.3), Resources(3, 5, 0.3, "cuda")),
    ((16, 2), asked(gpus=0.5, max_concurrent=1), Resources(1, 16, 0.5, "cuda")),
    ((2, 8), asked(gpus=1), Resources(2, 1, 1.0, "cuda")),
    ((16, 4), asked(cpus=6, gpus=1), Resources(4, 1, 1.0, "cuda")),
    ((8, 0), asked(each=3), Resources(2, 3, 0.0, "cpu")),
    ((8, 0), asked(each=3, max_concurrent=1), Resources(1, 3, 0.0, "cpu")),
    ((16, 4), asked(each=8, gpus=0.5), Resources(2, 8, 0.5, "cuda")),
]


@pytest.mark.parametrize(("here", "keys", "expected"), DIVISIONS, ids=str)
def test_a_machine_is_divided_among_trials(
    here: tuple[int, int], keys: RunKeys, expected: Resources, machine: Any
) -> None:
    machine(*here)
    divided = resources(keys)
    assert replace(divided, cluster=expected.cluster) == expected
    assert divided.concurrent * divided.cpus <= here[0]
    assert divided.concurrent * divided.gpus <= here[1]


@pytest.mark.parametrize(
    ("here", "keys", "said"),
    [
        ((8, 0), asked(gpus=1), "trial.gpus=1; this machine has 0 GPUs"),
        ((8, 1), asked(gpus=2), "trial.gpus=2; this machine has 1 GPUs"),
        ((8, 4), asked(gpus=-0.5), "trial.gpus=-0.5"),
        ((8, 4), asked(gpus=1.5), "trial.gpus=1.5; a share of one GPU, or whole GPUs"),
        ((8, 4), asked(gpus=float("nan")), "trial.gpus=nan"),
        ((8, 0), asked(cpus=9), "cluster.cpus=9; this machine has 8"),
        ((8, 0), asked(each=9), "trial.cpus=9; 0 for an even share, at most 8"),
        ((8, 0), asked(each=-1), "trial.cpus=-1"),
        ((8, 0), asked(timeout=-1), "trial.timeout=-1; minutes, or 0 for never"),
        ((8, 0), asked(timeout=float("nan")), "trial.timeout=nan"),
        ((8, 0), asked(max_concurrent=-1), "max_concurrent=-1; 0 for automatic"),
    ],
)
def test_resources_that_are_not_there(here: tuple[int, int], keys: RunKeys, said: str, machine: Any) -> None:
    machine(*here)
    with pytest.raises(InputError) as caught:
        resources(keys)
    assert said in str(caught.value)


def test_all_wrong_resources_are_named_at_once(machine: Any) -> None:
    machine(2, 0)
    with pytest.raises(InputError) as caught:
        resources(asked(cpus=3, gpus=1, max_concurrent=-1))
    assert len(str(caught.value).splitlines()) == 4


def of_workers(max_concurrent: int = 0, each: int = 0, gpus: float = 0.0, **cluster: Any) -> RunKeys:
    """Keys of cluster=slurm."""
    settings = ClusterSettings(name="slurm", **cluster)
    return replace(asked(gpus=gpus, each=each, max_concurrent=max_concurrent), cluster=settings)


@pytest.mark.parametrize(
    ("keys", "concurrent", "cpus", "gpus", "workers"),
    [
        (of_workers(), 16, 1, 0, 4),
        (of_workers(each=2), 8, 2, 0, 4),
        (of_workers(gpus=1), 4, 4, 1, 4),
        (of_workers(gpus=2), 4, 4, 2, 4),
        (of_workers(gpus=0.25), 16, 1, 1, 4),
        (of_workers(gpus=0.5, worker_gpus=2, worker_cpus=8, max_workers=3), 12, 2, 2, 3),
        (of_workers(gpus=2, worker_gpus=8, worker_cpus=64, max_workers=2), 8, 16, 8, 2),
        (of_workers(gpus=0.25, max_concurrent=10), 8, 1, 1, 2),
    ],
)
def test_a_worker_is_divided_among_trials(
    keys: RunKeys, concurrent: int, cpus: int, gpus: int, workers: int, machine: Any
) -> None:
    machine(1, 0)  # the one that the command is given on does not count
    found = resources(keys)
    assert (found.concurrent, found.cpus) == (concurrent, cpus)
    assert (found.cluster.worker_gpus, found.cluster.max_workers) == (gpus, workers)
    assert found.device == ("cuda" if gpus else "cpu")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (of_workers(each=5), "cluster.worker_cpus=4 cluster.worker_gpus=0 is too small for a trial of trial.cpus=5"),
        (of_workers(gpus=2, worker_gpus=1), "too small for a trial of trial.cpus=0 trial.gpus=2"),
        (of_workers(worker_gpus=2), "a trial uses none; give trial.gpus=1"),
        (
            of_workers(gpus=2, worker_gpus=3),
            "runs 1 trials of trial.cpus=0 trial.gpus=2 at once, and some GPUs stay idle",
        ),
        (of_workers(gpus=1, each=4, worker_gpus=4), "runs 1 trials"),
        (of_workers(gpus=0.5, each=2, worker_gpus=4), "some GPUs stay idle"),
        (of_workers(gpus=0.25, max_concurrent=3), "max_concurrent=3; a worker"),
        (of_workers(gpus=1.5), "a share of one GPU, or whole GPUs"),
        (of_workers(gpus=float("nan")), "trial.gpus=nan"),
        (of_workers(each=-1), "trial.cpus=-1"),
    ],
)
def test_a_worker_that_trials_do_not_fit(keys: RunKeys, said: str) -> None:
    with pytest.raises(InputError) as caught:
        resources(keys)
    assert said in str(caught.value)
