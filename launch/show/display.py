"""The live table of a running command and of launch/status.py, drawn from files only."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from launch.plan.budget import clock
from launch.show.snapshot import Snapshot, take_snapshot
from study.records.said import ALARM, NOTE, PLAIN, Said
from study.records.study_trials import StudyTrials

SHOWN_TRIALS = 8  # running trials in the table
TONE_STYLES = {PLAIN: "", NOTE: "yellow", ALARM: "bold red"}
POLL_S = 1.0  # seconds
SLOW, SHARE = 0.25, 20  # a snapshot that takes longer than 0.25 s is taken only every 20 times that time


class Display:
    """Trials by state, the best trial so far with its settings, the running trials, and the time left.

    A terminal redraws the table in place; other outputs get one line whenever a trial finishes.
    """

    def __init__(self, store: StudyTrials, stage: str, wanted: int, epochs: int, console: Console) -> None:
        self.store, self.stage, self.wanted, self.epochs, self.console = store, stage, wanted, epochs, console
        self.begun, self.before = time.time(), store.count(stage)
        self.seen: Snapshot | None = None  # the last snapshot
        self.again = 0.0  # when to take the next one
        self.over = threading.Event()
        # outside of a terminal, Live prints nothing before its end
        self.announcer = threading.Thread(target=self._announce, daemon=True)
        self.live = Live(console=console, get_renderable=self.render, refresh_per_second=1 / POLL_S)

    def __enter__(self) -> "Display":
        self.live.start() if self.console.is_terminal else self.announcer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.live.stop() if self.console.is_terminal else self.announcer.join()

    def look(self) -> Snapshot:
        """A snapshot of the study, or the last one when snapshots are slow."""
        begun = time.monotonic()
        if self.seen is None or begun >= self.again:
            self.seen = take_snapshot(self.store, self.stage, self.wanted, self.epochs)
            cost = time.monotonic() - begun
            self.again = begun + (SHARE * cost if cost > SLOW else 0.0)
        return self.seen

    def render(self) -> RenderableType:
        """The whole table."""
        return Group(self.headline(), *best_lines(self.look()), *cluster_lines(self.look()), *trials(self.look()))

    def headline(self) -> Text:
        """Trials by state, and the elapsed and left time."""
        found = self.look()
        return Text(f"{_states(found)}  {self._clock(found.finished)}".rstrip())

    def _announce(self) -> None:
        seen = self.before
        while not self.over.wait(POLL_S) or seen != self.store.count(self.stage):
            if seen != self.store.count(self.stage):
                seen, self.again = self.store.count(self.stage), 0.0
                self.console.print(self.headline(), *best_lines(self.look()), sep="  ", soft_wrap=True)

    def _clock(self, finished: int) -> str:
        elapsed, here = time.time() - self.begun, finished - self.before
        if elapsed < POLL_S:
            return ""
        if here < 1 or finished >= self.wanted:
            return f"{clock(elapsed)} elapsed"
        return f"{clock(elapsed)} elapsed, about {clock(elapsed / here * (self.wanted - finished))} left"


def _states(found: Snapshot) -> str:
    """Number of trials by state."""
    ended = ", ".join(f"{count} {status.lower()}" for status, count in found.counts.items())
    # after a kill, progress files of trials stay until the next command
    stopped = sum(trial.interrupted for trial in found.running)
    running = f"{len(found.running) - stopped} running" + (f", {stopped} interrupted" if stopped else "")
    return f"{found.finished}/{found.wanted} trials ({ended}), {running}"


def best_lines(found: Snapshot) -> Iterator[Text]:
    """The best finished trial of each fold and its settings."""
    for fold, best in found.bests.items():
        where = f" of {fold}" if len(found.bests) > 1 else ""
        assert best.value is not None
        yield Text(f"best{where} {percent_text(best.value)}: {describe(best.settings)}")


def cluster_lines(found: Snapshot) -> Iterator[Text]:
    """Workers by state, and the state of the queue; nothing without a cluster."""
    if found.workers:
        kinds = Counter("silent" if worker.silent else worker.state for worker in found.workers)
        yield Text("workers: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    if found.queue:
        yield Text(f"queue: {found.queue}")
    if found.dashboard:
        yield Text(f"dashboard: {found.dashboard}")


def trials(found: Snapshot) -> Iterator[Table]:
    """The running trials, the oldest first."""
    table = Table("running", "epoch", "now", "settings", box=None, header_style="dim", pad_edge=False)
    for trial in found.running[:SHOWN_TRIALS]:
        note = "interrupted" if trial.interrupted else describe(trial.settings)
        table.add_row(trial.key[:8], f"{trial.epoch}/{found.epochs}", percent_text(trial.value), note)
    if table.row_count:
        yield table


def whole(found: Snapshot) -> RenderableType:
    """The whole output of launch/status.py."""
    return Group(
        Text(f"{found.name}: {_states(found)}" + (f", about {clock(found.left_s)} left" if found.left_s else "")),
        *(said_text(one) for one in found.said),
        *best_lines(found),
        *(Text(f"left out: {line}") for line in found.left_out),
        Text(hours_line(found)),
        *(Text(f"pre-training stage, written {clock(seconds)} ago") for seconds in found.stages),
        *(Text(f"driver: {head}") for head in filter(None, [found.head])),
        *cluster_lines(found),
        *workers(found),
        *_running_with_hosts(found),
    )


def said_text(said: Said) -> Text:
    """One sentence of a verdict; a detector that is worth nothing in red."""
    return Text(said.words, style=TONE_STYLES[said.tone])


def hours_line(found: Snapshot) -> str:
    """The hours that trials have used."""
    hours = found.hours
    text = f"{hours.unit}: {hours.finished:.2f} in trials, {hours.failed:.2f} in failed ones"
    if hours.granted is None:
        return text
    return f"{text}, {hours.lost:.2f} starting, idle or lost, of {hours.granted:.2f} granted"


def workers(found: Snapshot) -> Iterator[Table]:
    """The workers that have not ended."""
    table = Table("worker", "node", "state", "seen", "size", "", box=None, header_style="dim", pad_edge=False)
    for worker in found.workers:
        state = f"silent, was {worker.state}" if worker.silent else worker.state
        size = f"{worker.cpus} cores" + (f" {worker.gpus} GPUs" if worker.gpus else "")
        table.add_row(worker.job, worker.node, state, f"{clock(worker.seconds)} ago", size, worker.text)
    if table.row_count:
        yield table


def _running_with_hosts(found: Snapshot) -> Iterator[Table]:
    table = Table("running", "epoch", "now", "host", "seen", "settings", box=None, header_style="dim", pad_edge=False)
    for trial in found.running:
        seen = f"{clock(trial.seconds)} ago" + (", interrupted" if trial.interrupted else "")
        epoch, value = f"{trial.epoch}/{found.epochs}", percent_text(trial.value)
        table.add_row(trial.key[:8], epoch, value, trial.host, seen, describe(trial.settings))
    if table.row_count:
        yield table


def describe(settings: Mapping[str, Any]) -> str:
    """Settings in one line: the last part of each name, numbers with three digits."""
    given = {name.split(".")[-1]: value for name, value in settings.items() if value is not None}
    return " ".join(f"{name}={setting_text(value)}" for name, value in given.items())


def setting_text(value: Any) -> str:
    """A setting as text; numbers with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def percent_text(value: float) -> str:
    """A score in percent with one digit."""
    return f"{100 * value:.1f}"


def interval_text(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    """`66.1 (60.2 to 71.3)` in percent; without an interval only the score, and a dash for an undefined score."""
    if value is None or math.isnan(value):
        return "-"
    around = (
        "" if low is None or high is None or math.isnan(low) else f" ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"
    )
    return f"{100 * value:{sign}.1f}{around}"


def p_text(p: float | None) -> str:
    """`0.032`, `< 0.001`, and a dash for no p-value."""
    if p is None or math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up as plain text, too."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *body = (f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)
    return "\n".join([head, f"|{'|'.join('-' * (width + 2) for width in widths)}|", *body])
