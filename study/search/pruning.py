"""Early stopping: rules that see every report of every trial of a fold, and say which trial is too far behind.

A rule is a function of the reports alone, and a report that is made again changes nothing: a command that goes on with
a search feeds the rule the learning curves in the store, and prunes from there as if it had never stopped.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from study.records.study_spec import PruningSettings

MIN_OTHERS = 3  # trials that the median rule compares with
Curve = Mapping[int, float]  # value by epoch


class Rule(Protocol):
    """Whether a trial is to be stopped after a report; larger values are better."""

    def note(self, key: str, epoch: int, value: float) -> None:
        """See a report that was decided on before."""

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """See a report, and decide; False for one that was seen before."""


class Rungs:
    """Asynchronous successive halving (Li et al. 2020); with several brackets, asynchronous Hyperband.

    At epochs `grace * reduction ** k` a trial goes on if it is among the best 1 / `reduction` of those that were
    there before it. Bracket b starts at the rung b; which bracket a trial is in follows from its name.
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
        # every bracket gets the same epochs in all, so those that stop early get more trials
        weights = [reduction**halvings / (halvings + 1) for halvings in reversed(range(len(self.brackets)))]
        self.bounds = (np.cumsum(weights) / np.sum(weights)).tolist()

    def note(self, key: str, epoch: int, value: float) -> None:
        """Put the trial on the rung of this epoch, if there is one."""
        self._bracket(key).get(epoch, {}).setdefault(key, value)

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """Whether the trial is behind on the rung of this epoch; it is judged once at each."""
        rung = self._bracket(key).get(epoch)
        if rung is None or key in rung:
            return False
        behind = bool(rung) and value < float(np.percentile([*rung.values()], (1 - 1 / self.reduction) * 100))
        rung[key] = value
        return behind

    def _bracket(self, key: str) -> dict[int, dict[str, float]]:
        return self.brackets[self.bracket_of(key)]

    def bracket_of(self, key: str) -> int:
        """The bracket of a trial; `key` is hexadecimal."""
        return min(bisect_right(self.bounds, int(key, 16) / 16 ** len(key)), len(self.bounds) - 1)


class Median:
    """The median rule of Google Vizier: trials whose best value is below the median of the others' means end."""

    def __init__(self, grace: int) -> None:
        self.grace = grace
        self.curves: dict[str, dict[int, float]] = {}

    def note(self, key: str, epoch: int, value: float) -> None:
        """Add to the learning curve of the trial."""
        self.curves.setdefault(key, {}).setdefault(epoch, value)

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """Whether the trial is behind, from the epoch `grace` on; it is judged once at each epoch."""
        seen = epoch in self.curves.get(key, {})
        self.note(key, epoch, value)
        others = [curve for name, curve in self.curves.items() if name != key and max(curve) >= epoch]
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
    """The rule that is asked for, for trials of `epochs` epochs."""
    if asked.name == "asha":
        return Rungs(epochs, asked.grace, asked.reduction)
    if asked.name == "hyperband":
        return Rungs(epochs, asked.grace, asked.reduction, brackets=epochs)
    return Median(asked.grace) if asked.name == "median" else Never()


def replay(rule: Rule, curves: Iterable[tuple[str, Curve]]) -> None:
    """Let the rule see the reports of earlier commands; what was decided then is not decided again."""
    for key, curve in curves:
        for epoch, value in sorted(curve.items()):
            rule.note(key, epoch, value)
