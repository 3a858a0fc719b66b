"""The search space: what is refused, what is drawn, and what a draw changes."""

import dataclasses
import re
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from data.errors import InputError
from data.seeds import numpy_generator
from model.losses.settings import Ratios
from study.records.config import TrialConfig
from study.search.space import broken_sticks, parse_space

BASE = TrialConfig()
SPEC: dict[str, Any] = {
    "method": {
        "temperature": {"log_uniform": [0.05, 1]},
        "draw": {"choice": ["anchor", "au"]},
        "ratios": {"simplex": ["mean", "self", "max"]},
    },
    "optim": {"weight_decay": {"uniform": [0, 0.1]}},
    "head": {"dim": {"int": [16, 64]}},
}
PARAMS: dict[str, Any] = {
    "method.temperature": 0.25,
    "method.draw": "au",
    "method.ratios#0": 0.5,
    "method.ratios#1": 0.25,
    "optim.weight_decay": 0.0625,
    "head.dim": 20,
}


def flat(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    inner = [flat(v, f"{path}{k}.") if isinstance(v, dict) else {path + k: v} for k, v in values.items()]
    return {name: value for part in inner for name, value in part.items()}


def test_every_kind_has_its_distribution() -> None:
    assert parse_space(SPEC, BASE).distributions == {
        "method.temperature": FloatDistribution(0.05, 1.0, log=True),
        "method.draw": CategoricalDistribution(("anchor", "au")),
        "method.ratios#0": FloatDistribution(0.0, 1.0),
        "method.ratios#1": FloatDistribution(0.0, 1.0),
        "optim.weight_decay": FloatDistribution(0.0, 0.1),
        "head.dim": IntDistribution(16, 64),
    }


def test_names_of_the_searched_settings() -> None:
    names = parse_space(SPEC, BASE).settings_names
    ratios = [f"method.ratios.{part}" for part in ("mean", "self", "max")]
    assert names == ["method.temperature", "method.draw", "optim.weight_decay", "head.dim", *ratios]
    assert all(BASE.value(name) is not None for name in names)


def test_apply_changes_the_searched_settings_and_nothing_else() -> None:
    space = parse_space(SPEC, BASE)
    before, after = flat(BASE.to_dict()), flat(space.apply(BASE, PARAMS).to_dict())
    assert before == flat(TrialConfig().to_dict()), "the base is as it was"
    assert {name for name in before if before[name] != after[name]} == set(space.settings_names)
    shares = dict(zip(("mean", "self", "max"), broken_sticks([0.5, 0.25]), strict=True))
    assert {name: after[name] for name in PARAMS if "#" not in name} == {
        name: value for name, value in PARAMS.items() if "#" not in name
    }
    assert {part: after[f"method.ratios.{part}"] for part in shares} == shares


def test_whatever_optuna_draws_is_a_trial() -> None:
    space = parse_space(SPEC, BASE)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    configs = [space.apply(BASE, study.ask(space.distributions).params) for _ in range(50)]
    assert len({config.key for config in configs}) == 50
    assert all(16 <= config.head.dim <= 64 for config in configs)


def test_params_of_an_optuna_trial_come_back() -> None:
    space = parse_space({"optim": {"lr": {"choice": [1, 0.5]}}}, BASE)
    assert space.apply(BASE, {"optim.lr": 1}).optim.lr == 1.0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"optim": {"learning": {"uniform": [0, 1]}}},
            "optim.learning: no such setting; allowed at this place: epochs",
        ),
        ({"optim": {"lr": {"peak": {"uniform": [0, 1]}}}}, "optim.lr.peak: no such setting; allowed at this place: no"),
        ({"head": {"dim": {"uniform": [16, 64]}}}, "head.dim: uniform gives float, but it is int"),
        ({"optim": {"lr": {"int": [1, 2]}}}, "optim.lr: int gives int, but it is float"),
        ({"method": {"draw": {"log_uniform": [1, 2]}}}, "method.draw: log_uniform gives float, but it is str"),
        ({"method": {"class_weights": {"int": [0, 1]}}}, "class_weights: int gives int, but it is bool"),
        ({"optim": {"lr": {"uniform": [0.2, 0.1]}}}, "optim.lr: uniform [0.2, 0.1]"),
        ({"head": {"dim": {"int": [64, 16]}}}, "head.dim: int [64, 16]"),
        ({"optim": {"lr": {"log_uniform": [0, 0.1]}}}, "optim.lr: log_uniform [0, 0.1]"),
        ({"optim": {"lr": {"uniform": [0.1]}}}, "needs [low, high]"),
        ({"optim": {"lr": {"uniform": [0.1, "x"]}}}, "needs [low, high], two of int or float"),
        ({"optim": {"lr": {"uniform": [0.1, float("nan")]}}}, "needs [low, high]"),
        ({"optim": {"lr": {"uniform": [0.1, float("inf")]}}}, "needs [low, high]"),
        ({"optim": {"lr": {"uniform": [False, True]}}}, "needs [low, high]"),
        ({"head": {"dim": {"int": [16.5, 64]}}}, "needs [low, high], two of int"),
        ({"optim": {"lr": {"uniform": "12"}}}, "optim.lr: uniform needs a list, got '12'"),
        ({"method": {"draw": {"choice": "au"}}}, "method.draw: choice needs a list, got 'au'"),
        ({"method": {"draw": {"choice": []}}}, "method.draw: choice []"),
        ({"method": {"ratios": {"simplex": ["self", "max"]}}}, "all of its parts: self, max, mean"),
        ({"method": {"ratios": {"simplex": ["self", "max", "mean", "max"]}}}, "all of its parts: self, max, mean"),
        ({"method": {"ratios": {"simplex": ["self", 1, None]}}}, "all of its parts: self, max, mean"),
        ({"optim": {"lr": {"simplex": ["self", "max"]}}}, "optim.lr: a simplex needs all of its parts: none here"),
        ({"head": {"simplex": ["dim", "pool"]}}, "head.dim"),
        ({"optim": {"lr": 0.1}}, "optim.lr=0.1: a setting needs one of uniform, log_uniform, int, choice, simplex"),
        ({"optim": {"lr": [0.1, 0.2]}}, "optim.lr=[0.1, 0.2]: a setting needs one of"),
        ({"optim": {"lr": {"uniform": [0, 1], "choice": [1]}}}, "a setting needs one of"),
        ({"optim": {"lr": {"loguniform": [0.1, 1]}}}, "optim.lr.loguniform"),
        ({"optim": {"lr": {"uniform": [0.1, 11.0]}}}, "lr=11.0 lies outside [0, 10]"),
        ({"method": {"beta_active": {"uniform": [-1, 1]}}}, "beta_active=-1.0 lies outside [0, 10]"),
        ({"method": {"draw": {"choice": ["anchor", "frame", "au"]}}}, "draw='frame'; allowed: anchor, au"),
        ({"optim": {"lr": {"choice": [0.1, "high"]}}}, "optim.lr='high' is str, expected float"),
        ({}, "the search space is empty"),
        ({"optim": {}}, "the search space is empty"),
    ],
)
def test_wrong_space_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse_space(spec, BASE)


