"""Objectives and constraints."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.errors import InputError
from model.metrics import BINS, Score, f1
from study.records.outcome import Outcome, numbers_of, rare_f1
from study.records.study_spec import ABLATION, spec_from_json
from study.search.objectives import Goals, goals_of, parse_goals
from tests.study import make
from tests.study.make import result, score, trial
from tests.study.specs import OTHERS, search_spec


def outcome(value: float = 0.5, seconds: float = 3600.0) -> Outcome:
    return make.outcome(replace(result(trial(), value, gpus=0.5), seconds=seconds))


def test_rare_f1_is_that_of_the_rarest_third() -> None:
    active, frames = [30, 5, 60, 10, 40, 50], 100
    counts = np.array([[[a // 2, 3, a - a // 2, frames - a - 3] for a in active]])
    score = Score(("F001",), (1, 2, 4, 6, 12, 25), counts, np.zeros((6, 2, BINS), dtype=np.int64))
    assert rare_f1(score) == pytest.approx(np.mean([f1(counts[0, 1]), f1(counts[0, 3])]))


def test_the_first_objective_is_the_value_of_the_trial() -> None:
    goals = Goals(("auc", "hours", "gpu_hours"))
    assert goals.values(outcome(0.75, 7200.0)) == [0.75, 2.0, 1.0]
    assert goals.directions == ["maximize", "minimize", "minimize"]


@pytest.mark.parametrize(
    ("constraint", "kept"),
    [(("hours", "at_most", 1.0), True), (("hours", "at_most", 0.99), False), (("hours", "at_least", 1.5), False)],
)
def test_a_bound_is_kept_or_missed(constraint: tuple[str, str, float], kept: bool) -> None:
    goals = Goals(constraints=(constraint,))
    assert goals.feasible(outcome()) == kept
    [missed] = goals.violations(outcome()).values()
    assert missed == pytest.approx(abs(1 - constraint[2]) * (-1 if kept else 1))


def test_goals_are_those_of_the_spec() -> None:
    goals = parse_goals("f1", ["f1", "gpu_hours"], {"rare_f1": {"at_least": 0.25, "at_most": 1}}, 0.5)
    spec = search_spec(objectives=goals.objectives, constraints=goals.constraints)
    assert goals_of(spec_from_json(spec.to_json(), "study.json")) == goals
    assert goals_of(replace(spec, objectives=("auc",), asked=OTHERS[ABLATION])) == Goals(("auc",))


@pytest.mark.parametrize(
    ("objectives", "bounds", "said"),
    [
        (["f1", "recall"], {}, "'recall'; allowed: f1, auc, rare_f1, hours, gpu_hours"),
        (["rare_f1", "f1"], {}, "the first, rare_f1, must be objective=f1"),
        (["f1", "rare_f1", "rare_f1"], {}, "rare_f1 is listed twice"),
        (["f1", "gpu_hours"], {}, "trial.gpus"),
        ([], {"speed": {"at_least": 1.0}}, "constraints: 'speed'"),
        ([], {"f1": {"above": 1.0}}, "write {f1: {at_least"),
        ([], {"f1": {"at_least": float("nan")}}, "constraints: f1"),
    ],
)
def test_wrong_goals_are_named(objectives: list[str], bounds: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_goals("f1", objectives, bounds, 0.0)
    assert said in str(caught.value)


def test_a_result_without_a_score_has_no_numbers() -> None:
    assert numbers_of(None) == {}
    assert {*numbers_of(score())} == {"f1", "auc", "rare_f1"}
