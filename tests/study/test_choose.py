"""Selection rules."""

from pathlib import Path

import pytest

from data.errors import InputError
from study.choose import choose, final_trials
from study.store import StudyStore
from tests.study.make import result, trial


def test_the_best_finished_trial_of_the_search_is_chosen(tmp_path: Path) -> None:
    store = StudyStore(tmp_path)
    for seed, value in enumerate((0.4, 0.6, 0.5)):
        store.write(result(trial(seed), value))
    store.write(result(trial(10), 0.9, status="PRUNED"))
    store.write(result(trial(11), None, status="FAILED"))
    store.write(result(trial(12, score_test=True), 0.95))
    assert choose(store).config == trial(1)


def test_the_earliest_of_equals_is_chosen(tmp_path: Path) -> None:
    store = StudyStore(tmp_path)
    for seed, started in enumerate((3.0, 1.0, 2.0)):
        store.write(result(trial(seed), 0.5, started))
    assert choose(store).config == trial(1)


def test_a_trial_of_value_zero_can_be_chosen(tmp_path: Path) -> None:
    store = StudyStore(tmp_path)
    store.write(result(trial(), 0.0))
    assert choose(store).value == 0.0


def test_nothing_to_choose_from(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "mine")
    store.write(result(trial(1), 0.9, status="PRUNED"))
    store.write(result(trial(2, score_test=True), 0.9))
    with pytest.raises(InputError, match=r"no finished trial in .*mine.*launch/sweep.py name=mine"):
        choose(store)


def test_final_trials_are_the_chosen_one_on_every_fold_and_seed() -> None:
    chosen = trial(seed=5, lr=0.123, fold="part2")
    finals = final_trials(chosen, ["part1", "part2", "part3"], seeds=2)
    assert [(f.seed, f.data.fold) for f in finals] == [(s, f"part{p}") for s in (0, 1) for p in (1, 2, 3)]
    assert all(f.score_test and f.optim == chosen.optim and f.method == chosen.method for f in finals)
    assert len({f.key for f in finals} | {chosen.key}) == 7
    assert all(f.data.fold_seed == chosen.data.fold_seed for f in finals), "folds are those of the search"
