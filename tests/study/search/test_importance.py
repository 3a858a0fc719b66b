"""Importance of the searched settings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from data.seeds import numpy_generator
from study.records.store import TRIALS
from study.search.importance import _distribution, ped_anova

SCHEMA = {"parameter": pl.String, "importance": pl.Float64}


def trials(columns: Mapping[str, pl.Series] | None = None, n: int = 40) -> pl.DataFrame:
    """Trials whose value is `optim.lr`, nearly; `head.dim` and `optim.warmup` do nothing."""
    rng = numpy_generator("importance")
    lr, noise = rng.random(n), rng.random(n)
    frame = {
        "status": ["DONE"] * n,
        "stage": ["sweep"] * n,
        "value": lr + 0.01 * noise,
        "param/optim.warmup": rng.random(n),
        "param/optim.lr": lr,
        "param/head.dim": rng.integers(8, 64, n),
    }
    return pl.DataFrame({**frame, **(columns or {})})


def test_the_setting_that_matters_comes_first() -> None:
    found = ped_anova(trials())
    assert dict(found.schema) == SCHEMA
    assert found["parameter"][0] == "optim.lr"
    assert set(found["parameter"]) == {"optim.lr", "optim.warmup", "head.dim"}
    assert found["importance"][0] > 3 * found["importance"][1]
    assert found["importance"].sum() == pytest.approx(1)
    assert found["importance"].is_sorted(descending=True)


def test_it_is_the_same_each_time() -> None:
    assert ped_anova(trials()).equals(ped_anova(trials()))


def test_a_choice_that_matters_comes_first() -> None:
    chosen = numpy_generator("choice").integers(0, 2, 40)
    draw = pl.Series(["anchor" if one else "au" for one in chosen])
    found = ped_anova(trials({"value": pl.Series(chosen + 0.0), "param/method.draw": draw}))
    assert found["parameter"][0] == "method.draw"


def test_booleans_are_choices() -> None:
    chosen = numpy_generator("choice").integers(0, 2, 40) == 1
    frame = trials({"value": pl.Series(chosen).cast(pl.Float64), "param/method.class_weights": pl.Series(chosen)})
    assert ped_anova(frame)["parameter"][0] == "method.class_weights"


def test_it_is_the_best_trials_that_count() -> None:
    lr, warmup = (trials()[f"param/optim.{name}"].to_numpy() for name in ("lr", "warmup"))
    value = np.where(lr > 0.85, 1.0, np.where(warmup < 0.15, 0.0, 0.5))  # one makes the best, the other the worst
    assert ped_anova(trials({"value": pl.Series(value)}))["parameter"][0] == "optim.lr"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e-6, 1.0, 0.1], FloatDistribution(1e-6, 1.0, log=True)),
        ([0.5, 1.0, 0.25], FloatDistribution(0.25, 1.0)),
        ([0.0, 1.0], FloatDistribution(0.0, 1.0)),
        ([3, 1, 2], IntDistribution(1, 3)),
        (["b", "a", "b"], CategoricalDistribution(("a", "b"))),
    ],
)
def test_the_range_is_what_was_seen(values: list[Any], expected: BaseDistribution) -> None:
    assert _distribution(pl.Series(values)) == expected


def test_a_constant_setting_is_left_out() -> None:
    found = ped_anova(trials({"param/optim.warmup": pl.Series([1.0] * 40)}))
    assert set(found["parameter"]) == {"optim.lr", "head.dim"}


def test_equal_values_say_nothing() -> None:
    assert ped_anova(trials({"value": pl.Series([0.5] * 40)})).is_empty()


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_trials(n: int) -> None:
    found = ped_anova(trials(n=n))
    assert found.is_empty()
    assert dict(found.schema) == SCHEMA


def test_four_trials_are_enough() -> None:
    assert ped_anova(trials(n=4)).height == 3


@pytest.mark.parametrize(("column", "value"), [("status", "PRUNED"), ("status", "FAILED"), ("stage", "final")])
def test_only_finished_trials_of_the_search_count(column: str, value: str) -> None:
    assert ped_anova(trials({column: pl.Series([value] * 37 + [trials()[column][0]] * 3)})).is_empty()


def test_a_study_without_results() -> None:
    assert ped_anova(pl.DataFrame(schema=TRIALS)).is_empty()


def test_settings_of_one_method_are_compared_with_each_other() -> None:
    frame = trials()
    method = pl.Series(["aunce", "bce"] * 20)
    own = {
        "param/method_name": method,
        "param/aunce:method.temperature": frame["param/optim.lr"].set(method == "bce", None),
        "param/aunce:method.dim": frame["param/optim.warmup"].set(method == "bce", None),
        "param/bce:method.balance": frame["param/optim.warmup"].set(method == "aunce", None),
    }
    found = dict(ped_anova(frame.with_columns(**own)).iter_rows())
    assert found["aunce:method.temperature"] > found["aunce:method.dim"]
    assert found["aunce:method.temperature"] + found["aunce:method.dim"] == pytest.approx(1)
    assert found["bce:method.balance"] == pytest.approx(1)
    common = ["optim.lr", "optim.warmup", "head.dim", "method_name"]
    assert sum(found[name] for name in common) == pytest.approx(1)
