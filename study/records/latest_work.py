"""LatestWork: what the latest command runs, for programs that only read files; the schema of work.json."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LatestWork:
    """The defaults stand for a study in which no trial was run yet."""

    command: str = ""
    stage: str = ""
    trials: int = 0  # of the stage, finished ones among them
    epochs: int = 0
    concurrent: int = 1  # trials at a time
    cpus: int = 1  # of a trial
    gpus: float = 0.0
