"""The head of a Ray cluster: it runs no trials; workers find its address in the study's folder."""

import os
import secrets
import socket
import time

from data.errors import InputError
from launch.cluster.files import ClusterFolder, Head, Rendezvous
from launch.cluster.node import RayNode, authentication, node_address
from launch.cluster.versions import versions
from launch.keys.cluster import ClusterSettings

_START_S = 120.0  # a loaded login node is slow


class RayHead:
    """The head of the next generation; workers use it after `publish`."""

    def __init__(self, folder: ClusterFolder, settings: ClusterSettings) -> None:
        before = folder.rendezvous()
        self.folder, self.generation, self.since = folder, before.generation + 1 if before else 1, time.time()
        self.environment = authentication(folder.new_token())
        self.node = RayNode("h", _arguments(settings), self.environment, settings.scratch_path)
        try:
            self.address = self.node.wait(_START_S)
        except BaseException as error:
            self.node.end()
            if isinstance(error, RuntimeError):
                raise InputError(f"the head of the cluster did not start on {socket.gethostname()}: {error}") from error
            raise

    def publish(self) -> Rendezvous:
        """Publish the address. The driver must connect before: it would take any node on this machine for its own."""
        packages = versions()
        rendezvous = Rendezvous(
            address=self.address,
            cluster_id=secrets.token_hex(8),
            generation=self.generation,
            ray=packages["ray"],
            python=packages["python"],
            packages=packages,
            token=str(self.folder.token.resolve()),
            host=socket.gethostname(),
            pid=os.getpid(),
            time=time.time(),
        )
        self.folder.write_rendezvous(rendezvous)
        self.beat()
        return rendezvous

    def dashboard(self, place: str | None) -> str:
        """How to open Ray's dashboard (at `place` on this machine) from another machine; empty without a dashboard."""
        if not place:
            return ""
        port = place.rpartition(":")[2]
        return f"ssh -L {port}:{place} {socket.gethostname()}, then http://{place}; its token: {self.folder.token}"

    def beat(self) -> None:
        """Write the heartbeat of this process as the driver."""
        job, host = os.environ.get("SLURM_JOB_ID", ""), socket.gethostname()
        self.folder.write_head(Head(job, host, os.getpid(), self.since, time.time(), self.generation))

    def end(self) -> None:
        """End the head; its workers notice this, and wait for the next generation or end."""
        self.node.end()


def _arguments(settings: ClusterSettings) -> list[str]:
    arguments = ["--head", "--port=0", "--num-cpus=0", "--num-gpus=0"]
    arguments += [f"--include-dashboard={str(settings.dashboard).lower()}", "--dashboard-host=127.0.0.1"]
    return arguments + node_address(settings.interface)
