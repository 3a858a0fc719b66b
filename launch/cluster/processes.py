"""What runs on this machine, as /proc tells it."""

from pathlib import Path

from launch.cluster.private_names import runs_task


def of_session(leader: int) -> list[int]:
    """The living processes of the session that `leader` began; it may have ended long before them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state not in "ZX":
            found.append(int(entry.name))
    return found


def working(leader: int) -> list[int]:
    """Those of the session that run a task of Ray's, which writes what its processes do into their titles."""
    return [pid for pid in of_session(leader) if runs_task(_title(pid))]


def _title(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_text(errors="replace")
    except OSError:
        return ""
