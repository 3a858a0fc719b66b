"""What a search may use up, from what people write."""

import math
from dataclasses import dataclass

from data.errors import InputError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Ending:
    """An early end of a search: `code` is the exit code of the command, `said` what it says."""

    code: int
    said: str


@dataclass(frozen=True)
class Budget:
    """Seconds of one command and GPU-hours of the whole study; 0 for no bound."""

    seconds: float = 0.0
    gpu_hours: float = 0.0


def parse_budget(time_budget: str, gpu_hours: float, gpus: float) -> Budget:
    """Check `time_budget=` and `gpu_hours=` for trials of `gpus` GPUs each."""
    if not 0 <= gpu_hours < math.inf:
        raise InputError(f"gpu_hours={gpu_hours:g}; hours of GPUs, or 0 for no bound")
    if gpu_hours and not gpus:
        raise InputError(f"gpu_hours={gpu_hours:g}, but a trial has no GPU: give trial.gpus=, or use time_budget=")
    return Budget(seconds_of(time_budget), gpu_hours)


def seconds_of(text: str) -> float:
    """`8h`, `30m`, `90s` or `2d` as seconds; 0 for the empty text."""
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
    """Seconds in the largest unit of which there is one."""
    unit = next((name for name, size in reversed(UNITS.items()) if seconds >= size), "s")
    return f"{seconds / UNITS[unit]:g} {unit}"


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
