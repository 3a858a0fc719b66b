"""End the process of a hanging trial, and save its stack."""

import faulthandler
from types import TracebackType
from typing import IO, Self

from study.records.config import Placement, TrialConfig
from study.records.store import StudyStore
from study.trial.pretrain import finetuned


class Watchdog:
    """Ends this process when `report` is not called in time, and writes its stack to the study's `hung` folder.

    The time is `placement.timeout` in minutes; 0 for no limit. The file is removed when the block ends.
    """

    def __init__(self, config: TrialConfig, placement: Placement) -> None:
        self.path = StudyStore(placement.study).hung_path(config.key)
        self.seconds = 60 * placement.timeout
        self.at_once = not finetuned(config)  # pre-training has no reports
        self.file: IO[str] | None = None

    def __enter__(self) -> Self:
        if self.seconds:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("w")
            if self.at_once:
                self.report()
        return self

    def report(self) -> None:
        """The trial is alive: start the time again."""
        if self.file is not None:
            # a C thread: it also works when Python is blocked inside a library
            faulthandler.dump_traceback_later(self.seconds, exit=True, file=self.file)

    def rest(self) -> None:
        """Stop the time until the next report."""
        faulthandler.cancel_dump_traceback_later()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            self.rest()
            self.file.close()
            self.path.unlink(missing_ok=True)


def death(store: StudyStore, key: str, times: int) -> str:
    """The error message of a trial whose process died `times` times."""
    path = store.hung_path(key)
    stack = path.read_text().strip() if path.exists() else ""
    if stack:
        return f"{stack}\nthe trial hung: no report for trial.timeout minutes, {times} times; the stack is above"
    return f"its process died {times} times; out of memory, or a crash outside of Python"
