"""What runs on this machine, as /proc tells it."""

from pathlib import Path


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


def title(pid: int) -> str:
    """The command line, or what the process wrote over it; empty once it has ended."""
    try:
        return Path("/proc", str(pid), "cmdline").read_text(errors="replace")
    except OSError:
        return ""
