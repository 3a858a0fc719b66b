"""The search of one fold: it proposes trials and learns how they ended; a new command rebuilds it from the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import optuna

from data.seeds import seed_for
from study.records.config import TrialConfig
from study.records.store import StudyStore
from study.records.study_spec import PruningSettings
from study.search.objectives import Goals
from study.search.optuna_journal import new_journal
from study.search.pruning import Rule, make_rule, replay
from study.search.sampler import (
    KEY_ATTRIBUTE,
    TUNE_ATTRIBUTE,
    SamplerMemory,
    new_memory,
    report,
    system_attributes,
)
from study.search.space import Params, Space
from study.search.start_points import matches

NUMBER = "number"  # of a trial in its fold, among the facts of a begun trial
REPEATS = 3  # after so many proposals in a row that were tried before, one is drawn at random
TRIES = 500  # after so many random draws that were tried before, the space counts as exhausted


@dataclass(frozen=True)
class Search:
    """Settings of a search, the same for every fold."""

    base: TrialConfig
    space: Space
    goals: Goals
    sampler: str
    seed: int
    points: tuple[Params, ...] = ()
    pruning: PruningSettings = field(default_factory=PruningSettings)

    def base_of(self, fold: str) -> TrialConfig:
        """The configuration that the trials of a fold vary."""
        return replace(self.base, data=replace(self.base.data, fold=fold))


@dataclass
class _Open:
    trial: optuna.Trial
    key: str
    epochs: set[int] = field(default_factory=set)  # already reported; a restarted trial reports them again


class Proposals:
    """Proposes the trials of one fold; `name` is the driver's name of a running trial."""

    def __init__(self, search: Search, store: StudyStore, fold: str, memory: SamplerMemory) -> None:
        self.search, self.store, self.memory, self.base = search, store, memory, search.base_of(fold)
        self.fold = fold
        self.open: dict[str, _Open] = {}
        self.known: set[str] = set()
        self.drawn: list[Params] = []  # of every trial that was begun
        self.interrupted: list[tuple[int, Params]] = []  # number and params; they come first
        self.points = [*search.points]  # then these, and only then the sampler is free

    def ask(self, name: str) -> TrialConfig | None:
        """A new trial, recorded in the store before it starts; None when the space is exhausted."""
        for _ in range(REPEATS):
            trial = self._drawn()
            config = self.search.space.apply(self.base, trial.params)
            if config.key not in self.known:
                return self._begin(name, trial, config)
            self.memory.tell(trial, None)
        fresh = self._never_tried()
        if fresh is None:
            return None
        trial = self.memory.ask(fresh)
        return self._begin(name, trial, self.search.space.apply(self.base, trial.params))

    def _drawn(self) -> optuna.Trial:
        """The next trial, which may have been tried before."""
        if self.interrupted:
            number, params = self.interrupted.pop(0)
            self.memory.skip_to(number)
            return self.memory.ask(params)
        self.points = [point for point in self.points if not any(matches(point, params) for params in self.drawn)]
        return self.memory.ask(self.points.pop(0) if self.points else None)

    def _never_tried(self) -> Params | None:
        """A random point that was not tried yet, for a sampler that repeats itself."""
        seed = seed_for("fresh", self.search.seed, self.fold, len(self.known)) % 2**32
        storage = optuna.storages.InMemoryStorage()
        scratch = new_memory(storage, "fresh", "random", seed, self.search.space, self.search.goals)
        for _ in range(TRIES):
            params = scratch.ask().params
            if self.search.space.apply(self.base, params).key not in self.known:
                return dict(params)
        return None

    def _begin(self, name: str, trial: optuna.Trial, config: TrialConfig) -> TrialConfig:
        system = system_attributes(self.memory.study, trial)
        facts = {TUNE_ATTRIBUTE: name, NUMBER: trial.number, "system": system}
        trial.set_user_attr(TUNE_ATTRIBUTE, name)
        trial.set_user_attr(KEY_ATTRIBUTE, config.key)
        # on disk before the trial starts: after a kill, the next command knows what was drawn
        self.store.begin(config, trial.params, facts)
        self.known.add(config.key)
        self.drawn.append(trial.params)
        self.open[name] = _Open(trial, config.key)
        return config

    def key_of(self, name: str) -> str:
        """The key of the running trial `name`."""
        return self.open[name].key

    def report(self, name: str, epoch: int, value: float) -> None:
        """Record the value of a running trial after an epoch."""
        trial = self.open[name]
        # Optuna warns of a second report for the same epoch
        if epoch not in trial.epochs:
            trial.epochs.add(epoch)
            report(trial.trial, self.search.goals.objectives, epoch, value)

    def tell(self, name: str) -> None:
        """Tell the sampler how the trial ended, from its result in the store."""
        done = self.open.pop(name)
        self.memory.tell(done.trial, self.store.outcome(done.key))


def begin_search(search: Search, store: StudyStore, folds: tuple[str, ...]) -> dict[str, Proposals]:
    """The search of every fold, rebuilt from the store, and written to the Optuna journal of the study."""
    storage, journal = new_journal(store.journal_path)
    begun = store.begun()
    found = {fold: _begin_fold(search, store, fold, storage, begun) for fold in folds}
    # only now, so that optuna-dashboard never shows a half told history
    journal.publish()
    return found


def _begin_fold(
    search: Search, store: StudyStore, fold: str, storage: Any, begun: Mapping[str, Mapping[str, Any]]
) -> Proposals:
    seed = seed_for("sampler", search.seed, fold) % 2**32
    memory = new_memory(storage, f"{store.root.name} {fold}", search.sampler, seed, search.space, search.goals)
    proposals = Proposals(search, store, fold, memory)
    past = {one.key: one for one in store.outcomes("sweep", fold)}
    mine = [one for one in begun.items() if one[1]["config"]["data"]["fold"] == fold]
    # former revisions noted no number: their trials stay in the order of their start
    for key, one in sorted(mine, key=lambda pair: _number(pair[1])):
        proposals.drawn.append(one["params"])
        if key in past:
            memory.skip_to(_number(one))
            memory.add(past[key], one["params"], one.get("facts", {}))
        else:
            # they are proposed again, so that their checkpoints are used, and are not `known` until then
            proposals.interrupted.append((_number(one), one["params"]))
    proposals.known |= past.keys()
    return proposals


def _number(begun: Mapping[str, Any]) -> int:
    """The number of a begun trial; 0 when a former revision began it."""
    return int(begun.get("facts", {}).get(NUMBER, 0))


def begin_rule(search: Search, store: StudyStore, fold: str) -> Rule:
    """The pruning rule of a fold after all earlier reports.

    The last report of a running trial is left out: the trial makes it again, and the rule decides then.
    """
    rule = make_rule(search.pruning, search.base.optim.epochs)
    replay(rule, ((one.key, one.reports) for one in store.outcomes("sweep", fold)))
    running = [one for one in store.running() if one.fold == fold and one.stage == "sweep"]
    replay(rule, ((one.key, dict(enumerate(one.curve[:-1], start=1))) for one in running))
    return rule
