"""One Ray node: started as its own process session, and ended with everything in that session.

`ray stop` is never used, because it ends every Ray of the user on the machine.
"""

import ctypes
import fcntl
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from data.errors import InputError
from launch.cluster import private_names, processes
from launch.cluster.security import ray_folder, remove_leftovers, session_folder, write_leader

OBJECT_STORE = 128 * 2**20  # bytes; Ray would take 30 % of the memory, and Tune needs almost nothing
_FILES = 65_536  # open files of a node, if the site allows so many
PR_SET_PDEATHSIG = 1
SIOCGIFADDR = 0x8915
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


def authentication(token: Path) -> dict[str, str]:
    """The environment of every process in the cluster of `token`."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}


class RayNode:
    """`ray start --block` with `arguments`, in its own folder, with `environment` added to ours."""

    def __init__(self, kind: str, arguments: Sequence[str], environment: Mapping[str, str], scratch: Path) -> None:
        self.folder = session_folder(scratch, kind)
        self.temporary = ray_folder(self.folder)
        command = [sys.executable, *private_names.RAY_START, "--block", "--disable-usage-stats"]
        command += [f"--temp-dir={self.temporary}", f"--object-store-memory={OBJECT_STORE}", "--log-style=record"]
        command += ["--min-worker-port=0", "--max-worker-port=0"]  # any free port: nodes of one machine share them
        with (self.folder / "start.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **QUIET, **environment},
                start_new_session=True,
                preexec_fn=_prepare,
            )
        write_leader(self.folder, self.process.pid)

    @property
    def address(self) -> str | None:
        """The address of the cluster's head; None until the node has started."""
        return private_names.cluster_address(self.temporary)

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.process.poll() is None

    def wait(self, seconds: float) -> str:
        """Wait for the start; returns the address of the head, `RuntimeError` with the end of the log on failure."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            if self.address is not None:
                return self.address
            time.sleep(0.1)
        raise RuntimeError(f"Ray did not start within {seconds:g} s: {self.log_tail()}")

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of its log."""
        return " | ".join(line.strip() for line in self.log().splitlines()[-lines:] if line.strip())

    def log(self) -> str:
        """The output of `ray start`."""
        return (self.folder / "start.log").read_text(errors="replace")

    def drain(self) -> None:
        """Accept no more trials, and end when the running ones have ended or the drain time is over.

        Only `ray start` gets the signal; it ends its child processes itself.
        """
        if self.running:
            self.process.send_signal(signal.SIGTERM)

    def tasks(self) -> int:
        """Number of processes of this node that run a task; Ray writes tasks into process titles."""
        return len(processes.working(self.process.pid))

    def end(self, seconds: float = 5.0) -> None:
        """Kill all processes of this node, and remove its folder."""
        deadline = time.monotonic() + seconds
        while (left := processes.of_session(self.process.pid)) and time.monotonic() < deadline:
            for pid in left:
                _kill(pid)
            self.process.poll()
            time.sleep(0.05)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        shutil.rmtree(self.folder, ignore_errors=True)
        remove_leftovers(self.folder.parent)  # of an earlier node whose trials still ran when this node started


def _prepare() -> None:
    """Settings of the child process before it starts Ray."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # if we are killed, the kernel kills it, too
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # SLURM's warning is for us; all children inherit this
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def reachable(address: str, seconds: float = 2.0) -> bool:
    """Whether something listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=seconds).close()
    except OSError:
        return False
    return True


def node_address(interface: str) -> list[str]:
    """The argument for the address of `interface`; none for Ray's own choice."""
    if not interface:
        return []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", os.fsencode(interface)[:15]))
        except OSError as error:
            names = ", ".join(name for _, name in socket.if_nameindex())
            raise InputError(
                f"cluster.interface={interface}: {error.strerror} on {socket.gethostname()}; it has {names}"
            ) from error
    return [f"--node-ip-address={socket.inet_ntoa(answer[20:24])}"]
