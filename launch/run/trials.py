"""Run a fixed list of trials until each has a result."""

from collections.abc import Iterable

import ray

from data.errors import InputError
from data.files import disk_fails
from launch.cluster.session import ray_session
from launch.cluster.staging import placed
from launch.plan.resources import Resources
from launch.run.ending import disk_text
from launch.run.watchdog import Watchdog, death
from study.records.config import Placement, TrialConfig
from study.records.store import StudyStore
from study.trial.run import lost_trial, run_trial

GivenTrial = tuple[TrialConfig, Placement]

_RETRIES = 3  # restarts of a trial whose node was lost; restarts after a drained node do not count


def run_all(jobs: Iterable[GivenTrial], store: StudyStore, resources: Resources) -> None:
    """Run the trials without a result; a trial whose process dies is restarted `_RETRIES` times."""
    todo = {config.key: (config, placement) for config, placement in jobs if store.result(config.key) is None}
    if not todo:
        return
    with ray_session(resources, store, lambda: sum(not store.result_path(key).exists() for key in todo)):
        task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=_RETRIES)(_finish)
        running = [(config, task.remote(config, placement)) for config, placement in todo.values()]
        # one failed trial must not stop the others, so each is awaited separately
        for config, reference in running:
            try:
                ray.get(reference)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None)
                if disk_fails(cause):
                    raise InputError(disk_text(cause)) from error
                # other errors come with the traceback of the trial
                crashed = isinstance(error, ray.exceptions.WorkerCrashedError)
                lost_trial(config, store, death(store, config.key, _RETRIES + 1) if crashed else str(error))


def _finish(config: TrialConfig, placement: Placement) -> None:
    with Watchdog(config, placement) as watchdog:
        run_trial(config, placed(placement), lambda epoch, value: watchdog.report())
