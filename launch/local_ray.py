"""Ray on this machine: private, quiet, gone afterwards."""

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from launch.preflight import Resources
from study.config import Placement, TrialConfig
from study.store import StudyStore
from study.trial import lost_trial, run_trial

RETRIES = 3
FOLDER = "au-ray-"


@contextmanager
def local_ray(resources: Resources) -> Iterator[None]:
    """Ray on this machine for the time of the block: private folder and token, no dashboard."""
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-"))  # 0700, and short: sockets allow 107 bytes
    token = folder / "token"  # ray.init turns token authentication on; its own file would be readable by everyone
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ |= {
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the command, not only Tune's loop
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial reports none
        "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # its snapshots are never read
    }
    for name in ("ray._private.authentication", "ray.tune"):  # our token, and files of Tune's that we do without
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        ray.init(
            address="local",
            num_cpus=resources.concurrent * resources.cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="warning",
            object_store_memory=128 * 2**20,
            _temp_dir=str(folder),
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers() -> None:
    """Remove the folders of our commands that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        pid = folder.name.removeprefix(FOLDER).partition("-")[0]
        if folder.stat().st_uid == os.getuid() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


def run_all(trials: list[TrialConfig], store: StudyStore, placement: Placement, resources: Resources) -> None:
    """Run the trials that have no result yet; one whose process dies is started again, `RETRIES` times."""
    todo = [config for config in trials if store.result(config.key) is None]
    if not todo:
        return
    with local_ray(resources):
        task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=RETRIES)(_finish)
        running = {config.key: (config, task.remote(config, placement)) for config in todo}
        for config, reference in running.values():
            try:
                ray.get(reference)
            except ray.exceptions.RayError as error:
                lost_trial(config, store, str(error))


def _finish(config: TrialConfig, placement: Placement) -> None:
    run_trial(config, placement)
