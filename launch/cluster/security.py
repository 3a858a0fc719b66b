"""Private folders and files of a cluster, closed to other users with any umask."""

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from data.errors import InputError
from launch.cluster import processes

FOLDER = "au-"
LEADER = "leader"
SOCKET_LIMIT = 107  # bytes of the path of a unix socket
SOCKET_TAIL = len(
    "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
)  # what Ray puts behind its folder


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600; readers see the old or the complete new content."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_token(path: Path) -> Path:
    """Write a new secret, which every process of the cluster needs."""
    write_private(path, secrets.token_hex(32).encode())
    return path


def session_folder(scratch: Path, kind: str) -> Path:
    """A new folder with mode 0700 for a Ray node, with a short path; folders of dead nodes are removed."""
    longest = len(os.fsencode(scratch)) + len(f"/{FOLDER}{kind}-{os.getpid()}-12345678") + SOCKET_TAIL
    if longest > SOCKET_LIMIT:
        raise InputError(f"cluster.scratch={scratch} is too long for unix sockets; give a short one, e.g. /tmp")
    if not scratch.is_dir():
        raise InputError(f"cluster.scratch={scratch} is no folder; give one on the node's own disk, e.g. /tmp")
    remove_leftovers(scratch)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{kind}-{os.getpid()}-", dir=scratch))
    folder.chmod(0o700)
    return folder


def ray_folder(session: Path) -> Path:
    """The folder for Ray inside a private one, because Ray opens its own folder to everyone."""
    folder = session / "r"
    folder.mkdir(mode=0o700)
    return folder


def write_leader(session: Path, pid: int) -> None:
    """Record the session that uses the folder: it may live a little longer than the process that made the folder."""
    (session / LEADER).write_text(str(pid))


def remove_leftovers(scratch: Path) -> None:
    """Remove the folders of our killed processes."""
    for folder in scratch.glob(f"{FOLDER}[lhw]-*"):
        with suppress(FileNotFoundError):
            if folder.lstat().st_uid == os.geteuid() and not _in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _in_use(session: Path) -> bool:
    """Whether the maker of the folder runs, or a trial of its node does."""
    if Path("/proc", session.name.split("-")[2]).exists():
        return True
    leader = session / LEADER
    return leader.exists() and bool(processes.working(int(leader.read_text() or 0)))