@pytest.mark.parametrize(
    "spec",
    [
        {"seed": {"int": [0, 9]}},
        {"data": {"fold": {"choice": ["part1"]}}},
        {"score_test": {"choice": [True]}},
        {"method_name": {"choice": ["bce"]}},
        {"optim": {"epochs": {"int": [1, 9]}}},
        {"optim": {"objective": {"choice": ["f1", "auc"]}}},
    ],
)
def test_what_is_compared_is_not_searched(spec: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="this setting is fixed and cannot be searched"):
        parse_space(spec, BASE)


def test_all_mistakes_are_listed_at_once() -> None:
    spec = {
        "optim": {"lr": {"uniform": [0.2, 0.1]}, "speed": {"uniform": [0, 1]}, "weight_decay": 3},
        "method": {"temperature": {"uniform": [0, 0.5]}, "beta_active": {"uniform": [1, 20]}},
        "head": {"dim": {"int": [8, 16]}, "pool": {"choice": ["max"]}},
    }
    with pytest.raises(InputError) as raised:
        parse_space(spec, BASE)
    listed = [line for line in str(raised.value).splitlines() if line.startswith("  - ")]
    wrong = ["optim.lr", "optim.speed", "optim.weight_decay", "method.temperature", "method.beta_active", "head.pool"]
    assert [line.split()[1].split(":")[0].split("=")[0] for line in listed] == wrong


