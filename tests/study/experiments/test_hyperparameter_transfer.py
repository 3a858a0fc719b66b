"""Hyper-parameters on other datasets: what a configuration keeps of its source, regret, and trials saved."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from model.metrics import Score
from study.experiments.hyperparameter_transfer import configuration_on, regret_matrix, regret_table, trials_saved
from study.records.config import trial_from_dict
from study.records.result import TrialResult
from study.records.store import StudyStore
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
    own, other = score(1, people), score(2, people)
    frame = regret_matrix(regret_table("disfa", {"bp4d": [result(other)], "disfa": [result(own)]}))
    assert frame.columns == ["source", "target", "f1", "low", "high", "regret", "regret_low", "regret_high"]
    rows = {row["source"]: row for row in frame.iter_rows(named=True)}
    assert rows["bp4d"]["f1"] == pytest.approx(f1_of(other))
    assert rows["bp4d"]["regret"] == pytest.approx(f1_of(own) - f1_of(other))
    assert rows["bp4d"]["regret_low"] < rows["bp4d"]["regret"] < rows["bp4d"]["regret_high"]
    assert rows["disfa"]["regret"] == 0.0


def test_the_same_configuration_has_no_regret() -> None:
    same = [result(score(1, ("F001", "F002", "F003")))]
    frame = regret_matrix(regret_table("disfa", {"bp4d": same, "disfa": same}))
    assert frame.filter(source="bp4d").select("regret", "regret_low", "regret_high").row(0) == (0.0, 0.0, 0.0)


def search(root: Path, values: list[float | None]) -> StudyStore:
    store = StudyStore(root)
    for number, value in enumerate(values):
        status = "FAILED" if value is None else "DONE"
        store.write(TrialResult(trial(seed=number), status, value, [], {}, float(number), 1.0))
    return store


@pytest.mark.parametrize(
    ("cold", "warm", "expected"),
    [
        ([0.1, 0.2, 0.5, 0.4], [0.3, 0.6], (0.5, 3, 2)),
        ([0.1, 0.2, 0.5], [0.4, None, 0.3], (0.4, 3, 1)),
        ([None, 0.5], [0.5], (0.5, 2, 1)),
    ],
)
def test_trials_until_the_best_that_both_reach(
    tmp_path: Path, cold: list[float | None], warm: list[float | None], expected: tuple[float, int, int]
) -> None:
    saved = trials_saved(search(tmp_path / "cold", cold), search(tmp_path / "warm", warm))
    assert (saved.score, saved.cold, saved.warm) == expected


def test_folds_are_compared_with_themselves(tmp_path: Path) -> None:
    def both(name: str, hard: list[float], easy: list[float]) -> StudyStore:
        store = search(tmp_path / name, [*hard])
        for number, value in enumerate(easy):
            config = trial(seed=number, fold="part2")
            store.write(TrialResult(config, "DONE", value, [], {}, float(10 + number), 1.0))
        return store

    saved = trials_saved(both("cold", [0.1, 0.2, 0.3], [0.8, 0.9]), both("warm", [0.3], [0.9]))
    assert (saved.cold, saved.warm) == (3 + 2, 1 + 1), "a score of the easy fold is none of the hard one"
    assert saved.score == pytest.approx((0.3 + 0.9) / 2)


def test_a_search_without_a_finished_trial_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        trials_saved(search(tmp_path / "some", [0.1]), search(tmp_path / "empty", [None]))
