"""Hyper-parameters on other datasets: what a configuration keeps of its source, and regret."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from model.metrics import Score
from study.experiments.hyperparameter_transfer import configuration_on, regret_matrix, regret_table
from study.records.config import trial_from_dict
from study.records.result import TrialResult
from study.scoring.significance import holm
from tests.study.make import score, trial


def result(one: Score, fold: str = "part1", seed: int = 0) -> TrialResult:
    config = replace(trial(seed=seed, fold=fold, score_test=True))
    return TrialResult(config, "DONE", 0.5, [], {"val": one, "test": one}, 0.0, 1.0)


def test_a_configuration_takes_its_settings_and_leaves_its_frames() -> None:
    chosen = trial_from_dict({"optim": {"lr": 0.5, "epochs": 3}, "method": {"temperature": 0.3}, "views": {"crop": 32}})
    target = trial_from_dict(
        {"data": {"dataset": "disfa", "fold": "part2"}, "optim": {"epochs": 9}, "views": {"crop": 48}}
    )
    made = configuration_on(chosen, target)
    assert (made.optim.lr, made.optim.epochs, made.views.crop) == (0.5, 9, 48)
    assert made.data == target.data
    assert made.method == chosen.method
    assert configuration_on(target, target) == target


def f1_of(one: Score) -> float:
    tp, fp, fn, _ = np.moveaxis(one.counts.sum(axis=0), -1, 0)
    return float(np.mean(2 * tp / (2 * tp + fp + fn)))


def test_regret_is_what_the_own_configuration_has_more() -> None:
    people = ("F001", "F002", "F003", "F004")
    own, other = ([result(score(at + seed, people), seed=at + seed) for seed in range(2)] for at in (1, 5))
    frame = regret_matrix(regret_table({"disfa": {"bp4d": other, "disfa": own}}))
    assert frame.columns == [
        *("source", "target", "f1", "low", "high", "seeds"),
        *("regret", "regret_low", "regret_high", "regret_p"),
    ]
    rows = {row["source"]: row for row in frame.iter_rows(named=True)}
    means = [np.mean([f1_of(one.scores["test"]) for one in results]) for results in (own, other)]
    assert rows["bp4d"]["f1"] == pytest.approx(means[1])
    assert rows["bp4d"]["regret"] == pytest.approx(means[0] - means[1])
    assert rows["bp4d"]["regret_low"] < rows["bp4d"]["regret"] < rows["bp4d"]["regret_high"]
    assert (rows["disfa"]["regret"], rows["disfa"]["regret_p"]) == (0.0, None)


def test_with_one_seed_a_regret_has_no_interval() -> None:
    people = ("F001", "F002", "F003", "F004")
    frame = regret_matrix(
        regret_table({"disfa": {"bp4d": [result(score(2, people), seed=1)], "disfa": [result(score(1, people))]}})
    )
    assert frame.filter(source="bp4d").select("regret_low", "regret_high", "regret_p").row(0) == (None, None, None)


def test_holm_is_over_all_regrets_of_the_table() -> None:
    people = ("F001", "F002", "F003", "F004")
    found = {
        target: {
            source: [result(score(8 * at + 3 * number + seed, people), seed=10 * number + seed) for seed in range(2)]
            for number, source in enumerate("abc")
        }
        for at, target in enumerate("abc")
    }
    rows = regret_table(found).filter(pl.col("p").is_not_null())
    assert rows.height == 6
    np.testing.assert_allclose(rows["p_holm"], holm(rows["p"].to_list()))


def test_the_same_configuration_has_no_regret() -> None:
    same = [result(score(1, ("F001", "F002", "F003")))]
    frame = regret_matrix(regret_table({"disfa": {"bp4d": same, "disfa": same}}))
    assert frame.filter(source="bp4d").select("regret", "regret_low", "regret_high").row(0) == (0.0, 0.0, 0.0)
