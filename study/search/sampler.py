"""Samplers by name, and the Optuna study that they learn from.

Only the store is permanent: every command makes a new Optuna study and tells it all earlier trials. Each trial gets a
new sampler, seeded by the number of the trial, because a sampler's own memory would be lost with the command.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from data.seeds import seed_for
from study.records.outcome import Outcome
from study.search.objectives import Goals
from study.search.space import METHOD, Params, Space

_STATES = {"DONE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAILED": TrialState.FAIL}
KEY_ATTRIBUTE, TUNE_ATTRIBUTE, SECONDS_ATTRIBUTE = "trial_key", "tune_trial", "seconds"
STARTUP = 6  # random trials before TPE, GP and CMA-ES begin


class _Sobol(QMCSampler):
    """Optuna's QMC, whose place in the sequence follows from the number of the trial; Optuna counts in its study."""

    def __init__(self, seed: int, drawn: int, number: int) -> None:
        super().__init__(seed=seed, scramble=True, qmc_type="sobol", independent_sampler=RandomSampler(seed=drawn))
        self.number = number

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:
        # the first trial is drawn at random
        return max(self.number - 1, 0)


@dataclass(frozen=True)
class _Asked:
    """For which trial a sampler is made."""

    seed: int  # the same for all trials
    number: int
    conditional: bool  # not every trial has every setting

    @property
    def own_seed(self) -> int:
        """A seed of this trial alone."""
        return seed_for(self.seed, self.number) % 2**32


_SAMPLERS: dict[str, Callable[[_Asked], BaseSampler]] = {
    "tpe": lambda asked: TPESampler(
        seed=asked.own_seed,
        n_startup_trials=STARTUP,
        multivariate=True if asked.conditional else None,
        group=asked.conditional,
    ),
    "gp": lambda asked: GPSampler(seed=asked.own_seed, n_startup_trials=STARTUP),
    "cmaes": lambda asked: CmaEsSampler(seed=asked.own_seed, n_startup_trials=STARTUP),
    "random": lambda asked: RandomSampler(seed=asked.own_seed),
    "qmc": lambda asked: _Sobol(asked.seed, asked.own_seed, asked.number),
}
SAMPLERS = tuple(_SAMPLERS)


def make_sampler(name: str, seed: int, number: int, conditional: bool = False) -> BaseSampler:
    """The sampler `name` for the trial `number`; `conditional`: not every trial of the space has every setting."""
    with warnings.catch_warnings():
        # GP, QMC and TPE with `group` are marked experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _SAMPLERS[name](_Asked(seed, number, conditional))


def sampler_problems(name: str, space: Space, goals: Goals) -> list[str]:
    """Why the sampler cannot run this search."""
    if name not in SAMPLERS:
        return [f"sampler={name!r}; allowed: {', '.join(SAMPLERS)}"]
    choices = [key for key, one in space.distributions.items() if isinstance(one, CategoricalDistribution)]
    problems = []
    if space.methods and name not in ("tpe", "random"):
        problems.append(f"sampler={name} cannot search over methods; use tpe or random")
    if choices and name in ("cmaes", "qmc"):
        problems.append(f"sampler={name} cannot draw choices ({', '.join(choices)}); use tpe, gp or random")
    if name == "cmaes" and len(goals.objectives) > 1:
        problems.append("sampler=cmaes has one objective; use tpe, gp, random or qmc")
    if name == "cmaes" and len(space.distributions) < 2:
        # Optuna would only warn, and draw at random
        problems.append("sampler=cmaes needs two settings or more; use tpe, gp, random or qmc")
    return problems


