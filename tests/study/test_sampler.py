"""What Optuna is told, and that a continued search does not begin again."""

import optuna
import pytest
from optuna.trial import TrialState

from study.config import TrialConfig
from study.sampler import KEY_ATTRIBUTE, make_sampler, past_trial, tell
from study.space import Space, parse_space
from tests.study.make import result, trial


@pytest.fixture
def space() -> Space:
    return parse_space({"optim": {"lr": {"log_uniform": [1e-4, 1.0]}}}, TrialConfig())


def new_study(seed: int = 0, past: int = 0) -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=make_sampler(seed, past))


def proposals(study: optuna.Study, space: Space, number: int = 3) -> list[float]:
    return [study.ask(space.distributions).params["optim.lr"] for _ in range(number)]


def test_a_finished_trial(space: Space) -> None:
    frozen = past_trial(space, {"optim.lr": 0.01}, result(trial(lr=0.01), 0.75))
    assert (frozen.state, frozen.value) == (TrialState.COMPLETE, 0.75)
    assert frozen.params == {"optim.lr": 0.01}
    assert frozen.distributions == space.distributions
    assert frozen.intermediate_values == {1: 0.25, 2: 0.375}
    assert frozen.user_attrs[KEY_ATTRIBUTE] == trial(lr=0.01).key


def test_a_pruned_trial_keeps_its_curve_and_has_no_value(space: Space) -> None:
    frozen = past_trial(space, {"optim.lr": 0.01}, result(trial(), 0.375, status="PRUNED"))
    assert frozen.state == TrialState.PRUNED
    assert frozen.value is None
    assert frozen.intermediate_values == {1: 0.25, 2: 0.375}


def test_a_failed_trial(space: Space) -> None:
    frozen = past_trial(space, {"optim.lr": 0.01}, result(trial(), None, status="FAILED", curve=()))
    assert (frozen.state, frozen.value) == (TrialState.FAIL, None)


def test_past_trials_are_accepted_and_weigh_in(space: Space) -> None:
    study = new_study(past=20)
    for number in range(20):
        lr = 10 ** -(number / 5)
        study.add_trial(past_trial(space, {"optim.lr": lr}, result(trial(lr=lr), lr)))
    assert study.best_value == 1.0
    later = proposals(study, space, 10)
    assert sum(lr > 0.1 for lr in later) > 6, "large rates were better; of 4 decades, one has most of the proposals"


def test_params_outside_the_space_are_refused(space: Space) -> None:
    with pytest.raises(ValueError, match=r"optim\.lr"):
        past_trial(space, {"optim.lr": 5.0}, result(trial()))


@pytest.mark.parametrize(
    ("status", "state", "value"),
    [("DONE", TrialState.COMPLETE, 0.5), ("PRUNED", TrialState.PRUNED, 0.25), ("FAILED", TrialState.FAIL, None)],
)
def test_tell_closes_a_trial(space: Space, status: str, state: TrialState, value: float | None) -> None:
    study = new_study()
    asked = study.ask(space.distributions)
    asked.report(0.25, step=1)
    tell(study, asked, result(trial(), None if status == "FAILED" else 0.5, status=status))
    told = study.trials[0]
    assert (told.state, told.value) == (state, value)
    assert told.user_attrs[KEY_ATTRIBUTE] == trial().key


def test_tell_without_a_result(space: Space) -> None:
    study = new_study()
    tell(study, study.ask(space.distributions), None)
    assert study.trials[0].state == TrialState.FAIL


def test_proposals_follow_the_seed(space: Space) -> None:
    assert proposals(new_study(0), space) == proposals(new_study(0), space)
    assert not set(proposals(new_study(0), space)) & set(proposals(new_study(1), space))


def test_a_continued_search_makes_new_proposals(space: Space) -> None:
    first, later = proposals(new_study(0, past=0), space, 5), proposals(new_study(0, past=5), space, 5)
    assert not set(first) & set(later)
