"""All private names of Ray and submitit that we use, in one place.

`pyproject.toml` has upper bounds for both, and `tests/launch/cluster/test_private_names.py` checks the real libraries.
Importing this module imports neither of them.
"""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RAY_START = ("-m", "ray.scripts.scripts", "start")  # `ray start` of this Python, also if it is not on the PATH
DASHBOARD = "ray.dashboard.optional_deps"  # imports the packages that the dashboard needs
WAITS = r"ray::(IDLE|\w*Agent\b)"  # titles of processes that wait, or serve the node
DRAIN_SECONDS = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"  # environment variable: drain time of a node
RUN_JOB = "-u -m submitit.core._submit"  # the program of a job


def connect(temporary: Path, **settings: Any) -> Any:
    """`ray.init` with its own folder, for which there is no public argument."""
    import ray

    return ray.init(_temp_dir=str(temporary), log_to_driver=False, logging_level="warning", **settings)


def cluster_address(temporary: Path) -> str | None:
    """The address of the head, from the folder of a node; None until the node has started."""
    try:
        return (temporary / "ray_current_cluster").read_text().strip() or None
    except FileNotFoundError:
        return None


def runs_task(title: str) -> bool:
    """Whether a process with this title runs a task; the public way needs Ray's dashboard."""
    return title.startswith("ray::") and not re.match(WAITS, title)


def placeless(tune_controller: Any, trials: Sequence[Any]) -> list[Any]:
    """The pending trials that wait for resources; the processes of the others are already starting."""
    actors, waiting = tune_controller._trial_to_actor, {None, *tune_controller._actor_manager.pending_actors}
    return [trial for trial in trials if actors.get(trial) in waiting]


def limit_pending(tune_controller: Any, count: int) -> None:
    """Let Tune propose trials until `count` are pending; the public setting is read only at the start."""
    tune_controller.update_max_pending_trials(count)


def submission_text(python: str, folder: Path, parameters: dict[str, Any]) -> str:
    """The text that submitit gives to sbatch; there is no public way to see it without SLURM."""
    from submitit.slurm.slurm import _make_sbatch_string

    command = f"{python} {RUN_JOB} {shlex.quote(str(folder.absolute()))}"
    return str(_make_sbatch_string(command, folder.absolute(), **parameters))
