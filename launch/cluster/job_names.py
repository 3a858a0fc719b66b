"""Names of a study's jobs, by which they are found in the queue."""

import hashlib
import os
import re
from typing import Literal, get_args

from launch.cluster.files import ClusterFolder
from launch.cluster.slurm import QueuedJob, queue

Kind = Literal["worker", "head", "probe"]


def job_name(folder: ClusterFolder, kind: Kind) -> str:
    """A job name that no other study has, also not one of the same name in another folder."""
    place = folder.root.resolve()
    study = re.sub(r"[^\w.-]+", "_", place.parent.name)
    return f"{study}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}-{kind}"


def our_jobs(folder: ClusterFolder, kind: Kind | None = None) -> list[QueuedJob]:
    """The jobs of this study in the queue, of one kind or of all."""
    kinds: tuple[Kind, ...] = (kind,) if kind else get_args(Kind)
    names = [job_name(folder, kind) for kind in kinds]
    return [job for job in queue() if job.name in names]
