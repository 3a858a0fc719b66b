"""Start points."""

from typing import Any

import pytest

from data.errors import InputError
from study.records.config import TrialConfig, trial_from_dict
from study.search.space import broken_sticks, parse_space
from study.search.start_points import matches, points_like, start_points, stick_lengths

SPACE = {
    "optim": {"lr": {"log_uniform": [1e-4, 1e-2]}},
    "head": {"dim": {"int": [4, 64]}},
    "method": {"draw": {"choice": ["anchor", "au"]}, "ratios": {"simplex": ["self", "max", "mean"]}},
}
METHODS = {
    "optim": {"lr": {"log_uniform": [1e-4, 1e-2]}},
    "methods": {"aunce": {"method": {"temperature": {"uniform": [0.1, 1.0]}}}, "byol": {}},
}


@pytest.mark.parametrize("shares", [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.25] * 4, [0.0, 0.0, 1.0]])
def test_shares_come_back_from_their_sticks(shares: list[float]) -> None:
    sticks = stick_lengths(shares)
    assert all(0 <= stick <= 1 for stick in sticks)
    assert broken_sticks(sticks) == pytest.approx(shares)


@pytest.mark.parametrize(
    "given",
    [
        {"method": {"ratios": {"self": 0.2, "max": 0.3, "mean": 0.5}, "draw": "au"}, "optim": {"lr": 0.001}},
        {"method.ratios.self": 0.2, "method.ratios.max": 0.3, "method.ratios.mean": 0.5, "optim.lr": 0.001}
        | {"method": {"draw": "au"}},
    ],
)
def test_nested_and_dotted_points_are_what_the_sampler_draws(given: dict[str, Any]) -> None:
    space = parse_space(SPACE, TrialConfig())
    [point] = start_points(space, [given])
    config = space.apply(TrialConfig(), point | {"head.dim": 8})
    assert (config.value("method.draw"), config.optim.lr, config.head.dim) == ("au", 0.001, 8)
    assert [config.value(f"method.ratios.{part}") for part in ("self", "max", "mean")] == pytest.approx([0.2, 0.3, 0.5])
    assert "head.dim" not in point


def test_a_point_of_a_method() -> None:
    space = parse_space(METHODS, TrialConfig())
    [point] = start_points(space, [{"method_name": "aunce", "method": {"temperature": 0.5}, "optim": {"lr": 0.01}}])
    assert point == {"method_name": "aunce", "aunce:method.temperature": 0.5, "optim.lr": 0.01}


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        (SPACE, {"method": {"temprature": 0.1}}, "method.temprature is not searched; searched are optim.lr"),
        (SPACE, {"optim": {"lr": 0.5}}, "optim.lr=0.5 is not among 0.0001 to 0.01"),
        (SPACE, {"head": {"dim": 8.0}}, "head.dim=8.0 is not among 4 to 64"),
        (SPACE, {"method": {"draw": "subject"}}, "method.draw='subject' is not among anchor, au"),
        (SPACE, {"method": {"ratios": {"self": 0.5, "max": 0.5}}}, "give all of self, max, mean"),
        (SPACE, {"method": {"ratios": {"self": 0.5, "max": 0.5, "mean": 0.5}}}, "that sum to 1"),
        (SPACE, {"method.ratios#0": 0.5}, "method.ratios#0 is not searched"),
        (SPACE, {"method_name": "bce"}, "method_name is not searched"),
        (SPACE, 3, "write the settings"),
        (METHODS, {"optim": {"lr": 0.001}}, "method_name=None; say which: aunce, byol"),
        (METHODS, {"method_name": "byol", "method": {"temperature": 0.5}}, "method.temperature is not searched"),
    ],
)
def test_wrong_points_are_named(spec: dict[str, Any], given: Any, said: str) -> None:
    space = parse_space(spec, TrialConfig())
    with pytest.raises(InputError) as caught:
        start_points(space, [given])
    assert said in str(caught.value)
    assert "start point 1" in str(caught.value)


def test_all_wrong_points_are_named_at_once() -> None:
    with pytest.raises(InputError, match=r"(?s)start point 1.*start point 3"):
        start_points(parse_space(SPACE, TrialConfig()), [{"a": 1}, {"optim.lr": 0.001}, {"optim.lr": 7.0}])


def test_a_point_that_was_tried() -> None:
    assert matches({"optim.lr": 0.1}, {"optim.lr": 0.1, "head.dim": 4})
    assert not matches({"optim.lr": 0.1}, {"optim.lr": 0.2})
    assert not matches({"optim.lr": 0.1}, {"head.dim": 4})


def test_the_points_of_another_search_are_those_that_fit() -> None:
    space = parse_space(SPACE, TrialConfig())
    given = {"optim": {"lr": 0.002}, "head": {"dim": 9}, "method": {"ratios": {"self": 0.1, "max": 0.2, "mean": 0.7}}}
    fitting = trial_from_dict({"data": {"dataset": "disfa"}, **given})
    outside = trial_from_dict({"optim": {"lr": 0.5}})
    other = trial_from_dict({"method_name": "bce", "method": {}})
    [point] = points_like(space, [fitting, outside, other, fitting])
    made = space.apply(TrialConfig(), point)
    assert (made.optim.lr, made.head.dim, made.method.draw) == (0.002, 9, "anchor")  # type: ignore[union-attr]
    assert made.value("method.ratios.mean") == pytest.approx(0.7)
    assert made.data == TrialConfig().data


def test_the_points_of_another_search_over_methods() -> None:
    space = parse_space(METHODS, TrialConfig())
    configs = [
        trial_from_dict({"method_name": "bce", "method": {}}),
        trial_from_dict({"method_name": "byol", "optim": {"lr": 0.003}}),
        trial_from_dict({"method_name": "aunce", "method": {"temperature": 0.4}, "optim": {"lr": 0.004}}),
    ]
    assert points_like(space, configs) == [
        {"method_name": "byol", "optim.lr": 0.003},
        {"method_name": "aunce", "aunce:method.temperature": 0.4, "optim.lr": 0.004},
    ]
