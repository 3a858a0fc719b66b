"""Time and GPU budgets of a search, and times as text."""

import math
from dataclasses import dataclass

from data.errors import InputError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Ending:
    """An early end of a search: the exit code of the command, and its message."""

    code: int
    said: str


@dataclass(frozen=True)
class Budget:
    """Seconds of this command and GPU-hours of the whole study; 0 for no limit."""

    seconds: float = 0.0
    gpu_hours: float = 0.0


def parse_budget(time_budget: str, gpu_hours: float, gpus: float) -> Budget:
    """The budget of these keys, for trials of `gpus` GPUs each; `InputError` for wrong values."""
    if not 0 <= gpu_hours < math.inf:
        raise InputError(f"gpu_hours={gpu_hours:g}; hours of GPUs, or 0 for no bound")
    # hours of trials without GPUs would never be counted
    if gpu_hours and not gpus:
        raise InputError(f"gpu_hours={gpu_hours:g}, but a trial has no GPU: give trial.gpus=, or use time_budget=")
    return Budget(seconds_of(time_budget), gpu_hours)


def seconds_of(text: str) -> float:
    """Seconds of `8h`, `30m`, `90s` or `2d`; 0 for the empty text."""
    if not text:
        return 0.0
    try:
        seconds = float(text[:-1]) * UNITS[text[-1]]
    except (KeyError, ValueError):
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise InputError(f"time_budget={text!r}; a number and its unit, e.g. 8h, 30m or 90s")
    return seconds


def in_words(seconds: float) -> str:
    """Seconds as text in the largest unit that fits."""
    unit = next((name for name, size in reversed(UNITS.items()) if seconds >= size), "s")
    return f"{seconds / UNITS[unit]:g} {unit}"


def clock(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
