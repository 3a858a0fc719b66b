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
    make_sampler,
    new_memory,
    report,
    system_attributes,
)
from study.search.space import Params, Space
from study.search.start_points import matches

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

    def ask(self, name: str) -> TrialConfig | None:
        """A new trial, recorded in the store before it starts; None when the space is exhausted."""
        for _ in range(REPEATS):
            trial = self.memory.ask()
            config = self.search.space.apply(self.base, trial.params)
            if config.key not in self.known:
                return self._begin(name, trial, config)
            self.memory.tell(trial, None)
        fresh = self._never_tried()
        if fresh is None:
            return None
        self.memory.enqueue(fresh)
        trial = self.memory.ask()
        return self._begin(name, trial, self.search.space.apply(self.base, trial.params))

    def _never_tried(self) -> Params | None:
        """A random point that was not tried yet, for a sampler that repeats itself."""
        seed = seed_for("fresh", self.search.seed, self.fold, len(self.known)) % 2**32
        storage, sampler = optuna.storages.InMemoryStorage(), make_sampler("random", seed)
        scratch = new_memory(storage, "fresh", sampler, self.search.space, self.search.goals)
        for _ in range(TRIES):
            params = scratch.ask().params
            if self.search.space.apply(self.base, params).key not in self.known:
                return dict(params)
        return None

    def _begin(self, name: str, trial: optuna.Trial, config: TrialConfig) -> TrialConfig:
        facts = {TUNE_ATTRIBUTE: name, "system": system_attributes(self.memory.study, trial)}
        trial.set_user_attr(TUNE_ATTRIBUTE, name)
        trial.set_user_attr(KEY_ATTRIBUTE, config.key)
        # on disk before the trial starts: after a kill, the next command knows what was drawn
        self.store.begin(config, trial.params, facts)
        self.known.add(config.key)
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
    past = store.outcomes("sweep", fold)
    mine = {key: one for key, one in begun.items() if one["config"]["data"]["fold"] == fold}
    # with the first seed again, a continued search would propose its first trials again
    seed = seed_for("sampler", search.seed, fold, max(len(mine), len(past))) % 2**32
    sampler = make_sampler(search.sampler, seed, bool(search.space.methods))
    memory = new_memory(storage, f"{store.root.name} {fold}", sampler, search.space, search.goals)
    proposals = Proposals(search, store, fold, memory)
    finished = {outcome.key for outcome in past}
    for outcome in past:
        if outcome.key in mine:
            memory.add(outcome, mine[outcome.key]["params"], mine[outcome.key].get("facts", {}))
    for key, one in mine.items():
        if key not in finished:
            # first the interrupted trials, so that their checkpoints are used
            memory.enqueue(one["params"])
    drawn = [one["params"] for one in mine.values()]
    for point in search.points:
        if not any(matches(point, params) for params in drawn):
            memory.enqueue(point)
    # unfinished trials are not `known`: they are enqueued, and proposed again
    proposals.known |= finished
    return proposals


def begin_rule(search: Search, store: StudyStore, fold: str) -> Rule:
    """The pruning rule of a fold after all earlier reports.

    The last report of a running trial is left out: the trial makes it again, and the rule decides then.
    """
    rule = make_rule(search.pruning, search.base.optim.epochs)
    replay(rule, ((one.key, one.reports) for one in store.outcomes("sweep", fold)))
    running = [one for one in store.running() if one.fold == fold and one.stage == "sweep"]
    replay(rule, ((one.key, dict(enumerate(one.curve[:-1], start=1))) for one in running))
    return rule
