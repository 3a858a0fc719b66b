"""What keeps a cluster ours: folders and files that nobody else can read, whatever the umask."""

import os
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from data.errors import InputError, raise_all
from launch.cluster import processes

FOLDER = "au-"
LEADER = "leader"
SOCKET_LIMIT = 107  # bytes of the path of a unix socket
SOCKET_TAIL = len(
    "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
)  # what Ray puts behind its folder


def private_folder(path: Path) -> Path:
    """Make the folder with mode 0700, or check the one that is there: ours, and closed to everyone else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        path.chmod(0o700)  # a umask can only have taken more away
    found = path.lstat()
    mode = stat.S_IMODE(found.st_mode)
    problems = []
    if not stat.S_ISDIR(found.st_mode):
        problems.append(f"it is not a folder but {stat.filemode(found.st_mode)}; move it away")
    if found.st_uid != os.geteuid():
        problems.append(f"it belongs to user {found.st_uid}, not to you ({os.geteuid()})")
    if mode & 0o077:
        problems.append(f"others may enter it (mode {mode:o}): chmod 700 {path}")
    raise_all(f"{path} cannot hold the files of a cluster:", problems)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 so that a reader sees the old one or the whole new one."""
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
    """A fresh secret that whoever joins the cluster must know."""
    write_private(path, secrets.token_hex(32).encode())
    return path


def session_folder(scratch: Path, kind: str) -> Path:
    """A new folder of mode 0700 for one Ray node, short enough for its sockets; leftovers of dead ones are removed."""
    longest = len(os.fsencode(scratch)) + len(f"/{FOLDER}{kind}-{os.getpid()}-12345678") + SOCKET_TAIL
    if longest > SOCKET_LIMIT:
        raise InputError(f"cluster.scratch={scratch} is too long for unix sockets; give one like /tmp or /scratch/you")
    if not scratch.is_dir():
        raise InputError(f"cluster.scratch={scratch} is no folder here; give one on the node's own disk, e.g. /tmp")
    remove_leftovers(scratch)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{kind}-{os.getpid()}-", dir=scratch))
    folder.chmod(0o700)
    return folder


def ray_folder(session: Path) -> Path:
    """The folder below a session's that Ray gets: it opens its own to everyone, so nobody may come that far."""
    folder = session / "r"
    folder.mkdir(mode=0o700)
    return folder


def write_leader(session: Path, pid: int) -> None:
    """Note whose processes use the folder: they may outlive, for a moment, the process that made it."""
    (session / LEADER).write_text(str(pid))


def remove_leftovers(scratch: Path) -> None:
    """Remove the folders of our processes that were killed."""
    for folder in scratch.glob(f"{FOLDER}[lhw]-*"):
        with suppress(FileNotFoundError):
            if folder.lstat().st_uid == os.geteuid() and not _in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _in_use(session: Path) -> bool:
    """Whether who made the folder lives, or a trial of a node whose supervisor was killed still runs in it."""
    if Path("/proc", session.name.split("-")[2]).exists():
        return True
    leader = session / LEADER
    return leader.exists() and bool(processes.working(int(leader.read_text() or 0)))
