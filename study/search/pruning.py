"""Early stopping (pruning): rules that read every report of every trial of a fold, and stop trials that fall behind.

A rule depends on the reports only, and a repeated report changes nothing. So a command that continues a search replays
the learning curves in the store, and then decides exactly as an uninterrupted search would.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from study.records.study_spec import PruningSettings

MIN_OTHERS = 3  # trials that the median rule compares with
Curve = Mapping[int, float]  # value by epoch


class Rule(Protocol):
    """Decides whether a trial stops after a report; larger values are better."""

    def note(self, key: str, epoch: int, value: float) -> None:
        """Record a report that an earlier command already decided on."""

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """Record a report and decide; False for a repeated report."""


class Rungs:
    """Asynchronous successive halving (ASHA, Li et al. 2020); with several brackets, asynchronous Hyperband.

    The rungs are the epochs `grace * reduction ** k`. There a trial continues if it is among the best 1 / `reduction`
    of the trials that reached the rung before it. Bracket b starts at rung b; the key of a trial decides its bracket.
    """

    def __init__(self, epochs: int, grace: int, reduction: int, brackets: int = 1) -> None:
        rungs = []
        while grace < epochs:
            rungs.append(grace)
            grace *= reduction
        self.reduction = reduction
        self.brackets: list[dict[int, dict[str, float]]] = [
            {epoch: {} for epoch in rungs[bracket:]} for bracket in range(max(min(brackets, len(rungs) + 1), 1))
        ]
        # every bracket gets the same total of epochs, so brackets that stop trials early get more trials
        weights = [reduction**halvings / (halvings + 1) for halvings in reversed(range(len(self.brackets)))]
        self.bounds = (np.cumsum(weights) / np.sum(weights)).tolist()

    def note(self, key: str, epoch: int, value: float) -> None:
        """Record the value if this epoch is a rung."""
        self._bracket(key).get(epoch, {}).setdefault(key, value)

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """Whether the trial falls behind at the rung of this epoch; each rung decides once."""
        rung = self._bracket(key).get(epoch)
        if rung is None or key in rung:
            return False
        # the first trial at a rung always continues: there is nothing to compare with
        behind = bool(rung) and value < float(np.percentile([*rung.values()], (1 - 1 / self.reduction) * 100))
        rung[key] = value
        return behind

    def _bracket(self, key: str) -> dict[int, dict[str, float]]:
        return self.brackets[self.bracket_of(key)]

    def bracket_of(self, key: str) -> int:
        """The bracket of a trial; `key` is hexadecimal."""
        # from the key and not at random, so that a continued search finds the same bracket
        return min(bisect_right(self.bounds, int(key, 16) / 16 ** len(key)), len(self.bounds) - 1)


class Median:
    """The median rule of Google Vizier: a trial stops when its best value is below the median of the others' means."""

    def __init__(self, grace: int) -> None:
        self.grace = grace
        self.curves: dict[str, dict[int, float]] = {}

    def note(self, key: str, epoch: int, value: float) -> None:
        """Add to the learning curve of the trial."""
        self.curves.setdefault(key, {}).setdefault(epoch, value)

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """Whether the trial falls behind; from the epoch `grace` on, each epoch decides once."""
        seen = epoch in self.curves.get(key, {})
        self.note(key, epoch, value)
        others = [curve for name, curve in self.curves.items() if name != key and max(curve) >= epoch]
        # after `note`: a repeated report must not change the curve either
        if seen or epoch < self.grace or len(others) < MIN_OTHERS:
            return False
        means = [np.mean([v for at, v in curve.items() if self.grace <= at <= epoch]) for curve in others]
        return max(self.curves[key].values()) < float(np.median(means))


class Never:
    """No early stopping."""

    def note(self, key: str, epoch: int, value: float) -> None:
        """Nothing is kept."""

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """No."""
        return False


def make_rule(asked: PruningSettings, epochs: int) -> Rule:
    """The rule of these settings, for trials of `epochs` epochs."""
    if asked.name == "asha":
        return Rungs(epochs, asked.grace, asked.reduction)
    if asked.name == "hyperband":
        return Rungs(epochs, asked.grace, asked.reduction, brackets=epochs)
    return Median(asked.grace) if asked.name == "median" else Never()


def replay(rule: Rule, curves: Iterable[tuple[str, Curve]]) -> None:
    """Feed the rule the reports of earlier commands, without deciding again."""
    for key, curve in curves:
        for epoch, value in sorted(curve.items()):
            rule.note(key, epoch, value)
