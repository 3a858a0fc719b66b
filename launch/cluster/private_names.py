"""All that we use of Ray and submitit and that they do not promise to keep, in one place.

`pyproject.toml` bounds both from above, and `tests/launch/cluster/test_private_names.py` asks the real libraries.
Those who only look at files import this, too, and do without both.
"""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RAY_START = ("-m", "ray.scripts.scripts", "start")  # `ray start` of this Python, wherever its programs lie
DASHBOARD = "ray.dashboard.optional_deps"  # imports what the dashboard needs
WAITS = r"ray::(IDLE|\w*Agent\b)"  # titles of processes that wait for work, or serve the node itself
DRAIN_SECONDS = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"  # environment: how long a node that leaves may work on
RUN_JOB = "-u -m submitit.core._submit"  # what a job runs


def connect(temporary: Path, **settings: Any) -> Any:
    """`ray.init` with a folder of its own, which has no other name than this one."""
    import ray

    return ray.init(_temp_dir=str(temporary), log_to_driver=False, logging_level="warning", **settings)


def cluster_address(temporary: Path) -> str | None:
    """The address of the head, from the folder of one of its nodes; None until that node is up."""
    try:
        return (temporary / "ray_current_cluster").read_text().strip() or None
    except FileNotFoundError:
        return None


def runs_task(title: str) -> bool:
    """Whether a process with this title runs a task; Ray's public ways to ask need its dashboard."""
    return title.startswith("ray::") and not re.match(WAITS, title)


def placeless(tune_controller: Any, trials: Sequence[Any]) -> list[Any]:
    """Those of Tune's pending trials that wait for resources: the others' processes are about to begin."""
    actors, waiting = tune_controller._trial_to_actor, {None, *tune_controller._actor_manager.pending_actors}
    return [trial for trial in trials if actors.get(trial) in waiting]


def limit_pending(tune_controller: Any, count: int) -> None:
    """Let Tune propose trials until `count` of them are pending; its public setting is read once, at the start."""
    tune_controller.update_max_pending_trials(count)


def submission_text(python: str, folder: Path, parameters: dict[str, Any]) -> str:
    """What submitit's executor for `folder` gives to sbatch; to see it without SLURM, there is no public way."""
    from submitit.slurm.slurm import _make_sbatch_string

    command = f"{python} {RUN_JOB} {shlex.quote(str(folder.absolute()))}"
    return str(_make_sbatch_string(command, folder.absolute(), **parameters))
