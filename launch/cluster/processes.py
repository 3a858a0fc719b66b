"""What runs on this machine, as /proc tells it."""

import re
from pathlib import Path

NO_TASK = r"ray::(IDLE|\w*Agent\b)"  # titles of processes that wait for work, or serve the node itself


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
    titles = {pid: _title(pid) for pid in of_session(leader)}
    return [pid for pid, title in titles.items() if title.startswith("ray::") and not re.match(NO_TASK, title)]


def _title(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_text(errors="replace")
    except OSError:
        return ""
