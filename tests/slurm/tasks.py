"""What the tests' jobs run: jobs unpickle by name, so it lives in a module."""

import time
from dataclasses import dataclass
from pathlib import Path

from submitit.core.utils import DelayedSubmission


@dataclass
class Sleep:
    """Write a line at every start and at the signal, and wait."""

    log: Path
    seconds: float = 120.0

    def __call__(self) -> None:
        """Wait."""
        with self.log.open("a") as file:
            file.write("started\n")
        time.sleep(self.seconds)

    def checkpoint(self) -> DelayedSubmission:
        """What submitit calls at the early signal."""
        with self.log.open("a") as file:
            file.write("signalled\n")
        return DelayedSubmission(self)
