"""Processes on this machine, from /proc."""

from pathlib import Path

from launch.cluster.private_names import runs_task


def of_session(leader: int) -> list[int]:
    """The running processes of the session that `leader` started; the leader itself may have ended."""
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
    """The processes of the session that run a Ray task."""
    return [pid for pid in of_session(leader) if runs_task(_title(pid))]


def _title(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_text(errors="replace")
    except OSError:
        return ""
