"""Keys of every command that runs trials: where they run, and the resources of each trial."""

from dataclasses import dataclass

from data.settings import setting
from launch.keys.cluster import ClusterSettings
from launch.keys.fields import RunsKeys, internal, nested


@dataclass(frozen=True)
class TrialNeeds:
    """Resources of one trial."""

    gpus: float = setting(0.0, "GPUs of a trial, may be a fraction; 0 runs on the CPU")
    cpus: int = setting(0, "CPU cores of a trial; 0 shares them out evenly")
    timeout: float = setting(60.0, "minutes without a report after which a trial counts as hung; 0 for never")


@dataclass(frozen=True)
class RunKeys(RunsKeys):
    """How trials are run."""

    cluster: ClusterSettings = nested(ClusterSettings, "where trials run")
    trial: TrialNeeds = nested(TrialNeeds, "what one trial gets")
    max_concurrent: int = setting(0, "trials at once; 0 for one per CPU core (or per GPU share)")
    retry_failed: bool = setting(False, "run the trials again that failed, or whose files are missing")
    dry_run: bool = setting(
        False, "print the plan, what it costs and the jobs as they would be submitted; start nothing"
    )
    in_head_job: bool = internal(False)  # the command runs in the job that drives the trials
