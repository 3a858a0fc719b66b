"""Importance of the searched settings."""

import polars as pl
import pytest

from data.seeds import numpy_generator
from study.importance import importance
from study.store import TRIALS

SCHEMA = {"parameter": pl.String, "importance": pl.Float64}


def trials(n: int = 40, **columns: pl.Series) -> pl.DataFrame:
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
    return pl.DataFrame({**frame, **columns})


def test_the_setting_that_matters_comes_first() -> None:
    found = importance(trials())
    assert dict(found.schema) == SCHEMA
    assert found["parameter"][0] == "optim.lr"
    assert set(found["parameter"]) == {"optim.lr", "optim.warmup", "head.dim"}
    assert found["importance"][0] > 3 * found["importance"][1]
    assert found["importance"].sum() == pytest.approx(1)
    assert found["importance"].is_sorted(descending=True)


def test_it_is_the_same_each_time() -> None:
    assert importance(trials()).equals(importance(trials()))


def test_a_choice_that_matters_comes_first() -> None:
    chosen = numpy_generator("choice").integers(0, 2, 40)
    draw = pl.Series(["anchor" if one else "au" for one in chosen])
    found = importance(trials(value=pl.Series(chosen + 0.0), **{"param/method.draw": draw}))
    assert found["parameter"][0] == "method.draw"


def test_booleans_are_choices() -> None:
    chosen = numpy_generator("choice").integers(0, 2, 40) == 1
    frame = trials(value=pl.Series(chosen).cast(pl.Float64), **{"param/method.class_weights": pl.Series(chosen)})
    assert importance(frame)["parameter"][0] == "method.class_weights"


def test_a_setting_of_many_decades_is_compared_on_a_log_scale() -> None:
    exponent = numpy_generator("decades").uniform(-6, 0, 40)
    value = pl.Series((exponent < -5).astype(float))  # all of it below 1e-5, one point of a linear scale
    found = importance(trials(value=value, **{"param/optim.weight_decay": pl.Series(10**exponent)}))
    assert found["parameter"][0] == "optim.weight_decay"


def test_a_constant_setting_is_left_out() -> None:
    found = importance(trials(**{"param/optim.warmup": pl.Series([1.0] * 40)}))
    assert set(found["parameter"]) == {"optim.lr", "head.dim"}


def test_equal_values_are_no_error() -> None:
    found = importance(trials(value=pl.Series([0.5] * 40)))
    assert found.height == 3
    assert not found["importance"].is_nan().any()


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_trials(n: int) -> None:
    found = importance(trials(n))
    assert found.is_empty()
    assert dict(found.schema) == SCHEMA


def test_four_trials_are_enough() -> None:
    assert importance(trials(4)).height == 3


@pytest.mark.parametrize(("column", "value"), [("status", "PRUNED"), ("status", "FAILED"), ("stage", "final")])
def test_only_finished_trials_of_the_search_count(column: str, value: str) -> None:
    assert importance(trials(**{column: pl.Series([value] * 37 + [trials()[column][0]] * 3)})).is_empty()


def test_a_study_without_results() -> None:
    assert importance(pl.DataFrame(schema=TRIALS)).is_empty()
