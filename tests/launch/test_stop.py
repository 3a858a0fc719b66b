"""Stopping a study: what holds its lock and nothing else."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import SoftFileLock

import launch.stop
from launch.cluster.files import ClusterFolder, Head
from launch.cluster.job_names import job_name
from launch.stop import lock_holder
from study.records.store import StudyStore
from tests.launch.cluster.fake_slurm import answers
from tests.launch.commands import run
from tests.study.make import opened

HOLD = """
import signal, sys, time
from pathlib import Path
from data.files import exclusive_lock
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "runs" / "one")


@pytest.fixture
def hold() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes to be ended after the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def holder(started: list[subprocess.Popen[str]], path: Path, how: str = "") -> subprocess.Popen[str]:
    """Another process that holds the lock file."""
    words = [sys.executable, "-c", HOLD, str(path), how]
    process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    started.append(process)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def stop(store: StudyStore) -> int:
    return run("stop", f"name={store.root.name}", f"runs_root={store.root.parent}")


def test_the_kernel_knows_who_holds_a_lock(store: StudyStore, hold: list[subprocess.Popen[str]]) -> None:
    assert lock_holder(store.lock_path) is None
    process = holder(hold, store.lock_path)
    assert lock_holder(store.lock_path) == process.pid
    with store.lock_path.with_name("other.lock").open("w"):
        assert lock_holder(store.lock_path.with_name("other.lock")) is None
    process.kill()
    process.wait()
    assert lock_holder(store.lock_path) is None


def test_without_kernel_locks_the_file_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with SoftFileLock(path):
        assert lock_holder(path) == os.getpid()
        content = path.read_text()
    elsewhere, ended = content.replace(socket.gethostname(), "elsewhere"), content.replace(str(os.getpid()), str(2**22))
    for one in (elsewhere, ended):  # 2**22 is larger than any process number
        path.write_text(one)
        assert lock_holder(path) is None


def test_one_study_is_stopped_and_no_other(
    store: StudyStore,
    hold: list[subprocess.Popen[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    answers(monkeypatch, tmp_path / "bin", squeue="")
    process = holder(hold, store.lock_path)
    other = holder(hold, opened(store.root.with_name("two")).lock_path)
    assert stop(store) == 0
    assert process.wait(10) != 0
    assert other.poll() is None
    said = capsys.readouterr().out.replace("\n", " ")
    assert f"process {process.pid}" in said
    assert "the same command as before continues" in said


def test_who_does_not_listen_is_made_to(
    store: StudyStore, hold: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.stop, "OBEY_S", 0.2)
    process = holder(hold, store.lock_path, "deaf")
    assert stop(store) == 0
    assert process.wait(10) == -signal.SIGTERM


def test_nothing_runs(
    store: StudyStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers(monkeypatch, tmp_path / "bin", squeue="")
    assert stop(store) == 0
    assert capsys.readouterr().out.strip() == "no command of this study runs on this machine"
    now = time.time()
    ClusterFolder(store.cluster_path).open().write_head(Head("", "elsewhere", 1, now, now, 1))
    assert stop(store) == 0
    assert "last seen on elsewhere: run this command there" in capsys.readouterr().out.replace("\n", " ")


def test_there_is_no_such_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stop", "name=absent", f"runs_root={tmp_path}") == 2
    assert "no study in" in capsys.readouterr().err


def test_jobs_are_asked_to_leave_and_then_cancelled(
    store: StudyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.stop, "OBEY_S", 0.1)
    monkeypatch.setattr(launch.stop, "GONE_S", 0.1)
    folder = ClusterFolder(store.cluster_path).open()
    rows = [
        ("1", job_name(folder, "head"), "RUNNING"),
        ("2", job_name(folder, "worker"), "PENDING"),
        ("3", "other", "PENDING"),
    ]
    answers(
        monkeypatch, tmp_path / "bin", squeue="\n".join(f"{id}|{name}|{state}|x|p||1:00|0|" for id, name, state in rows)
    )
    script, log = tmp_path / "bin" / "scancel", tmp_path / "cancelled"
    script.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    script.chmod(0o755)
    assert stop(store) == 1  # they never leave this queue
    assert folder.asked_to_stop()
    assert log.read_text().splitlines() == ["--quiet 2", "--quiet 1 2"]
    assert os.environ["PATH"] == str(tmp_path / "bin")
