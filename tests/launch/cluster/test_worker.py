"""The supervisor of a worker, as far as it goes without Ray: whom it waits for, what it refuses, when it leaves."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launch.cluster import slurm
from launch.cluster import worker as module
from launch.cluster.files import ClusterFolder, Rendezvous
from launch.cluster.versions import CODE, code_digest, version_differences, versions
from launch.cluster.worker import Allocation, Refused, Worker, allocation, drain_seconds
from tests.data.stores import tiny_store
from tests.launch.cluster.make import settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterFolder:
    """A cluster's folder; the supervisor runs in this process, which keeps its own signal handlers."""
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURMD_NODENAME", "node3")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return ClusterFolder(tmp_path / "cluster").open()


@pytest.fixture
def head() -> Iterator[Rendezvous]:
    """A head that answers, and is none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        yield Rendezvous(address, "id", 1, "", "", versions(), "/token", "here", os.getpid(), 0.0)


def serve(folder: ClusterFolder, keep_s: float = 0.2, **changed: Any) -> str:
    return Worker(folder, settings(**changed), keep_s=keep_s)()


def test_without_a_head_it_leaves_after_a_while(folder: ClusterFolder) -> None:
    assert serve(folder) == "no head"
    last = folder.heartbeat("77")
    assert last is not None
    assert (last.state, last.text, last.node, last.cpus) == ("gone", "no head", "node3", 4)


def test_a_head_that_does_not_answer_is_no_head(folder: ClusterFolder, head: Rendezvous) -> None:
    folder.write_rendezvous(replace(head, address="127.0.0.1:1"))
    assert serve(folder) == "no head"


@pytest.mark.parametrize("changed", ["torch", "python", CODE])
def test_another_version_is_refused_and_named(changed: str, folder: ClusterFolder, head: Rendezvous) -> None:
    folder.write_rendezvous(replace(head, packages=versions() | {changed: "another"}))
    assert f"{changed} is" in serve(folder, keep_s=30)
    last = folder.heartbeat("77")
    assert last is not None
    assert (last.state, last.fault) == ("gone", "version")
    assert f"{changed} is {versions()[changed]} here, another on the head" == last.text


def test_it_leaves_when_asked(folder: ClusterFolder) -> None:
    folder.ask_drain("78")
    folder.ask_drain("77")
    assert serve(folder) == "not needed"
    folder.ask_stop()
    assert serve(folder) == "stopped"


def test_a_drain_of_another_worker_is_not_ours(folder: ClusterFolder) -> None:
    folder.ask_drain("78")
    assert serve(folder) == "no head"


@pytest.mark.parametrize(
    ("number", "left", "requeued"), [(signal.SIGTERM, "cancelled", []), (signal.SIGUSR2, "back to the queue", ["77"])]
)
def test_signals(
    number: int, left: str, requeued: list[str], folder: ClusterFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def at_once(wanted: int, handler: Any) -> None:
        if wanted == number:
            handler(number, None)

    monkeypatch.setattr(signal, "signal", at_once)
    monkeypatch.setattr(slurm, "requeue", asked.append)
    assert serve(folder).startswith(left)
    assert asked == requeued


def test_a_site_without_scontrol_is_no_mistake(folder: ClusterFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(job: str) -> None:
        raise slurm.SlurmError("no scontrol on this machine")

    monkeypatch.setattr(signal, "signal", lambda number, handler: handler(signal.SIGUSR2, None))
    monkeypatch.setattr(slurm, "requeue", none)
    serve(folder)
    last = folder.heartbeat("77")
    assert last is not None
    assert (last.state, last.fault) == ("gone", "")
    assert "no scontrol" in last.text


def test_a_shared_folder_that_is_away_for_a_moment_ends_nothing(
    folder: ClusterFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    for name in ("beat", "rendezvous", "asked_to_stop"):
        monkeypatch.setattr(ClusterFolder, name, away)
    assert serve(folder) == "no head"


def test_staging_that_fails_is_refused_with_its_reason(
    folder: ClusterFolder, head: Rendezvous, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_rendezvous(head)
    worker = Worker(folder, settings(stage=True, scratch=str(scratch)), scratch / "nowhere", keep_s=30)
    assert "not a finished store" in worker()
    last = folder.heartbeat("77")
    assert last is not None
    assert last.fault == "staging"


def test_the_copy_goes_when_the_worker_does(
    folder: ClusterFolder, scratch: Path, tmp_path: Path, head: Rendezvous
) -> None:
    """The head is no Ray, so the node does not start: but only after the copy was made."""
    folder.write_rendezvous(head)
    frames = tiny_store(tmp_path)
    made: list[list[Path]] = []

    class NoNode:
        def __init__(self, *_: object) -> None:
            made.append([*scratch.glob("au-stage-*/*/*")])
            raise Refused("start", "no Ray here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RayNode", NoNode)
        assert "no Ray" in Worker(folder, settings(stage=True, scratch=str(scratch)), frames.path, keep_s=30)()
    assert [path.name for path in made[0]] == [frames.path.name]
    assert not [*scratch.glob("au-stage-*/*/*")]


# --- what the allocation has

GPUS = "SLURM_GPUS_ON_NODE"


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8"}, Allocation(4, 0)),
        ({"SLURM_CPUS_ON_NODE": "8"}, Allocation(8, 0)),
        ({"SLURM_CPUS_ON_NODE": "8", GPUS: "2", "CUDA_VISIBLE_DEVICES": "0,1"}, Allocation(8, 2)),
        ({"SLURM_CPUS_ON_NODE": "8", GPUS: "gpu:2"}, Allocation(8, 2)),
        ({"SLURM_CPUS_ON_NODE": "8", "CUDA_VISIBLE_DEVICES": "GPU-8f2,GPU-11c"}, Allocation(8, 2)),
        ({"SLURM_CPUS_ON_NODE": "8", "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, Allocation(8, 0)),
        ({"SLURM_CPUS_ON_NODE": "8", "CUDA_VISIBLE_DEVICES": ""}, Allocation(8, 0)),
        ({}, Allocation(len(os.sched_getaffinity(0)), 0)),
    ],
)
def test_resources_are_those_of_the_allocation(environment: dict[str, str], found: Allocation) -> None:
    assert allocation(environment, 0) == found


@pytest.mark.parametrize(
    ("environment", "asked", "text"),
    [
        ({GPUS: "2", "CUDA_VISIBLE_DEVICES": "0"}, 1, "SLURM_GPUS_ON_NODE=2, but CUDA_VISIBLE_DEVICES=0"),
        ({GPUS: "1", "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, 1, "NoDevFiles"),
        ({}, 1, "the node gives 0 GPUs, cluster.worker_gpus=1"),
        ({GPUS: "1"}, 2, "the node gives 1 GPUs, cluster.worker_gpus=2"),
    ],
)
def test_gpus_that_are_not_what_was_asked_are_refused(environment: dict[str, str], asked: int, text: str) -> None:
    with pytest.raises(Refused, match=text) as refusal:
        allocation(environment, asked)
    assert refusal.value.fault == "resources"


def test_a_drain_ends_before_slurm_does() -> None:
    assert [drain_seconds(warning) for warning in (4, 20, 300, 3600)] == [2, 15, 240, 3540]


# --- what must be the same


def test_versions_that_differ_are_named_also_when_missing() -> None:
    assert version_differences({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == []
    assert version_differences({"a": "1"}, {"a": "2", "b": "3"}) == [
        "a is 1 here, 2 on the head",
        "b is missing here, 3 on the head",
    ]


def test_our_code_is_part_of_the_versions(tmp_path: Path) -> None:
    for name in ("data", "study"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").write_text("x = 1")
    before = code_digest(tmp_path)
    assert code_digest(tmp_path) == before
    (tmp_path / "study" / "notes.md").write_text("not code")
    assert code_digest(tmp_path) == before
    (tmp_path / "study" / "one.py").write_text("x = 2")
    assert code_digest(tmp_path) != before
