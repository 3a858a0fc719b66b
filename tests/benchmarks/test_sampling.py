"""What is computed of finished searches."""

import math

import polars as pl
import pytest

from tests.benchmarks.sampling import SCHEMA, STRATEGIES, early_looks, figure, mean_progress, progress, times_sooner
from tests.study.make import outcome, result, trial


def test_the_best_so_far_after_each_trial() -> None:
    made = [
        result(trial(1), 0.9, status="PRUNED", curve=(0.9,)),
        result(trial(2), 0.25),
        result(trial(3), 0.5),
        result(trial(4), None, status="FAILED", curve=()),
        result(trial(5), 0.375),
    ]
    rows = progress("TPE", 0, [outcome(one) for one in made], 6)
    assert [(row["epochs"], row["best"]) for row in rows] == [(1, None), (3, 0.25), (5, 0.5), (5, 0.5), (6, 0.5)]


def table(**curves: list[list[tuple[int, float]]]) -> pl.DataFrame:
    rows = [
        {"strategy": strategy, "seed": seed, "epochs": epochs, "best": best}
        for strategy, seeds in curves.items()
        for seed, points in enumerate(seeds)
        for epochs, best in points
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def test_how_much_sooner() -> None:
    found = table(
        random=[[(4, 0.2), (8, 0.4)], [(4, 0.4), (8, 0.6)]],
        good=[[(2, 0.5), (8, 0.6)], [(2, 0.3), (4, 0.5), (8, 0.9)]],
        bad=[[(8, 0.4)]],
    )
    assert mean_progress(found, "random", range(1, 9)).tolist() == pytest.approx([0] * 3 + [0.3] * 4 + [0.5])  # type: ignore[arg-type]
    assert times_sooner(found, "good", 8) == 2.0
    assert times_sooner(found, "random", 8) == 1.0
    assert times_sooner(found, "bad", 8) is None


def test_what_an_early_look_is_worth() -> None:
    curves = [(0.1, 0.1), (0.3, 0.2), (0.2, 0.3)]
    made = [
        result(trial(seed), value, curve=curve)
        for seed, (curve, value) in enumerate(zip(curves, (0.4, 0.5, 0.6), strict=True))
    ]
    made.append(result(trial(9), 0.9, status="PRUNED", curve=(0.9,)))
    assert early_looks([outcome(one) for one in made]) == pytest.approx({1: 0.5})


def test_the_plot_shows_each_seed_and_their_mean() -> None:
    curves = {name: [[(2, 0.5), (4, 0.75)], [(3, 0.25)]] for name in STRATEGIES}
    drawn = figure(table(**curves), 4).data
    assert [trace.name for trace in drawn] == [None, None, "random", None, None, "TPE", None, None, "TPE + ASHA"]
    assert [None if math.isnan(y) else float(y) for y in drawn[0].y] == [None, 50.0, 50.0, 75.0]
    assert [None if math.isnan(y) else float(y) for y in drawn[2].y] == [None, 25.0, 37.5, 50.0]
