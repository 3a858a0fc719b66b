"""What Optuna is told, which samplers go with which spaces, and the journal for the dashboard."""

import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from study.records.config import TrialConfig
from study.records.outcome import Outcome
from study.search.objectives import Goals
from study.search.optuna_journal import new_journal
from study.search.sampler import (
    KEY_ATTRIBUTE,
    SAMPLERS,
    SamplerMemory,
    new_memory,
    sampler_problems,
    system_attributes,
)
from study.search.space import Space, parse_space
from tests.study import make
from tests.study.make import result, trial

LR = {"optim": {"lr": {"log_uniform": [1e-4, 1.0]}}}
NUMBERS = LR | {"head": {"dim": {"int": [4, 64]}}}
CHOICES = LR | {"method": {"draw": {"choice": ["anchor", "au"]}}}
METHODS = LR | {"methods": {"bce": {"method": {"balance": {"uniform": [0.0, 1.0]}}}, "byol": {}}}


@pytest.fixture
def space() -> Space:
    return parse_space(LR, TrialConfig())


def memory_of(
    space: Space, folder: Path, sampler: str = "tpe", goals: Goals | None = None, seed: int = 0
) -> SamplerMemory:
    storage, _ = new_journal(folder / "optuna.journal")
    return new_memory(storage, "s", sampler, seed, space, goals or Goals())


def outcome(config: TrialConfig, value: float | None = 0.5, **given: Any) -> Outcome:
    return make.outcome(result(config, value, **given))


def test_a_finished_trial(space: Space, tmp_path: Path) -> None:
    frozen = memory_of(space, tmp_path).frozen(outcome(trial(lr=0.01), 0.75), {"optim.lr": 0.01}, {})
    assert (frozen.state, frozen.value) == (TrialState.COMPLETE, 0.75)
    assert frozen.params == {"optim.lr": 0.01}
    assert frozen.distributions == space.distributions
    assert frozen.intermediate_values == {1: 0.25, 2: 0.75}, "the last report is the value"
    assert frozen.user_attrs == {KEY_ATTRIBUTE: trial(lr=0.01).key, "seconds": 1.5}


def test_a_pruned_trial_keeps_its_curve(space: Space, tmp_path: Path) -> None:
    pruned = outcome(trial(), 0.375, status="PRUNED")
    frozen = memory_of(space, tmp_path).frozen(pruned, {"optim.lr": 0.01}, {"tune_trial": "a1"})
    assert (frozen.state, frozen.value) == (TrialState.PRUNED, 0.375)
    assert frozen.intermediate_values == {1: 0.25, 2: 0.375}
    assert frozen.user_attrs["tune_trial"] == "a1"


def test_a_failed_trial(space: Space, tmp_path: Path) -> None:
    failed = outcome(trial(), None, status="FAILED", curve=())
    frozen = memory_of(space, tmp_path).frozen(failed, {"optim.lr": 0.01}, {})
    assert (frozen.state, frozen.value) == (TrialState.FAIL, None)


def test_past_trials_weigh_in(space: Space, tmp_path: Path) -> None:
    memory = memory_of(space, tmp_path, seed=20)
    for number in range(20):
        lr = 10 ** -(number / 5)
        memory.add(outcome(trial(lr=lr), lr), {"optim.lr": lr}, {})
    assert memory.study.best_value == 1.0
    later = [memory.ask().params["optim.lr"] for _ in range(10)]
    assert sum(lr > 0.1 for lr in later) > 6, "large rates were better; of 4 decades, one has most of the proposals"


@pytest.mark.parametrize(
    ("status", "state", "value"),
    [("DONE", TrialState.COMPLETE, 0.5), ("PRUNED", TrialState.PRUNED, 0.375), ("FAILED", TrialState.FAIL, None)],
)
def test_tell_closes_a_trial(space: Space, status: str, state: TrialState, value: float | None, tmp_path: Path) -> None:
    memory = memory_of(space, tmp_path)
    asked = memory.ask()
    asked.report(0.25, step=1)
    memory.tell(asked, outcome(trial(), None if status == "FAILED" else 0.5, status=status))
    told = memory.study.trials[0]
    assert (told.state, told.value) == (state, value)
    assert told.user_attrs[KEY_ATTRIBUTE] == trial().key


@pytest.mark.parametrize("status", ["DONE", "PRUNED", "FAILED"])
def test_a_told_trial_is_as_one_that_a_later_command_adds(space: Space, status: str, tmp_path: Path) -> None:
    memory = memory_of(space, tmp_path)
    ended = outcome(trial(), None if status == "FAILED" else 0.5, status=status)
    asked = memory.ask()
    memory.tell(asked, ended)
    memory.add(ended, dict(asked.params), {"system": system_attributes(memory.study, asked)})
    told, added = memory.study.trials
    for name in ("state", "values", "params", "distributions", "intermediate_values", "constraints", "system_attrs"):
        assert getattr(told, name) == getattr(added, name), name


def test_tell_without_a_result(space: Space, tmp_path: Path) -> None:
    memory = memory_of(space, tmp_path)
    memory.tell(memory.ask(), None)
    assert memory.study.trials[0].state == TrialState.FAIL


