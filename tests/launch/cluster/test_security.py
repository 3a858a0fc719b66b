"""Folders and files that nobody else can read, whatever the umask."""

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import InputError
from data.files import private_folder
from launch.cluster.processes import working
from launch.cluster.security import (
    SOCKET_LIMIT,
    session_folder,
    write_leader,
    write_private,
    write_token,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, scratch: Path) -> None:
    folder = private_folder(tmp_path / "cluster")
    assert mode(folder) == 0o700
    assert mode(write_token(folder / "token")) == 0o600
    write_private(folder / "token", b"again")
    assert mode(folder / "token") == 0o600
    assert mode(session_folder(scratch, "w")) == 0o700


def test_tokens_differ_and_replace_each_other(tmp_path: Path) -> None:
    first = write_token(tmp_path / "token").read_text()
    second = write_token(tmp_path / "token").read_text()
    assert first != second
    assert len(second) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("open_mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_refused(open_mode: int, tmp_path: Path) -> None:
    tmp_path.chmod(open_mode)
    with pytest.raises(InputError, match=f"mode {open_mode:o}.*chmod 700"):
        private_folder(tmp_path)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(InputError, match="belongs to user"):
        private_folder(tmp_path)


def test_a_link_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(InputError, match="not a folder"):
        private_folder(tmp_path / "link")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "file", b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "file", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_session_folders_of_the_dead_go(scratch: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = scratch / f"au-w-{dead.pid}-abc"
    left.mkdir()
    other = scratch / "au-stage-0"
    other.mkdir()
    mine = session_folder(scratch, "w")
    session_folder(scratch, "h")
    assert mine.exists()
    assert other.exists()
    assert not left.exists()


def test_session_folders_stay_while_something_works_in_them(scratch: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = scratch / f"au-w-{dead.pid}-abc"
    left.mkdir()
    works = "exec -a ray::train sleep 60 & exec -a ray::IDLE sleep 60 & exit"
    leader = subprocess.Popen(["bash", "-c", works], start_new_session=True)
    leader.wait()
    while not working(leader.pid):
        time.sleep(0.01)
    write_leader(left, leader.pid)
    session_folder(scratch, "w")
    assert left.exists(), "the leader is gone, a trial that it started is not"
    [trial] = working(leader.pid)
    os.kill(trial, signal.SIGKILL)
    while working(leader.pid):
        time.sleep(0.01)
    session_folder(scratch, "w")
    os.killpg(leader.pid, signal.SIGKILL)
    assert not left.exists(), "what waits for work keeps nothing"


def test_a_scratch_that_sockets_do_not_fit_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long for unix sockets"):
        session_folder(tmp_path / ("x" * SOCKET_LIMIT), "w")
    with pytest.raises(InputError, match="is no folder; give one"):
        session_folder(Path("/no/such"), "w")
