import errno
import fcntl
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from data.errors import InputError, raise_all
from data.files import (
    atomic_path,
    check_writable,
    disk_fails,
    exclusive_lock,
    is_locked,
    write_atomic,
    write_once,
)


def test_a_write_replaces_the_whole_file(tmp_path: Path) -> None:
    for content in (b"old and longer", b"new"):
        write_atomic(tmp_path / "a" / "f.json", content)
        assert (tmp_path / "a" / "f.json").read_bytes() == content
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["f.json"]


def test_only_a_full_or_absent_disk_is_a_disk_that_fails() -> None:
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
    assert all(disk_fails(OSError(number, "")) for number in numbers)
    others = (PermissionError(errno.EACCES, ""), FileNotFoundError(errno.ENOENT, ""), ValueError(errno.ENOSPC), None)
    assert not any(disk_fails(error) for error in others)


def test_a_disk_that_fails_at_the_last_step_of_a_write_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(old: str, new: Path) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="Disk quota exceeded"):
        write_once(tmp_path / "f", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", b"old")
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "f") as temporary:
        temporary.write_bytes(Path(tmp_path / "absent").read_bytes())
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("write", [write_atomic, write_once])
def test_the_whole_content_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None]
) -> None:
    flushed: list[tuple[int, bool]] = []
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append((os.fstat(file).st_size, (tmp_path / "f").exists())))
    write(tmp_path / "f", b"content")
    assert flushed == [(7, False)]


def test_the_temporary_file_is_no_candidate_for_a_glob_and_becomes_readable_for_others(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "t.parquet") as temporary:
        assert temporary not in [*tmp_path.glob("*.parquet")]
        temporary.write_bytes(b"x")
    assert (tmp_path / "t.parquet").stat().st_mode & 0o777 == 0o644


def _hold(path: Path, held: Event) -> None:
    with exclusive_lock(path):
        held.set()
        signal.pause()


def test_a_lock_is_refused_while_held_and_dies_with_its_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "lock", held))
    holder.start()
    assert held.wait(60)
    with pytest.raises(InputError, match="in use"), exclusive_lock(tmp_path / "lock", busy="in use"):
        pass
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with exclusive_lock(tmp_path / "lock", busy="in use"):
        pass


def test_looking_at_a_lock_makes_nothing_and_needs_no_right_to_write(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    assert not path.exists()
    with exclusive_lock(path):
        path.chmod(0o444)
        assert is_locked(path)
    assert not is_locked(path)


def _no_flock(*_: object) -> None:
    raise OSError(errno.ENOSYS, "not implemented")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_that_cannot_lock_is_refused(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    with (
        pytest.raises(InputError, match=f"file system of {tmp_path} cannot lock files .*another disk"),
        exclusive_lock(tmp_path / "lock"),
    ):
        pass
    assert not is_locked(tmp_path / "lock")


def _hold_and_die(path: Path) -> None:
    fcntl.flock = _no_flock
    with exclusive_lock(path):
        os._exit(0)


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_without_flock_the_file_is_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr(fcntl, "flock", _no_flock)
    with exclusive_lock(path, busy="in use"):
        assert is_locked(path)
        with (
            pytest.raises(InputError, match=f"in use; if none is running, remove {path}"),
            exclusive_lock(path, "in use"),
        ):
            pass
    assert not is_locked(path)
    holder = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(path,))
    holder.start()
    holder.join()
    assert is_locked(path)
    with exclusive_lock(path, busy="in use"):
        pass


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to"):
        check_writable(tmp_path / "file" / "below")


def test_problems_are_raised_together() -> None:
    raise_all("nothing wrong:", [])
    with pytest.raises(InputError) as caught:
        raise_all("wrong:", [str(i) for i in range(5)], limit=3)
    assert str(caught.value) == "wrong:\n  - 0\n  - 1\n  - 2\n  ... and 2 more"


def test_write_once_keeps_what_is_there(tmp_path: Path) -> None:
    write_once(tmp_path / "r.json", b"first")
    write_once(tmp_path / "r.json", b"second")
    assert (tmp_path / "r.json").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