def test_several_objectives_and_constraints_are_told(space: Space, tmp_path: Path) -> None:
    goals = Goals(("f1", "hours"), (("hours", "at_most", 1 / 3600), ("rare_f1", "at_least", 0.0)))
    memory = memory_of(space, tmp_path, goals=goals)
    memory.add(outcome(trial(), 0.5), {"optim.lr": 0.01}, {})
    memory.tell(memory.ask(), outcome(trial(1), 0.75))
    past, told = memory.study.trials
    assert (past.values, told.values) == ([0.5, 1.5 / 3600], [0.75, 1.5 / 3600])
    assert past.constraints == told.constraints
    assert past.constraints["hours at_most 0.000277778"] == pytest.approx(0.5 / 3600)
    assert past.constraints["rare_f1 at_least 0"] < 0


def test_a_search_over_methods_draws_what_the_method_has(tmp_path: Path) -> None:
    space = parse_space(METHODS, TrialConfig())
    memory = memory_of(space, tmp_path)
    drawn = []
    for number in range(30):
        asked = memory.ask()
        config = space.apply(trial(number), asked.params)
        assert config.method_name == asked.params["method_name"]
        assert ("bce:method.balance" in asked.params) == (config.method_name == "bce")
        assert config.optim.lr == asked.params["optim.lr"]
        drawn.append(config.method_name)
        memory.tell(asked, outcome(config, 0.75 if config.method_name == "bce" else 0.25))
    assert {*drawn} == {"bce", "byol"}
    assert drawn[10:].count("bce") > 13, "bce is better"


WORKING = [
    *[(name, NUMBERS, Goals()) for name in SAMPLERS],
    *[(name, CHOICES, Goals()) for name in ("tpe", "gp", "random")],
    *[(name, METHODS, Goals()) for name in ("tpe", "random")],
    *[(name, NUMBERS, Goals(("f1", "hours"), (("f1", "at_least", 0.4),))) for name in ("tpe", "gp", "random", "qmc")],
    ("tpe", METHODS, Goals(("f1", "hours"))),
]


@pytest.mark.parametrize(("sampler", "spec", "goals"), WORKING, ids=str)
def test_what_is_allowed_works(sampler: str, spec: dict[str, Any], goals: Goals, tmp_path: Path) -> None:
    space = parse_space(spec, TrialConfig())
    assert not sampler_problems(sampler, space, goals)
    memory = memory_of(space, tmp_path, sampler, goals)
    values = []
    for number in range(12):
        asked = memory.ask()
        values.append(asked.params["optim.lr"])
        memory.tell(asked, outcome(trial(number), asked.params["optim.lr"]))
    assert len({*values}) > 5, "GP goes to a bound again and again"
    assert [one.state for one in memory.study.trials] == [TrialState.COMPLETE] * 12


@pytest.mark.parametrize(
    ("sampler", "spec", "objectives", "said"),
    [
        ("best", LR, ("f1",), "allowed: tpe, gp, cmaes, random, qmc"),
        ("cmaes", CHOICES, ("f1",), r"cannot draw choices \(method.draw\)"),
        ("qmc", CHOICES, ("f1",), "cannot draw choices"),
        ("cmaes", LR, ("f1",), "two settings"),
        ("cmaes", NUMBERS, ("f1", "hours"), "one objective"),
        *[(name, METHODS, ("f1",), "cannot search over methods") for name in ("gp", "cmaes", "qmc")],
    ],
)
def test_what_cannot_work_is_refused(
    sampler: str, spec: dict[str, Any], objectives: tuple[str, ...], said: str
) -> None:
    problems = sampler_problems(sampler, parse_space(spec, TrialConfig()), Goals(objectives))
    assert any(re.search(said, problem) for problem in problems)


def test_cma_es_goes_on_where_it_was(tmp_path: Path) -> None:
    space = parse_space(NUMBERS, TrialConfig())
    first, told = memory_of(space, tmp_path, "cmaes"), []
    for number in range(20):
        asked = first.ask()
        facts = {"system": system_attributes(first.study, asked)}
        told.append((outcome(trial(number), asked.params["optim.lr"]), dict(asked.params), facts))
        first.tell(asked, told[-1][0])
    second = memory_of(space, tmp_path, "cmaes", seed=1)
    for past in told:
        second.add(*past)

    def generation(memory: SamplerMemory) -> int:
        asked = memory.ask()
        return int(next(x for name, x in system_attributes(memory.study, asked).items() if "generation" in name))

    assert generation(second) == generation(first) > 0


def test_the_journal_is_what_optuna_reads(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    path.write_text("of another day\n")
    storage, writer = new_journal(path)
    memory = new_memory(storage, "mine", "tpe", 0, space, Goals())
    memory.add(outcome(trial(), 0.75), {"optim.lr": 0.01}, {})
    assert path.read_text() == "of another day\n"
    writer.publish()
    asked = memory.ask({"optim.lr": 0.125})
    asked.report(0.25, 1)
    memory.tell(asked, outcome(trial(1), 0.5))
    memory.ask()
    read = optuna.load_study(
        study_name="mine", storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    )
    assert [one.state.name for one in read.trials] == ["COMPLETE", "COMPLETE", "RUNNING"]
    assert [one.value for one in read.trials] == [0.75, 0.5, None]
    assert [one.params for one in read.trials] == [one.params for one in memory.study.trials]
    assert read.trials[1].params == {"optim.lr": 0.125}
    assert read.trials[1].intermediate_values == {1: 0.25, 2: 0.5}, "the second report came with the end"


def test_proposals_follow_the_seed(space: Space, tmp_path: Path) -> None:
    def proposals(seed: int) -> list[float]:
        memory = memory_of(space, tmp_path, seed=seed)
        return [memory.ask().params["optim.lr"] for _ in range(3)]

    assert proposals(0) == proposals(0)
    assert not {*proposals(0)} & {*proposals(1)}
