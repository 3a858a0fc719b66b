"""Importance of the searched settings, and what chance makes of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import polars as pl
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

from data.seeds import numpy_generator
from study.records.store import EPOCHS, TRIALS
from study.search.importance import (
    IMPORTANCE,
    MIN_TRIALS,
    TrialGroup,
    best_count,
    fair_scores,
    importances,
    null_limits,
    ped_anova,
)

NO_EPOCHS = pl.DataFrame(schema=EPOCHS)


def trials(columns: Mapping[str, pl.Series] | None = None, n: int = 40) -> pl.DataFrame:
    """Trials whose value is `optim.lr`, nearly; `head.dim` and `optim.warmup` do nothing."""
    rng = numpy_generator("importance")
    lr, noise = rng.random(n), rng.random(n)
    frame = {
        "key": [f"{number:04x}" for number in range(n)],
        "status": ["DONE"] * n,
        "stage": ["sweep"] * n,
        "fold": ["part1"] * n,
        "value": lr + 0.01 * noise,
        "param/optim.warmup": rng.random(n),
        "param/optim.lr": lr,
        "param/head.dim": rng.integers(8, 64, n),
    }
    return pl.DataFrame({**frame, **(columns or {})})


def first(frame: pl.DataFrame) -> str:
    return str(ped_anova(frame, NO_EPOCHS)["parameter"][0])


def test_the_setting_that_matters_comes_first_and_is_beyond_chance() -> None:
    found = ped_anova(trials(), NO_EPOCHS)
    assert dict(found.schema) == IMPORTANCE
    assert found["parameter"][0] == "optim.lr"
    assert set(found["parameter"]) == {"optim.lr", "optim.warmup", "head.dim"}
    assert found["importance"][0] > 3 * found["importance"][1]
    assert found["importance"].sum() == pytest.approx(1)
    assert found["importance"].is_sorted(descending=True)
    assert found["beyond"].to_list() == [True, False, False]
    assert found.filter((pl.col("importance") > pl.col("limit")) != pl.col("beyond")).is_empty()


def test_it_is_the_same_each_time() -> None:
    assert ped_anova(trials(), NO_EPOCHS).equals(ped_anova(trials(), NO_EPOCHS))


def test_a_choice_that_matters_comes_first() -> None:
    chosen = numpy_generator("choice").integers(0, 2, 40)
    draw = pl.Series(["anchor" if one else "au" for one in chosen])
    assert first(trials({"value": pl.Series(chosen + 0.0), "param/method.draw": draw})) == "method.draw"


def test_booleans_are_choices() -> None:
    chosen = numpy_generator("choice").integers(0, 2, 40) == 1
    frame = trials({"value": pl.Series(chosen).cast(pl.Float64), "param/method.class_weights": pl.Series(chosen)})
    assert first(frame) == "method.class_weights"


def test_it_is_the_best_trials_that_count() -> None:
    lr, warmup = (trials()[f"param/optim.{name}"].to_numpy() for name in ("lr", "warmup"))
    value = np.where(lr > 0.85, 1.0, np.where(warmup < 0.15, 0.0, 0.5))  # one makes the best, the other the worst
    assert first(trials({"value": pl.Series(value)})) == "optim.lr"


def searched(n: int) -> tuple[pl.DataFrame, dict[str, BaseDistribution]]:
    """Trials with settings of every kind, and their ranges."""
    rng = numpy_generator("kinds", n)
    known: dict[str, Any] = {
        "flat": rng.uniform(0.5, 1.0, n).tolist(),
        "wide": (10 ** rng.uniform(-4, 0, n)).tolist(),
        "few": rng.integers(3, 20, n).tolist(),
        "many": rng.integers(0, 500, n).tolist(),
        "word": ["x", "y", "z", *rng.choice(["x", "y", "z"], n - 3).tolist()],
    }
    ranges = {name: (min(values), max(values)) for name, values in known.items()}
    spaces: dict[str, BaseDistribution] = {
        "flat": FloatDistribution(*ranges["flat"]),
        "wide": FloatDistribution(*ranges["wide"], log=True),
        "few": IntDistribution(*ranges["few"]),
        "many": IntDistribution(*ranges["many"]),
        "word": CategoricalDistribution(["x", "y", "z"]),
    }
    columns = {f"param/{name}": values for name, values in known.items()}
    same = {"key": [str(number) for number in range(n)], "status": "DONE", "stage": "sweep", "fold": "part1"}
    return pl.DataFrame({**same, "value": rng.random(n).tolist(), **columns}), spaces


@pytest.mark.parametrize("n", [4, 6, 12, 50, 200])
def test_it_is_that_of_optuna(n: int) -> None:
    frame, spaces = searched(n)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for row in frame.iter_rows(named=True):
        params = {name: row[f"param/{name}"] for name in spaces}
        study.add_trial(create_trial(value=row["value"], params=params, distributions=spaces))
    theirs = PedAnovaImportanceEvaluator(target_quantile=best_count(n) / n - 1e-9).evaluate(study)
    ours = dict(ped_anova(frame, NO_EPOCHS).select("parameter", "importance").iter_rows())
    total = sum(theirs.values())
    assert ours == pytest.approx({name: share / total for name, share in theirs.items()}, abs=1e-9)


def test_a_tenth_of_the_trials_are_the_best_and_of_few_trials_five() -> None:
    assert [best_count(n) for n in (4, 8, 12, 24, 50, 51, 200)] == [2, 4, 5, 5, 5, 6, 20]


def curves(*values: list[float]) -> pl.DataFrame:
    rows = [
        {"key": str(key), "epoch": epoch, "value": value}
        for key, curve in enumerate(values)
        for epoch, value in enumerate(curve, start=1)
    ]
    return pl.DataFrame(rows)


def states(*status: str, values: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"key": [*map(str, range(len(status)))], "status": status, "value": values})


def test_an_early_value_never_stands_against_a_final_one() -> None:
    # the pruned trial was ahead at its end, and so it stays, though the other two ended higher
    frame = states("DONE", "DONE", "PRUNED", values=[0.9, 0.8, 0.4])
    assert fair_scores(frame, curves([0.2, 0.9], [0.3, 0.8], [0.4])).tolist() == [0.5, 0.0, 1.0]
    # finished ones by their final values, whatever their curves were
    done = states("DONE", "DONE", values=[0.7, 0.6])
    assert fair_scores(done, curves([0.1, 0.2], [0.8, 0.9])).tolist() == [1.0, 0.0]


def test_scores_against_plain_loops() -> None:
    rng = numpy_generator("loops")
    lasts = rng.integers(1, 6, 20)
    known = [[float(value) for value in rng.integers(0, 9, last)] for last in lasts]
    status = ["DONE" if last == 5 else "PRUNED" for last in lasts]
    values = [curve[-1] + 0.25 * (at % 3) for at, curve in enumerate(known)]
    expected = []
    for i, mine in enumerate(known):
        wins = 0.0
        for j, other in enumerate(known):
            if i == j:
                continue
            both = min(len(mine), len(other)) - 1
            pair = (mine[both], other[both])
            if status[i] == status[j] == "DONE":
                pair = (values[i], values[j])
            wins += 1.0 if pair[0] > pair[1] else 0.5 if pair[0] == pair[1] else 0.0
        expected.append(wins / 19)
    assert fair_scores(states(*status, values=values), curves(*known)).tolist() == pytest.approx(expected)


def test_what_pruning_removed_counts() -> None:
    """Bad rates were pruned after an epoch; among the finished trials the rate says nothing."""
    rng = numpy_generator("pruned")
    lr, noise = rng.random(60), rng.random(60)
    good = lr > 0.7
    known = [[0.5 * lr[at], *([float(noise[at])] * 3 if good[at] else [])] for at in range(60)]
    status = pl.Series(np.where(good, "DONE", "PRUNED"))
    frame = trials(
        {"status": status, "value": pl.Series([curve[-1] for curve in known]), "param/optim.lr": pl.Series(lr)}, 60
    )
    reports = curves(*known).with_columns(
        key=pl.col("key").cast(pl.Int64).map_elements(lambda n: f"{n:04x}", pl.String)
    )
    found = dict(ped_anova(frame, reports).select("parameter", "beyond").iter_rows())
    survivors = dict(ped_anova(frame.filter(status="DONE"), reports).select("parameter", "beyond").iter_rows())
    assert found["optim.lr"]
    assert not survivors["optim.lr"]


def test_limits_leave_one_figure_in_twenty_to_chance() -> None:
    rng = numpy_generator("limits")
    bars = rng.exponential(size=(4000, 6)) * [1, 1, 2, 50, 0.1, 1]
    bars[:, 5] = rng.integers(0, 3, 4000)  # a bar with few values can never be beyond
    limits = null_limits(bars)
    fresh = rng.exponential(size=(20_000, 6)) * [1, 1, 2, 50, 0.1, 1]
    fresh[:, 5] = rng.integers(0, 3, 20_000)
    beyond = fresh > limits
    assert beyond.any(axis=1).mean() == pytest.approx(0.05, abs=0.012)
    assert beyond.mean(axis=0) == pytest.approx([0.0101] * 5 + [0], abs=0.006)


@pytest.mark.parametrize("n", [4, 12, 30])
def test_on_noise_one_figure_in_twenty_has_a_bar_beyond_chance(n: int) -> None:
    hits = []
    for number in range(120):
        rng = numpy_generator("noise", n, number)
        places = [rng.integers(0, size, n) for size in (50, 50, 20, 3)]
        words = [False, False, False, True]
        group = TrialGroup("part1", [*"abcd"], rng.random(n), places, [50, 50, 20, 3], words)
        [bars], [limits] = importances([group], shuffles=200)
        hits.append((bars > limits).any())
    assert np.mean(hits) < 0.12, "3 standard errors above 5 %"


def test_the_limits_are_those_of_all_folds_together() -> None:
    one = trials()
    both = pl.concat([one, one.with_columns(fold=pl.lit("part2"), key="2" + pl.col("key"))])
    alone, together = ped_anova(one, NO_EPOCHS), ped_anova(both, NO_EPOCHS)
    assert together["fold"].to_list() == ["part1"] * 3 + ["part2"] * 3
    assert together["importance"].to_list() == pytest.approx(alone["importance"].to_list() * 2)
    assert (together["limit"][:3] > alone["limit"]).all(), "more bars, more chances"


def test_a_constant_setting_is_left_out() -> None:
    found = ped_anova(trials({"param/optim.warmup": pl.Series([1.0] * 40)}), NO_EPOCHS)
    assert set(found["parameter"]) == {"optim.lr", "head.dim"}


def test_equal_values_say_nothing() -> None:
    assert ped_anova(trials({"value": pl.Series([0.5] * 40)}), NO_EPOCHS).is_empty()


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_trials(n: int) -> None:
    found = ped_anova(trials(n=n), NO_EPOCHS)
    assert found.is_empty()
    assert dict(found.schema) == IMPORTANCE


def test_four_trials_are_enough() -> None:
    assert ped_anova(trials(n=MIN_TRIALS), NO_EPOCHS).height == 3


@pytest.mark.parametrize(("column", "value"), [("status", "FAILED"), ("stage", "final")])
def test_failed_and_final_trials_do_not_count(column: str, value: str) -> None:
    found = trials({column: pl.Series([value] * 37 + [trials()[column][0]] * 3)})
    assert ped_anova(found, NO_EPOCHS).is_empty()


def test_a_study_without_results() -> None:
    assert ped_anova(pl.DataFrame(schema=TRIALS), NO_EPOCHS).is_empty()


def test_settings_of_one_method_are_compared_with_each_other() -> None:
    frame = trials()
    method = pl.Series(["aunce", "bce"] * 20)
    own = {
        "param/method_name": method,
        "param/aunce:method.temperature": frame["param/optim.lr"].set(method == "bce", None),
        "param/aunce:method.dim": frame["param/optim.warmup"].set(method == "bce", None),
        "param/bce:method.balance": frame["param/optim.warmup"].set(method == "aunce", None),
    }
    shares = ped_anova(frame.with_columns(**own), NO_EPOCHS).select("parameter", "importance")
    found = dict(shares.iter_rows())
    assert found["aunce:method.temperature"] > found["aunce:method.dim"]
    assert found["aunce:method.temperature"] + found["aunce:method.dim"] == pytest.approx(1)
    assert found["bce:method.balance"] == pytest.approx(1)
    common = ["optim.lr", "optim.warmup", "head.dim", "method_name"]
    assert sum(found[name] for name in common) == pytest.approx(1)
