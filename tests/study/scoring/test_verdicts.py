"""Verdicts from counts and score tables."""

from typing import Any

import polars as pl
import pytest

from study.records.said import ALARM
from study.records.score_table import scores_frame
from study.scoring.verdicts import (
    HEADLINE,
    counted_standing,
    idle_runs,
    order_of,
    orders_of,
    table_parts,
    transfer_verdict,
)

AUC, POOLED = ("auc", "0.5", "folds"), ("f1", "0.5", "pooled")


def counts(**runs: list[tuple[int, int, int, int]]) -> pl.DataFrame:
    """Two people with the same counts of each AU; a run is named by its fold and seed: `a0`."""
    cells = ("tp", "fp", "fn", "tn")
    return pl.DataFrame(
        [
            {"fold": run[0], "seed": int(run[1]), "subject": person, "au": au, **dict(zip(cells, cell, strict=True))}
            for run, by_au in runs.items()
            for person in ("x", "y")
            for au, cell in enumerate(by_au, start=1)
        ]
    )


def test_idle_runs_are_named() -> None:
    silent, mixed, fine = [(0, 0, 5, 5), (0, 0, 1, 9)], [(0, 0, 5, 5), (1, 9, 0, 0)], [(1, 0, 4, 5), (0, 0, 1, 9)]
    assert idle_runs(counts(a0=silent, a1=mixed, b0=fine)) == (3, ("a seed 0",), ("a seed 1",))
    assert idle_runs(counts(a0=[(0, 0, 0, 0), (1, 0, 4, 5)])) == (1, (), ()), "an AU that is not coded says nothing"


def test_a_standing_from_counts_by_hand() -> None:
    found = counted_standing("m", counts(a0=[(8, 2, 2, 8)], b0=[(2, 8, 8, 2)]))
    assert (found.f1, found.always_positive) == pytest.approx(((0.8 + 0.2) / 2, 20 / 30))
    assert found.tone == ALARM


def test_pairs_that_change_their_order() -> None:
    values = {
        "a": {HEADLINE: 0.6, AUC: 0.7, POOLED: 0.6},
        "b": {HEADLINE: 0.5, AUC: 0.8, POOLED: 0.5},
        "c": {HEADLINE: 0.4, AUC: 0.75, POOLED: 0.5},
    }
    found = order_of(values)
    assert found.compared == ("F1 pooled over folds", "AUC")
    (reversal,) = found.reversals
    assert (reversal.metric, reversal.first, reversal.pairs, reversal.of) == ("AUC", "b", 2, 3)
    values["b"][AUC], values["c"][AUC] = 0.7, 0.65
    assert order_of(values).reversals == (), "equal scores reverse nothing"


def test_one_detector_is_compared_with_always_positive() -> None:
    base = {("always_positive", "0.5", "folds"): 0.5, ("always_positive", "0.5", "pooled"): 0.5}
    means = {HEADLINE: 0.4, AUC: 0.7, ("f1", "validation", "folds"): 0.45, POOLED: 0.55}
    found = order_of({"a": means | base})
    assert [one.words for one in found.reversals] == [
        "F1 pooled over folds (a before always-positive)",
        "AUC (a before always-positive)",
    ]
    assert "F1 at the thresholds of validation people" in found.compared
    assert orders_of([{"a": means | base}]).compared == (), "a group of one has no order"


def row(method: str, metric: str, value: float, **names: Any) -> dict[str, Any]:
    return {"method": method, "metric": metric, "rule": "0.5", "aggregate": "folds", "value": value, **names}


def test_a_table_is_put_in_order_within_its_groups() -> None:
    scores = [("a", "easy", 0.7, 0.8), ("b", "easy", 0.6, 0.9), ("a", "hard", 0.3, 0.6), ("b", "hard", 0.5, 0.7)]
    rows = [row(m, "f1", f1, condition=c) for m, c, f1, _ in scores]
    rows += [row(m, "auc", auc, condition=c) for m, c, _, auc in scores]
    rows += [row(m, "always_positive", 0.4, condition=c) for m, c, *_ in scores]
    rows.append(row("b", "f1", -0.9, condition="easy", against="a"))
    standings, order = table_parts(scores_frame(rows), ("method", "condition"), ("condition",))
    assert [one.name for one in standings if one.tone == ALARM] == ["a hard"]
    assert [one.words for one in order.reversals] == ["AUC (b easy before a easy)"]
    only = scores_frame([one for one in rows if one["condition"] == "easy"])
    assert [one.name for one in table_parts(only, ("method", "condition"), ())[0]] == ["a", "b"]


def test_the_verdict_of_a_transfer_is_on_the_aus_of_its_table() -> None:
    names = {"method": "bce", "source": "gft", "target": "bp4d", "rule": "0.5", "aggregate": "folds", "n_seeds": 2}
    values = {("common", "f1"): 0.3, ("common", "always_positive"): 0.4}
    values |= {("pair", "f1"): 0.6, ("pair", "always_positive"): 0.5}
    rows = [names | {"condition": aus, "metric": metric, "value": value} for (aus, metric), value in values.items()]
    for aus in ("common", "pair"):
        (found,) = transfer_verdict(scores_frame(rows), (), aus).standings
        assert (found.f1, found.always_positive) == (values[aus, "f1"], values[aus, "always_positive"])
