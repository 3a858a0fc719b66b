"""Rounds of timed steps, so that what disturbs the machine disturbs all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def timed_rounds(
    steps: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each step in every round, after one round to warm up; each round begins with another step."""
    names = list(steps)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            started = clock()
            steps[name]()
            if number:
                taken[name].append(clock() - started)
    return taken


def median_ratio(seconds: list[float], baseline: list[float]) -> float:
    """How many times as fast as the baseline: median over the rounds."""
    return statistics.median(theirs / ours for ours, theirs in zip(seconds, baseline, strict=True))
