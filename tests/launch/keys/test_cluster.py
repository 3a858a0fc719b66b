"""What is asked of SLURM, checked before anybody waits for it."""

from typing import Any

import pytest

from data.errors import InputError
from launch.keys.cluster import ClusterSettings


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"name": "pbs"}, "name='pbs'; allowed: local, slurm"),
        ({"head": "there"}, "head='there'"),
        ({"max_workers": 0}, "max_workers=0"),
        ({"cpus": -1}, "cpus=-1"),
        ({"time": 0}, "time=0"),
        ({"stagger": 0.9}, "stagger=0.9"),
        ({"name": "slurm", "time": 5, "signal_s": 300}, "signal_s=300 is longer than time=5 minutes"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        ClusterSettings(**wrong)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError, match=r"(?s)head=.*poll_s="):
        ClusterSettings(head="there", poll_s=0)


@pytest.mark.parametrize(
    ("worker", "trial", "slots"),
    [
        ((8, 0), (2, 0.0), 4),
        ((8, 0), (9, 0.0), 0),
        ((8, 2), (1, 0.25), 8),
        ((3, 2), (1, 0.25), 3),
        ((8, 2), (1, 0.3), 6),
        ((8, 2), (1, 1.0), 2),
        ((8, 4), (1, 2.0), 2),
        ((8, 3), (1, 2.0), 1),
        ((8, 0), (1, 2.0), 1),
        ((8, 0), (1, 0.5), 2),
        ((8, 1), (1, 2.0), 0),
    ],
)
def test_trials_of_a_worker(worker: tuple[int, int], trial: tuple[int, float], slots: int) -> None:
    settings = ClusterSettings(worker_cpus=worker[0], worker_gpus=worker[1])
    assert settings.slots(*trial) == slots


def test_gpus_of_a_worker_are_those_of_a_trial_unless_given() -> None:
    assert [ClusterSettings().for_trials(gpus).worker_gpus for gpus in (0.0, 0.25, 1.0, 2.0)] == [0, 1, 1, 2]
    assert ClusterSettings(worker_gpus=4).for_trials(0.25).worker_gpus == 4
