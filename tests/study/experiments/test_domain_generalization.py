"""Which trials a study on several datasets takes, what each rule chooses, and the numbers in its table."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from data.seeds import numpy_generator
from data.store import FrameStore
from model.metrics import always_positive_f1, f1, score_predictions
from study.experiments.domain_generalization import (
    GENERALIZATION_SELECTIONS,
    Generalization,
    Split,
    check_splits,
    chosen_by,
    generalization_export,
    generalization_table,
    left_out,
    source_rates,
)
from study.records.predictions import Predictions, predictions_of, write_predictions
from study.records.result import TrialResult
from study.records.score_table import SCORES
from study.records.store import StudyStore
from study.trial.detectors import weights_key
from tests.data.several import store_of, three_stores
from tests.study.make import result
from tests.study.several import candidate


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FrameStore]:
    """Three datasets, and a fourth that codes what bp4d does."""
    folder = tmp_path_factory.mktemp("generalize")
    return three_stores(folder) | {"affwild2": store_of(folder, "affwild2", aus=(1, 12))}


def splits(stores: Mapping[str, FrameStore]) -> tuple[Split, ...]:
    return tuple(Split(one, tuple(other for other in stores.values() if other is not one)) for one in stores.values())


def asked(
    stores: Mapping[str, FrameStore],
    *lrs: float,
    seeds: int = 1,
    selections: tuple[str, ...] = GENERALIZATION_SELECTIONS,
) -> Generalization:
    """Candidates that differ in their learning rate."""
    candidates = {f"lr{lr:g}": candidate(lr=lr) for lr in lrs}
    return Generalization(splits(stores), candidates, selections, seeds)


def said(target: FrameStore, aus: tuple[int, ...], right: float, split: str = "test", seed: int = 0) -> Predictions:
    """Predictions for a store, right with a probability."""
    labels = target.labels(aus)
    rng = numpy_generator("said", seed, right)
    active = np.where(rng.random(labels.shape) < right, labels == 1, labels != 1)
    return predictions_of(target.table, 0.2 + 0.6 * active + rng.random(labels.shape) / 10, labels, aus, split)


def finish(
    study: Generalization, store: StudyStore, right: Mapping[tuple[str, str, str], float], values: Mapping[str, float]
) -> dict[str, TrialResult]:
    """Results of all trials: `right` by candidate, weights and target (0.5 if not given), `values` by candidate."""
    names = {config.optim.lr: name for name, config in study.candidates.items()}
    trials = {trial.key: trial for trial, *_ in study.asked()}
    done = {key: store.write(result(trial, values.get(names[trial.optim.lr], 0.5))) for key, trial in trials.items()}
    for trial, weights, target in study.asked():
        dataset = target.table["dataset"][0]
        aus = tuple(au for au in (1, 12, 15, 25) if f"au_{au}" in target.table.columns)
        share = right.get((names[trial.optim.lr], weights, dataset), 0.5)
        key = weights_key(trial, weights)
        write_predictions(store.predictions_path(key, target.fingerprint), said(target, aus, share, seed=trial.seed))
        write_predictions(store.predictions_path(key), said(target, aus, share, "val", seed=1))
    return done


@pytest.mark.parametrize(("rules", "trials"), [(GENERALIZATION_SELECTIONS, 10), (("pooled",), 4), (("oracle",), 4)])
def test_targets_share_the_trials_of_the_same_sources(
    stores: dict[str, FrameStore], rules: tuple[str, ...], trials: int
) -> None:
    """n trainings on all but one dataset, and n (n - 1) / 2 on all but two, a candidate and seed."""
    study = asked(stores, 0.01, 0.02, seeds=2, selections=rules)
    found = {trial.key: trial for trial, *_ in study.asked()}
    assert len(found) == 2 * 2 * trials
    assert {trial.seed for trial in found.values()} == {0, 1}
    assert all(trial.score_test for trial in found.values())


def test_a_single_candidate_needs_no_rule(stores: dict[str, FrameStore]) -> None:
    study = asked(stores, 0.01)
    assert study.rules("bce") == ("none",)
    assert {weights for _, weights, _ in study.asked()} == {"best"}
    assert len({trial.key for trial, *_ in study.asked()}) == 4
    both = replace(study, candidates={"bce": candidate(), "aunce": candidate("aunce")})
    assert [both.rules(method) for method in both.methods] == [("none",), ("none",)]


def test_nothing_that_is_trained_on_is_scored(stores: dict[str, FrameStore]) -> None:
    for trial, weights, target in asked(stores, 0.01, 0.02).asked():
        assert target.fingerprint not in trial.sources.stores
        assert weights == "best" or len(trial.sources.stores) == 3, "the oracle looks at targets alone"
    for split in splits(stores):
        for one in left_out(split):
            assert one.target in split.sources
            assert split.target not in (one.target, *one.sources)


def test_every_rule_chooses_by_its_own_number(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    study, store = asked(stores, 0.01, 0.02, 0.03), StudyStore(tmp_path)
    right = {("lr0.02", "best", name): 0.9 for name in stores} | {("lr0.03", "last", name): 0.9 for name in stores}
    finish(study, store, right, {"lr0.01": 0.7})
    split = study.splits[0]
    chosen = {rule: chosen_by(rule, study, split, "bce", store) for rule in GENERALIZATION_SELECTIONS}
    assert chosen == {"pooled": "lr0.01", "leave_one_source_out": "lr0.02", "oracle": "lr0.03"}


def test_leave_one_source_out_does_not_look_at_the_target(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    study, store = asked(stores, 0.01, 0.02), StudyStore(tmp_path)
    target = study.splits[0].target.table["dataset"][0]
    right = {("lr0.01", "best", name): 0.9 for name in stores if name != target} | {("lr0.02", "best", target): 1.0}
    finish(study, store, right, {})
    assert chosen_by("leave_one_source_out", study, study.splits[0], "bce", store) == "lr0.01"


def test_of_equals_the_first_is_chosen(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    study, store = asked(stores, 0.03, 0.01), StudyStore(tmp_path)
    finish(study, store, {}, {})
    assert chosen_by("pooled", study, study.splits[0], "bce", store) == "lr0.03"


def test_the_numbers_of_the_table(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    study, store = asked(stores, 0.01, seeds=2), StudyStore(tmp_path)
    done = finish(study, store, {("lr0.01", "best", "gft"): 0.8}, {})
    scores = generalization_table(study, store, done, {})
    assert dict(scores.schema) == SCORES
    rows = generalization_export(scores)
    gft = rows.filter(target="gft")
    assert gft.select("method", "sources", "selection", "candidates", "chosen").unique().rows() == [
        ("bce", "bp4d+disfa+affwild2", "none", 1, "lr0.01")
    ]
    assert gft["au"].unique(maintain_order=True).to_list() == [1, 12, None], "AU 15 is of no source"
    f1s, trivial = [], []
    for seed in (0, 1):
        found = said(stores["gft"], (1, 12, 15), 0.8, seed=seed).on((1, 12))
        counts = score_predictions(found.probabilities, found.labels, found.subjects, found.aus).counts.sum(axis=0)
        f1s.append(f1(counts))
        trivial.append(always_positive_f1(counts))
    fixed = gft.filter(metric="f1", rule="0.5")
    expected = np.mean(f1s, axis=0)
    np.testing.assert_allclose(fixed["value"].to_numpy(), [*expected, expected.mean()], atol=1e-12)
    assert fixed.select((pl.col("low") < pl.col("value")) & (pl.col("value") < pl.col("high"))).to_series().all()
    always = gft.filter(metric="always_positive")["value"].to_numpy()
    np.testing.assert_allclose(always[:2], np.mean(trivial, axis=0), atol=1e-12)
    assert {*gft.select("metric", "rule").unique().rows()} == {
        ("f1", "0.5"),
        ("f1", "validation"),
        ("f1", "base_rate"),
        ("auc", "0.5"),
        ("always_positive", "0.5"),
    }


def test_the_oracle_row_is_that_of_the_last_epoch(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    study, store = asked(stores, 0.01, 0.02), StudyStore(tmp_path)
    done = finish(study, store, {("lr0.02", "last", name): 1.0 for name in stores}, {})
    rows = generalization_export(generalization_table(study, store, done, {})).filter(metric="f1", rule="0.5")
    means = rows.filter(pl.col("au").is_null())
    assert (means.filter(selection="oracle")["value"] == 1).all()
    assert (means.filter(selection="oracle")["chosen"] == "lr0.02").all()
    assert (means.filter(pl.col("selection") != "oracle")["value"] < 0.9).all()
    assert {*means["selection"]} == {*GENERALIZATION_SELECTIONS}


def test_only_whole_rows_are_in_the_table(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    study, store = asked(stores, 0.01, 0.02), StudyStore(tmp_path)
    done = finish(study, store, {}, {})
    lost = next(trial for trial, *_ in study.asked() if len(trial.sources.stores) == 2)
    rows = generalization_table(study, store, {key: one for key, one in done.items() if key != lost.key}, {})
    whole = set(rows.select("target", "selection").unique().rows())
    names = {name for name, one in stores.items() if one.fingerprint not in lost.sources.stores}
    assert whole == {(name, rule) for name in stores for rule in GENERALIZATION_SELECTIONS} - {
        (name, "leave_one_source_out") for name in names
    }
    assert len(names) == 2


def test_the_rates_of_sources_weigh_each_source_alike(stores: dict[str, FrameStore]) -> None:
    split = Split(stores["affwild2"], (stores["bp4d"], stores["disfa"]))
    assert split.aus == (1, 12)
    one, other, only = (
        np.mean(stores[name].table[au].drop_nulls().to_numpy())
        for name, au in (("bp4d", "au_1"), ("disfa", "au_1"), ("bp4d", "au_12"))
    )
    assert one != other
    np.testing.assert_allclose(source_rates(split), [(one + other) / 2, only])


def test_what_cannot_be_trained_or_tested_is_said_at_once(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    single = Generalization(
        (Split(stores["gft"], (stores["bp4d"],)),),
        {"a": candidate(), "b": candidate(lr=0.1)},
        GENERALIZATION_SELECTIONS,
        1,
    )
    with pytest.raises(InputError, match=r"leave_one_source_out needs at least two datasets .* only bp4d"):
        check_splits(single)
    check_splits(replace(single, selections=("pooled", "oracle")))
    strange = store_of(tmp_path, "affwild2", aus=(26,))
    shown = store_of(tmp_path, "gft", subjects=2, frames=2, first=1)
    faulty = Split(strange, splits(stores)[0].sources[:2]), Split(shown, (stores["gft"], stores["bp4d"]))
    with pytest.raises(InputError) as caught:
        check_splits(replace(single, splits=(*splits(stores), *faulty)))
    assert "codes no AU of disfa+gft" in str(caught.value)
    assert "shows 2 of the 2 people of" in str(caught.value)
    assert "S01, S02. Both show people of gft" in str(caught.value)
