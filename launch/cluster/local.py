"""Ray on this machine: private, quiet, gone afterwards."""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ray
from ray._private.ray_logging import stdout_deduplicator

from launch.cluster.node import OBJECT_STORE, QUIET, authentication
from launch.cluster.security import ray_folder, session_folder, write_token
from launch.plan.resources import Resources

TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the command, not only Tune's loop
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial reports none
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # its snapshots are never read
}


@contextmanager
def local_ray(resources: Resources) -> Iterator[None]:
    """Ray on this machine for the time of the block: private folder and token, no dashboard."""
    folder = session_folder(Path(tempfile.gettempdir()), "l")
    quieten()
    authenticate(authentication(write_token(folder / "token")))
    try:
        ray.init(
            address="local",
            num_cpus=resources.concurrent * resources.cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="warning",
            object_store_memory=OBJECT_STORE,
            _temp_dir=str(ray_folder(folder)),
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def authenticate(environment: Mapping[str, str]) -> None:
    """Let this process, and what it starts, take part in a cluster; without it, Ray would write a secret of its own."""
    os.environ |= environment
    ray._raylet.Config.initialize("")  # Ray has read its environment when it was imported


def quieten() -> None:
    """Keep Ray and Tune in this process from saying and writing what we do without."""
    os.environ |= QUIET | TUNE
    for name in ("ray._private.authentication", "ray.tune"):  # our token, and files of Tune's that we do without
        logging.getLogger(name).setLevel(logging.ERROR)
    stdout_deduplicator.skip_re = re.compile("")  # pages of a raylet's log for each node that leaves
