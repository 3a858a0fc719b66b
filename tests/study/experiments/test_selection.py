"""Which trials each selection rule stands for, and what their scores are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from model.metrics import BINS, Score, f1
from study.experiments.selection import (
    Chosen,
    SelectionPlan,
    asked_selections,
    decided_trials,
    evaluation_of,
    final_trials_of,
    plan,
    record,
    score_selections,
)
from study.records.config import TrialConfig
from study.records.predictions import Predictions, write_predictions
from study.records.store import StudyStore
from study.scoring.thresholds import tuned_thresholds
from tests.study.make import opened, result, trial
from tests.study.predicted import predicted

FOLDS = ("part1", "part2")
PEOPLE = {"part1": ["F1", "F2", "F3"], "part2": ["M1", "M2"]}
AUS = (1, 12)


def searched(folder: Path, folds: Sequence[str] = FOLDS) -> StudyStore:
    """Five trials a fold; the best learning rates are 0.003, 0.002, 0.004 on part1 and 0.005, 0.004, 0.003 on part2."""
    store = opened(folder)
    values = {"part1": (0.1, 0.5, 0.6, 0.4, 0.2), "part2": (0.1, 0.2, 0.3, 0.4, 0.5)}
    for fold in folds:
        for number, value in enumerate(values[fold], start=1):
            store.write(result(trial(lr=number / 1000, fold=fold), value, started=number))
    return store


def rates(asked: SelectionPlan) -> dict[str, list[float]]:
    return {fold: [seeds[0].optim.lr for seeds in candidates] for fold, candidates in asked.candidates.items()}


def finish(store: StudyStore, config: TrialConfig, share: float) -> None:
    """A final trial that finds the share of what is active, with predictions."""
    fold = config.data.fold
    counts = np.zeros((len(PEOPLE[fold]), len(AUS), 4), np.int64)
    counts[..., 0], counts[..., 2] = round(100 * share), 100 - round(100 * share)
    score = Score(tuple(PEOPLE[fold]), AUS, counts, np.zeros((len(AUS), 2, BINS), np.int64))
    done = result(config)
    store.write(replace(done, scores=done.scores | {"test": score}))
    test = predicted(fold, PEOPLE[fold], aus=AUS, seed=config.seed + round(100 * share))
    val = predicted(f"{fold} val", ["V1", "V2"], aus=AUS, seed=config.seed, split="val")
    write_predictions(store.predictions_path(config.key), Predictions(pl.concat([val.frame, test.frame]), test.aus))


def finished(
    store: StudyStore, selections: Sequence[str] = ("nested", "oracle"), seeds: int = 2
) -> list[SelectionPlan]:
    """All trials of some selections; the higher the learning rate, the better on the test part."""
    plans = [plan(store, selection, FOLDS, seeds, candidates=3) for selection in selections]
    for config in {config.key: config for one in plans for config in one.trials}.values():
        finish(store, config, share=100 * config.optim.lr)
    return plans


def decided(store: StudyStore, plans: Sequence[SelectionPlan]) -> dict[str, Chosen]:
    return {one.selection: decided_trials(store, one) for one in plans}


def test_nested_takes_the_best_of_each_folds_own_search(tmp_path: Path) -> None:
    nested = plan(searched(tmp_path), "nested", FOLDS, 2, candidates=3)
    assert rates(nested) == {"part1": [0.003], "part2": [0.005]}
    assert [(t.data.fold, t.seed) for t in nested.trials] == [("part1", 1), ("part1", 2), ("part2", 1), ("part2", 2)]
    assert all(t.score_test for t in nested.trials)


def test_shared_takes_the_first_searched_folds_best_everywhere(tmp_path: Path) -> None:
    assert rates(plan(searched(tmp_path / "a"), "shared", FOLDS, 1, 3)) == {"part1": [0.003], "part2": [0.003]}
    only = searched(tmp_path / "b", ["part2"])
    assert rates(plan(only, "shared", FOLDS, 1, 3)) == {"part1": [0.005], "part2": [0.005]}


def test_oracle_tries_the_best_of_the_search_in_each_fold(tmp_path: Path) -> None:
    store = searched(tmp_path)
    oracle = plan(store, "oracle", FOLDS, 2, candidates=3)
    assert rates(oracle) == {"part1": [0.003, 0.002, 0.004], "part2": [0.005, 0.004, 0.003]}
    nested = {t.key for t in plan(store, "nested", FOLDS, 2, 3).trials}
    assert nested < {t.key for t in oracle.trials}, "what both need is run once"
    assert rates(plan(store, "oracle", FOLDS, 1, candidates=9))["part1"] == [0.003, 0.002, 0.004, 0.005, 0.001]


def test_oracle_decides_on_the_test_part_and_nested_does_not(tmp_path: Path) -> None:
    store = searched(tmp_path)
    chosen = decided(store, finished(store))
    best = {name: {f: rs[0].config.optim.lr for f, rs in trials.items()} for name, trials in chosen.items()}
    assert best == {"nested": {"part1": 0.003, "part2": 0.005}, "oracle": {"part1": 0.004, "part2": 0.005}}
    for fold in FOLDS:
        assert [r.config.seed for r in chosen["oracle"][fold]] == [1, 2]
        every = [store.result(seeds[0].key) for seeds in plan(store, "oracle", FOLDS, 2, 3).candidates[fold]]
        top = max(float(f1(r.scores["test"].counts.sum(0)).mean()) for r in every if r)
        assert float(f1(chosen["oracle"][fold][0].scores["test"].counts.sum(0)).mean()) == top


@pytest.mark.parametrize("selection", ["nested", "oracle"])
def test_a_fold_that_was_not_searched_is_named_with_what_to_do(selection: str, tmp_path: Path) -> None:
    store = searched(tmp_path / "mine", ["part1"])
    store.write(result(trial(fold="part2"), None, status="FAILED"))
    with pytest.raises(InputError, match=rf"selection={selection}: .*mine.* on fold part2.*fold=all.*selection=shared"):
        plan(store, selection, FOLDS, 1, 3)


def test_nothing_was_searched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no finished trial on fold part1, part2: run launch/sweep.py .*fold=all$"):
        plan(opened(tmp_path), "shared", FOLDS, 1, 3)


@pytest.mark.parametrize(
    ("asked", "names"),
    [("nested", ["nested"]), (["oracle", "nested"], ["oracle", "nested"]), (("shared",), ["shared"])],
)
def test_selections_are_asked_for_by_name(asked: str | Sequence[str], names: list[str]) -> None:
    assert asked_selections(asked) == names


@pytest.mark.parametrize("asked", ["best", [], ["nested", "test"], ["nested", "nested"]])
def test_other_selections_are_refused(asked: str | Sequence[str]) -> None:
    with pytest.raises(InputError, match="allowed: nested, shared, oracle"):
        asked_selections(asked)


def test_the_trials_of_a_selection_are_kept_by_name(tmp_path: Path) -> None:
    store = searched(tmp_path)
    with pytest.raises(InputError, match=r"no final evaluation of .* with selection=nested: run launch/final.py"):
        final_trials_of(store)
    plans = finished(store)
    chosen = decided(store, plans)
    store.write_final(record(plans, chosen), score_selections(store, chosen))
    again = StudyStore(tmp_path)
    for selection in ("nested", "oracle"):
        keys = [result.config.key for result in final_trials_of(again, selection)]
        assert keys == [r.config.key for fold in FOLDS for r in chosen[selection][fold]]
    assert len(again.selections()["oracle"].candidates["part1"]) == 3
    with pytest.raises(InputError, match="selection=shared; there is nested, oracle"):
        final_trials_of(again, "shared")
    again.result_path(keys[0]).unlink()
    with pytest.raises(InputError, match=f"the final trial {keys[0]} of .* is not done"):
        final_trials_of(StudyStore(tmp_path), "oracle")


def test_a_failed_trial_cannot_be_decided_on(tmp_path: Path) -> None:
    store = searched(tmp_path)
    nested = plan(store, "nested", FOLDS, 1, 3)
    store.write(result(nested.trials[0], None, status="FAILED"))
    with pytest.raises(InputError, match="is not done"):
        decided_trials(store, nested)


def test_scores_are_of_the_kept_predictions(tmp_path: Path) -> None:
    store = searched(tmp_path)
    chosen = decided(store, finished(store))
    scores = score_selections(store, chosen)
    assert scores["selection"].unique(maintain_order=True).to_list() == ["nested", "oracle", "bias"]
    store.write_final({}, scores)
    assert StudyStore(tmp_path).final_scores().equals(scores)
    value = {
        name: scores.filter(pl.col("au").is_null(), selection=name, metric="f1", rule="0.5", aggregate="folds")["value"]
        for name in ("nested", "oracle", "bias")
    }
    assert value["bias"].item() == pytest.approx(value["oracle"].item() - value["nested"].item())
    assert value["bias"].item() != 0
    assert score_selections(store, {"nested": chosen["nested"]})["selection"].unique().to_list() == ["nested"]


def test_thresholds_are_tuned_on_each_trials_own_validation_part(tmp_path: Path) -> None:
    store = searched(tmp_path)
    chosen = decided(store, finished(store, ["nested"]))["nested"]
    (one, other) = (evaluation_of(store, chosen).draws("f1", rule).point for rule in ("validation", "0.5"))
    assert not np.allclose(one, other)
    for fold, results in chosen.items():
        val = predicted(f"{fold} val", ["V1", "V2"], aus=AUS, seed=1, split="val")
        test = predicted(fold, PEOPLE[fold], aus=AUS, seed=1 + round(10_000 * results[0].config.optim.lr))
        said = test.probabilities >= tuned_thresholds(val)
        counted = evaluation_of(store, chosen).groups[0][0]
        mine = [
            at for at, name in enumerate(n for names in counted.people.values() for n in names) if name in PEOPLE[fold]
        ]
        counts = counted.counts["validation"][mine].sum(0)
        np.testing.assert_array_equal(counts[:, 0], ((test.labels == 1) & said).sum(0))
        np.testing.assert_array_equal(counts[:, 1], ((test.labels == 0) & said).sum(0))


def test_before_a_final_evaluation_there_are_no_scores(tmp_path: Path) -> None:
    store = searched(tmp_path)
    assert store.final_scores().is_empty()
    assert store.selections() == {}