# --- the simplex

K = 4
DRAWS = 20_000


def shares() -> np.ndarray:
    """Uniform draws of the sticks -> points of the simplex [DRAWS, K]."""
    uniforms = numpy_generator("sticks", 0).random((DRAWS, K - 1))
    return np.array([broken_sticks(row) for row in uniforms.tolist()])


def test_uniform_sticks_are_uniform_on_the_simplex() -> None:
    drawn = shares()
    variance = (K - 1) / (K**2 * (K + 1))  # Dirichlet(1, .., 1)
    np.testing.assert_allclose(drawn.mean(0), 1 / K, atol=5 * np.sqrt(variance / DRAWS))
    covariance = np.where(np.eye(K, dtype=bool), variance, -1 / (K**2 * (K + 1)))
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.001)


@pytest.mark.parametrize("part", range(K))
def test_every_margin_is_that_of_the_flat_dirichlet(part: int) -> None:
    margin = np.sort(shares()[:, part])
    expected = 1 - (1 - margin) ** (K - 1)
    distance = np.abs(expected - np.arange(1, DRAWS + 1) / DRAWS).max()
    assert distance < 1.63 / np.sqrt(DRAWS), "Kolmogorov-Smirnov at 1 %"


def test_shares_sum_to_one_and_none_is_negative() -> None:
    drawn = shares()
    np.testing.assert_allclose(drawn.sum(1), 1, atol=1e-12)
    assert drawn.min() >= 0


@pytest.mark.parametrize(
    ("sticks", "expected"),
    [([0, 0], [0, 0, 1]), ([1, 1], [1, 0, 0]), ([1, 0], [1, 0, 0]), ([0, 1], [0, 1, 0]), ([0.5], [0.5, 0.5])],
)
def test_corners_of_the_simplex(sticks: list[float], expected: list[float]) -> None:
    assert broken_sticks(sticks) == expected


def test_a_part_that_is_fixed_at_0_may_be_left_out() -> None:
    parts = [part.name for part in dataclasses.fields(BASE.method.ratios)]  # type: ignore[union-attr]
    assert parse_space({"method": {"ratios": {"simplex": parts}}}, BASE).simplexes == {"method.ratios": tuple(parts)}
    space = parse_space({"method": {"ratios": {"simplex": ["max", "mean", "self"]}}}, BASE)
    config = space.apply(BASE, {"method.ratios#0": 0.3, "method.ratios#1": 0.6})
    assert config.value("method.ratios.centroid") == 0
    shares = {"self": 0.3, "max": 0.3, "mean": 0.2, "centroid": 0.2}
    other = dataclasses.replace(BASE, method=dataclasses.replace(BASE.method, ratios=Ratios(**shares)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="all of its parts: self, max, mean, centroid"):
        parse_space({"method": {"ratios": {"simplex": ["self", "max", "mean"]}}}, other)


@pytest.mark.parametrize("sticks", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (np.nextafter(1, 0), 1e-300)])
def test_corners_are_valid_ratios(sticks: tuple[float, float]) -> None:
    space = parse_space({"method": {"ratios": {"simplex": ["self", "max", "mean"]}}}, BASE)
    config = space.apply(BASE, {f"method.ratios#{number}": float(stick) for number, stick in enumerate(sticks)})
    values = [config.value(f"method.ratios.{part}") for part in ("self", "max", "mean")]
    assert sum(values) == pytest.approx(1)
