"""What the jobs of a study are called, and so which jobs of the queue are its own."""

import hashlib
import os
import re
from typing import Literal, get_args

from launch.cluster.files import ClusterFolder
from launch.cluster.slurm import QueuedJob, queue

Kind = Literal["worker", "head", "probe"]


def job_name(folder: ClusterFolder, kind: Kind) -> str:
    """A name that only the jobs of this study have, wherever its folder lies."""
    place = folder.root.resolve()
    study = re.sub(r"[^\w.-]+", "_", place.parent.name)
    return f"{study}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}-{kind}"


def our_jobs(folder: ClusterFolder, kind: Kind | None = None) -> list[QueuedJob]:
    """The jobs of this study that have not ended, of all kinds when none is given."""
    kinds: tuple[Kind, ...] = (kind,) if kind else get_args(Kind)
    names = [job_name(folder, kind) for kind in kinds]
    return [job for job in queue() if job.name in names]
