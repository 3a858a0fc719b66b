"""Early stopping: the rule itself, and that it knows what earlier commands saw."""

import hashlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule

from data.seeds import numpy_generator
from study.records.study_spec import PRUNING, PruningSettings
from study.search.pruning import Rule, Rungs, make_rule, replay

EPOCHS, GRACE, REDUCTION = 27, 1, 3


def key(number: int) -> str:
    return hashlib.sha1(str(number).encode()).hexdigest()[:16]


def curves(number: int = 60) -> dict[str, list[float]]:
    """Noisy learning curves of trials that differ in how good they get."""
    rng = numpy_generator("curves")
    epochs = np.arange(1, EPOCHS + 1)
    ends, noise = rng.random(number), 0.05 * rng.standard_normal((number, EPOCHS))
    return {key(n): (ends[n] * (1 - np.exp(-epochs / 5)) + noise[n]).tolist() for n in range(number)}


class Driver:
    """Runs `slots` trials at once, one epoch each in turn, as Tune would; can be stopped and continued."""

    def __init__(self, trials: dict[str, list[float]], slots: int = 4) -> None:
        self.trials, self.slots = trials, slots
        self.reports: dict[str, dict[int, float]] = {}
        self.ended: dict[str, int] = {}  # epochs at the end
        self.running: dict[str, int] = {}

    def run(self, stops: Callable[[str, int, float], bool], reports: int = 10**6) -> None:
        """Until all is done, or for so many reports."""
        for name, epoch in self._turns():
            if reports == 0:
                return
            reports -= 1
            value = self.trials[name][epoch - 1]
            self.reports.setdefault(name, {})[epoch] = value
            self.running[name] = epoch
            if epoch == EPOCHS or stops(name, epoch, value):
                self.ended[name] = self.running.pop(name)

    def _turns(self) -> Iterator[tuple[str, int]]:
        while len(self.ended) < len(self.trials):
            waiting = [name for name in self.trials if name not in self.ended and name not in self.running]
            for name in waiting[: self.slots - len(self.running)]:
                self.running[name] = 0
            name = min(self.running, key=lambda name: (self.running[name], name))
            yield name, self.running[name] + 1


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("at", [1, 20, 50, 150])
def test_a_continued_search_prunes_as_an_uninterrupted_one(name: str, at: int) -> None:
    whole, parts = Driver(curves()), Driver(curves())
    whole.run(make_rule(PruningSettings(name, GRACE, REDUCTION), EPOCHS).stops)
    parts.run(make_rule(PruningSettings(name, GRACE, REDUCTION), EPOCHS).stops, reports=at)
    again = make_rule(PruningSettings(name, GRACE, REDUCTION), EPOCHS)
    replay(again, parts.reports.items())
    parts.run(again.stops)
    assert parts.ended == whole.ended
    assert (len({*whole.ended.values()}) == 1) == (name == "none"), "something was pruned"


def test_without_the_past_it_would_prune_otherwise() -> None:
    whole, parts = Driver(curves()), Driver(curves())
    whole.run(make_rule(PruningSettings("asha", GRACE, REDUCTION), EPOCHS).stops)
    parts.run(make_rule(PruningSettings("asha", GRACE, REDUCTION), EPOCHS).stops, reports=50)
    parts.run(make_rule(PruningSettings("asha", GRACE, REDUCTION), EPOCHS).stops)
    assert parts.ended != whole.ended


@pytest.mark.parametrize("name", PRUNING)
def test_a_report_that_is_made_again_changes_nothing(name: str) -> None:
    rule = make_rule(PruningSettings(name, GRACE, REDUCTION), EPOCHS)
    driver = Driver(curves())
    driver.run(rule.stops)
    again = [rule.stops(trial, epoch, value) for trial, at in driver.reports.items() for epoch, value in at.items()]
    assert not any(again)


@pytest.mark.parametrize("name", PRUNING)
def test_equal_trials_are_not_behind(name: str) -> None:
    rule = make_rule(PruningSettings(name, GRACE, REDUCTION), EPOCHS)
    assert not any(rule.stops(key(number), epoch, 0.0) for number in range(9) for epoch in range(1, EPOCHS))


def tune_stops(scheduler: Any) -> Callable[[str, int, float], bool]:
    """What Ray's own scheduler says."""
    seen: dict[str, Any] = {}
    nobody = SimpleNamespace(get_live_trials=list)
    scheduler.set_search_properties("value", "max")

    def stops(name: str, epoch: int, value: float) -> bool:
        if name not in seen:
            seen[name] = SimpleNamespace(trial_id=name, status="RUNNING")
            scheduler.on_trial_add(nobody, seen[name])
        result = {"epoch": epoch, "value": value}
        return bool(scheduler.on_trial_result(nobody, Hashable(name), result) == "STOP")

    return stops


class Hashable(str):
    """A trial that is its name."""

    @property
    def trial_id(self) -> str:
        return str(self)


@pytest.mark.parametrize(("grace", "reduction"), [(1, 3), (2, 2), (4, 3), (27, 3)])
def test_asha_is_rays(grace: int, reduction: int) -> None:
    ours, theirs = Driver(curves()), Driver(curves())
    ours.run(Rungs(EPOCHS, grace, reduction).stops)
    ray = ASHAScheduler(time_attr="epoch", max_t=EPOCHS, grace_period=grace, reduction_factor=reduction)
    theirs.run(tune_stops(ray))
    assert ours.ended == theirs.ended


def test_the_median_rule_is_rays() -> None:
    ours, theirs = Driver(curves()), Driver(curves())
    ours.run(make_rule(PruningSettings("median", 4, 3), EPOCHS).stops)
    theirs.run(tune_stops(MedianStoppingRule(time_attr="epoch", grace_period=4)))
    assert ours.ended == theirs.ended
    assert len({*ours.ended.values()}) > 1


def test_hyperband_divides_trials_among_brackets_by_their_names() -> None:
    rule = Rungs(81, 1, 3, brackets=81)
    assert [[*bracket] for bracket in rule.brackets] == [[1, 3, 9, 27], [3, 9, 27], [9, 27], [27], []]
    counts = np.bincount([rule.bracket_of(key(n)) for n in range(4000)])
    expected = np.array([81 / 5, 27 / 4, 9 / 3, 3 / 2, 1])
    assert counts / 4000 == pytest.approx(expected / expected.sum(), abs=0.03)


def test_the_first_on_a_rung_goes_on_and_a_third_of_the_others() -> None:
    rule: Rule = Rungs(EPOCHS, 1, 3)
    assert not rule.stops(key(0), 1, 0.0)
    assert not rule.stops(key(1), 1, 0.5)
    assert rule.stops(key(2), 1, 0.2)
    assert not rule.stops(key(3), 2, 0.0), "there is no rung"
