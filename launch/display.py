"""The live table of a command that runs trials, drawn from the store's files alone."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import polars as pl
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.result import STATUSES
from study.store import StudyStore

SHOWN = 8  # running trials in the table
POLL = 1.0  # seconds


class Display:
    """Trials by state, the best so far with its parameters, what runs now, and when it will be over.

    In a terminal the table is redrawn in place; elsewhere every change of the number of finished trials is one line.
    """

    def __init__(self, store: StudyStore, stage: str, wanted: int, epochs: int, console: Console) -> None:
        self.store, self.stage, self.wanted, self.epochs, self.console = store, stage, wanted, epochs, console
        self.begun, self.before = time.time(), store.count(stage)
        self.over = threading.Event()
        self.announcer = threading.Thread(target=self._announce, daemon=True)
        self.live = Live(console=console, get_renderable=self.render, refresh_per_second=1 / POLL)

    def __enter__(self) -> "Display":
        self.live.start() if self.console.is_terminal else self.announcer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.live.stop() if self.console.is_terminal else self.announcer.join()

    def render(self) -> RenderableType:
        """The table as it is now."""
        table = Table("running", "epoch", "now", "settings", box=None, header_style="dim", pad_edge=False)
        searched = self.store.study()["searched"]
        for trial in self.store.running()[:SHOWN]:
            epoch, config = trial.epochs[-1], trial.config
            settings = {name: config.value(name) for name in searched if self.stage == "sweep"}
            if self.stage == "final":
                settings = {"fold": config.data.fold, "seed": config.seed}
            row = (config.key[:8], f"{epoch.epoch}/{self.epochs}", percent(epoch.value), describe(settings))
            table.add_row(*row)
        return Group(self.headline(), *filter(None, [self.best()]), *[table] * bool(table.row_count))

    def headline(self) -> Text:
        """Trials by state, and the time."""
        trials = self._trials()
        counts = {status: trials.filter(pl.col("status") == status).height for status in STATUSES}
        states = ", ".join(f"{count} {status.lower()}" for status, count in counts.items())
        line = f"{trials.height}/{self.wanted} trials ({states}), {len(self.store.running())} running"
        return Text(f"{line}  {self._clock(trials.height)}".rstrip())

    def best(self) -> Text | None:
        """The best finished trial of a search; the earliest among equals, as it will be chosen."""
        done = self._trials().filter(pl.col("status") == "DONE")
        if self.stage != "sweep" or done.is_empty():
            return None
        row = done.sort("value", "started", descending=[True, False]).row(0, named=True)
        settings = {name: value for name, value in row.items() if name.startswith("param/")}
        return Text(f"best {percent(row['value'])}: {describe(settings)}")

    def _trials(self) -> pl.DataFrame:
        return self.store.trials().filter(pl.col("stage") == self.stage)

    def _announce(self) -> None:
        seen = self.before
        while not self.over.wait(POLL) or seen != self.store.count(self.stage):
            if seen != self.store.count(self.stage):
                seen = self.store.count(self.stage)
                self.console.print(*filter(None, [self.headline(), self.best()]), sep="  ", soft_wrap=True)

    def _clock(self, finished: int) -> str:
        elapsed, here = time.time() - self.begun, finished - self.before
        if elapsed < POLL:
            return ""
        if here < 1 or finished >= self.wanted:
            return f"{clock(elapsed)} elapsed"
        return f"{clock(elapsed)} elapsed, about {clock(elapsed / here * (self.wanted - finished))} left"


def describe(settings: Mapping[str, Any]) -> str:
    """Settings in one line: the last part of each name, numbers to three digits."""
    return " ".join(f"{name.split('.')[-1]}={plain(value)}" for name, value in settings.items())


def plain(value: Any) -> str:
    """A setting as people write it: numbers to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def percent(value: float) -> str:
    """A score as the field prints it."""
    return f"{100 * value:.1f}"


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
