"""Selection rules."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError
from study.records.store import StudyStore
from study.search.best_trial import best_configurations, choose, final_trials, fresh_seeds, pareto_front
from tests.study.make import result, trial
from tests.study.specs import search_spec


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
    finals = final_trials(chosen, ["part1", "part2", "part3"], range(2))
    assert [(f.seed, f.data.fold) for f in finals] == [(s, f"part{p}") for s in (0, 1) for p in (1, 2, 3)]
    assert all(f.score_test and f.optim == chosen.optim and f.method == chosen.method for f in finals)
    assert len({f.key for f in finals} | {chosen.key}) == 7
    assert all(f.data.fold_seed == chosen.data.fold_seed for f in finals), "folds are those of the search"


@pytest.mark.parametrize("searched", range(4))
def test_the_run_that_won_the_search_is_no_final_trial(searched: int) -> None:
    won = trial(seed=searched)
    finals = final_trials(won, ["part1"], fresh_seeds(won, 3))
    assert [one.seed for one in finals] == [searched + 1, searched + 2, searched + 3]
    assert replace(won, score_test=True).key not in {one.key for one in finals}
    assert [one.seed for one in final_trials(won, ["part1"], fresh_seeds(won, 2))] == [searched + 1, searched + 2]


def with_goals(store: StudyStore, objectives: tuple[str, ...], *constraints: tuple[str, str, float]) -> StudyStore:
    store.open_study(search_spec(objectives=objectives, constraints=constraints), free=())
    return store


def timed(store: StudyStore, *trials: tuple[float, float]) -> None:
    """Trials with these values that took so many hours."""
    for seed, (value, hours) in enumerate(trials):
        store.write(replace(result(trial(seed), value, started=seed), seconds=3600 * hours))


def test_each_fold_has_its_best(tmp_path: Path) -> None:
    store = StudyStore(tmp_path)
    for fold, values in (("part1", (0.4, 0.6)), ("part2", (0.7, 0.5))):
        for seed, value in enumerate(values):
            store.write(result(trial(seed, fold=fold), value))
    assert choose(store, "part1").config == trial(1, fold="part1")
    assert choose(store, "part2").config == choose(store).config == trial(0, fold="part2")
    with pytest.raises(InputError, match="on fold part3"):
        choose(store, "part3")


def test_configurations_are_ranked_within_their_fold_and_then_by_their_start(tmp_path: Path) -> None:
    store = StudyStore(tmp_path)
    for fold, values in (("part1", {1: (0.5, 3.0), 2: (0.75, 4.0)}), ("part2", {1: (0.9, 1.0), 2: (0.95, 5.0)})):
        for seed, (value, started) in values.items():
            store.write(result(trial(seed, fold=fold), value, started))
    store.write(result(trial(3), 0.99, status="PRUNED"))
    found = [(config.seed, config.data.fold) for config in best_configurations(store)]
    assert found == [(2, "part1"), (2, "part2"), (1, "part2"), (1, "part1")]


def test_the_front_is_what_nothing_beats(tmp_path: Path) -> None:
    store = with_goals(StudyStore(tmp_path), ("f1", "hours"))
    timed(store, (0.5, 1.0), (0.75, 2.0), (0.5, 2.0), (0.25, 0.5), (0.25, 0.75), (0.75, 2.0))
    assert [(one.value, one.seconds / 3600) for one in pareto_front(store)] == [
        (0.75, 2.0),
        (0.75, 2.0),
        (0.5, 1.0),
        (0.25, 0.5),
    ]
    assert choose(store).config == trial(1), "the best of the first objective, the earliest among equals"


def test_only_trials_that_keep_the_constraints_are_chosen(tmp_path: Path) -> None:
    store = with_goals(StudyStore(tmp_path), ("f1", "hours"), ("hours", "at_most", 1.0))
    timed(store, (0.75, 2.0), (0.5, 1.0), (0.25, 0.5))
    assert choose(store).config == trial(1)
    assert [one.config.seed for one in pareto_front(store)] == [1, 2]


def test_no_trial_keeps_the_constraints(tmp_path: Path) -> None:
    store = with_goals(StudyStore(tmp_path), ("f1",), ("hours", "at_most", 0.25))
    timed(store, (0.75, 2.0), (0.5, 1.0))
    with pytest.raises(
        InputError, match=rf"none of the 2 .* nearest, {trial(1).key}, misses hours at_most 0.25 by 0.75"
    ):
        choose(store)
