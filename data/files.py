"""Files that are written whole or not at all, and locks that end with their process."""

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from data.errors import DamagedError, InputError, raise_all

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)  # e.g. NFS without its lock service
_POLL_S = 0.2  # seconds between two tries to get a lock
_LOOK_S = 0.5  # seconds to try a lock that should be free: another `is_locked` holds it for a moment
Progress = Callable[[int, int], None]  # (done, total)


def no_progress(done: int, total: int) -> None:
    """The `Progress` that shows nothing."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that is flushed to disk and renamed onto it when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # without this, a crash of the machine could leave the new name on an empty file
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path`: a reader sees the old file, or the whole new one, never a part."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_once(path: Path, content: bytes) -> None:
    """Write `content` to `path` unless something lies there already, however many processes try at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".partial") as temporary:
        temporary.write(content)
        temporary.flush()
        os.fsync(temporary.fileno())
        Path(temporary.name).chmod(0o644)
        # a link, unlike a rename, fails when the name is taken
        with suppress(FileExistsError):
            os.link(temporary.name, path)


@contextmanager
def exclusive_lock(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold the lock file `path`; wait for its holder, or raise `InputError(busy)` when `busy` is given.

    The kernel releases the lock when the process ends, however it ends. Where the file system has no such locks, the
    file itself is the lock; when its process was killed, only commands on the same machine notice.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=_LOOK_S if busy else -1, poll_interval=_POLL_S)
    try:
        held = lock.acquire()
    except Timeout:
        stale = f"; if none is running, remove {path}" if isinstance(lock, SoftFileLock) else ""
        raise InputError(f"{busy}{stale}") from None
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise InputError(
                f"the file system of {path.parent} cannot lock files ({error.strerror}). Use a folder on another disk, "
                "or ask the administrators to turn on file locks"
            ) from error
        raise
    with held:
        yield


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock file `path`; makes no file and keeps no lock.

    A reader may look who may not write; filelock can only take the lock, which needs that right.
    """
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False  # where nobody can hold a lock
        if error.errno != errno.ENOSYS:
            raise
        return path.stat().st_size > 0  # it is there as long as it is held, and says who holds it
    return False


def check_writable(folder: Path) -> None:
    """Raise `InputError` unless files can be created in `folder` (made if it is missing)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}. Give another folder or fix its permissions."
        ) from error


def private_folder(path: Path) -> Path:
    """Make the folder with mode 0700, or check that an existing one is ours and closed to other users."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        path.chmod(0o700)  # a strict umask may have removed more
    found = path.lstat()
    mode = stat.S_IMODE(found.st_mode)
    problems = []
    if not stat.S_ISDIR(found.st_mode):
        problems.append(f"it is not a folder but {stat.filemode(found.st_mode)}; move it away")
    if found.st_uid != os.geteuid():
        problems.append(f"it belongs to user {found.st_uid}, not to you ({os.geteuid()})")
    if mode & 0o077:
        problems.append(f"others may enter it (mode {mode:o}): chmod 700 {path}")
    raise_all(f"{path} cannot be a private folder:", problems)
    return path


def disk_fails(error: object) -> bool:
    """Whether the error is that of a full, broken or unreachable disk, or of a damaged file on it.

    No setting of a trial can cause it.
    """
    return isinstance(error, DamagedError) or (isinstance(error, OSError) and error.errno in DISK_ERRORS)