@dataclass
class SamplerMemory:
    """An Optuna study over a space with goals, in the terms of our trials.

    What it proposes follows from the sampler and its seed, the number of the trial, and what was told before it.
    """

    study: optuna.Study
    space: Space
    goals: Goals
    sampler: str
    seed: int
    next_number: int = 0  # of a trial in the study

    def skip_to(self, number: int) -> None:
        """Give the next trial at least this number: proposals that came to nothing had the numbers before it."""
        while self.next_number < number:
            self._add(create_trial(state=TrialState.FAIL))

    def ask(self, fixed: Params | None = None) -> optuna.Trial:
        """A new trial with all its settings drawn, but for those that are `fixed`."""
        self.study.sampler = make_sampler(self.sampler, self.seed, self.next_number, bool(self.space.methods))
        if fixed is not None:
            self.study.enqueue_trial(dict(fixed))
        trial = self.study.ask()
        self.next_number += 1
        method = suggest(trial, METHOD, self.space.method_choice) if self.space.methods else ""
        for name, distribution in self.space.of(method).items():
            suggest(trial, name, distribution)
        return trial

    def tell(self, trial: optuna.Trial, outcome: Outcome | None) -> None:
        """End a running trial with its outcome; None means that it failed without a result."""
        if outcome is None:
            self.study.tell(trial, state=TrialState.FAIL)
            return
        for name, value in self._attributes(outcome).items():
            trial.set_user_attr(name, value)
        self._report_rest(trial, outcome)
        if outcome.status == "DONE":
            for name, missed in self.goals.violations(outcome).items():
                trial.set_constraint(name, missed)
            self.study.tell(trial, self.goals.values(outcome))
        else:
            self.study.tell(trial, state=_STATES[outcome.status])

    def _report_rest(self, trial: optuna.Trial, outcome: Outcome) -> None:
        """Report the epochs that the driver did not, e.g. the last one of a pruned trial: samplers read them."""
        reported = self.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        for epoch, value in outcome.reports.items():
            if epoch not in reported:
                report(trial, self.goals.objectives, epoch, value)

    def add(self, outcome: Outcome, params: Params, facts: Mapping[str, Any]) -> None:
        """Add a finished trial of an earlier command."""
        self._add(self.frozen(outcome, params, facts))

    def _add(self, trial: FrozenTrial) -> None:
        self.study.add_trial(trial)
        self.next_number += 1

    def frozen(self, outcome: Outcome, params: Params, facts: Mapping[str, Any]) -> FrozenTrial:
        """A finished trial in Optuna's form; a pruned one with its learning curve."""
        done, single = outcome.status == "DONE", len(self.goals.objectives) == 1
        tune = {TUNE_ATTRIBUTE: facts[TUNE_ATTRIBUTE]} if TUNE_ATTRIBUTE in facts else {}
        pruned = {"value": outcome.curve[-1]} if outcome.status == "PRUNED" and single else {}
        return create_trial(
            state=_STATES[outcome.status],
            params=dict(params),
            distributions=self.space.distributions_of(params),
            intermediate_values=outcome.reports if single else {},
            user_attrs=self._attributes(outcome) | tune,
            system_attrs=dict(facts.get("system", {})),
            constraints=self.goals.violations(outcome) if done else None,
            **({"values": self.goals.values(outcome)} if done else pruned),
        )

    @staticmethod
    def _attributes(outcome: Outcome) -> dict[str, Any]:
        return {KEY_ATTRIBUTE: outcome.key, SECONDS_ATTRIBUTE: outcome.seconds}


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Draw the value of one setting."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def system_attributes(study: optuna.Study, trial: optuna.Trial) -> dict[str, Any]:
    """The sampler's own attributes of a trial, e.g. the state of CMA-ES, without fixed start values."""
    noted = study.get_trials(deepcopy=False)[trial.number].system_attrs
    return {name: value for name, value in noted.items() if name != "fixed_params"}


def new_memory(
    storage: optuna.storages.BaseStorage, name: str, sampler: str, seed: int, space: Space, goals: Goals
) -> SamplerMemory:
    """An empty Optuna study called `name`, with the sampler called `sampler`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the commands show their own progress
    study = optuna.create_study(storage=storage, study_name=name, directions=goals.directions, sampler=RandomSampler())
    return SamplerMemory(study, space, goals, sampler, seed)


def report(trial: optuna.Trial, objectives: Sequence[str], epoch: int, value: float) -> None:
    """Report the value after an epoch; with several objectives Optuna has no learning curves."""
    if len(objectives) == 1:
        trial.report(value, epoch)
