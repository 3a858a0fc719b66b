"""A private Ray on this machine, removed afterwards."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from launch.cluster import private_names
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
    """Run Ray on this machine until the block ends, with a private folder and token and without a dashboard."""
    folder = session_folder(Path(tempfile.gettempdir()), "l")
    quieten()
    os.environ |= authentication(write_token(folder / "token"))
    try:
        private_names.connect(
            ray_folder(folder),
            address="local",
            num_cpus=resources.concurrent * resources.cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def quieten() -> None:
    """Turn off output and files of Ray and Tune that we do not need."""
    os.environ |= QUIET | TUNE
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it warns about missing files that we turned off
