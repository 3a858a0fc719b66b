"""Trials on random partitions, and the table of their scores."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from data.folds import folds
from data.seeds import numpy_generator
from model.metrics import BINS, Score, f1
from study.experiments.partitions import (
    COMPONENTS,
    TOGETHER,
    components_of,
    paired,
    partition_plan,
    partition_table,
    partitions_of,
)
from study.experiments.variance import partition_spread, seed_spread
from study.records.config import TrialConfig
from study.records.result import FINAL, PARTITION, TrialResult
from study.records.store import StudyStore
from study.scoring.evaluation import evaluation_of_scores
from study.search.best_trial import choose, final_trials, fresh_seeds
from tests.data.trees import subject_table
from tests.study.make import AUS, opened, result, trial
from tests.study.specs import changed

PEOPLE = [f"S{number:02d}" for number in range(12)]
TABLE = subject_table({name: [0.3, 0.5] for name in PEOPLE}, frames=4, dataset="gft")
SCHEMES = ("random3@1", "random3@2", "random3@3")


def on_random_folds(config: TrialConfig, scheme: str = "random3", seed: int = 7) -> TrialConfig:
    return replace(config, data=replace(config.data, dataset="gft", fold_scheme=scheme, fold_seed=seed))


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    """A search on two folds of random3; the first searched fold is the second one."""
    store = opened(tmp_path / "runs" / "mine")
    spec = changed(store.spec(), config=on_random_folds(trial()).to_dict(), folds=("random3-2", "random3-3"))
    (store.root / "study.json").write_bytes(spec.to_json())
    store = StudyStore(store.root)
    for fold, lr, value in (("random3-3", 0.1, 0.9), ("random3-2", 0.2, 0.4), ("random3-2", 0.3, 0.6)):
        store.write(result(on_random_folds(trial(lr=lr, fold=fold)), value))
    return store


def test_each_partition_has_the_shared_choice_on_other_people(store: StudyStore) -> None:
    planned = partition_plan(store, TABLE, 3, seeds=2)
    assert tuple(planned) == SCHEMES
    tested = []
    for scheme, trials in planned.items():
        names = [f"{scheme}-{number}" for number in (1, 2, 3)]
        own = replace(choose(store, "random3-2").config)
        data = replace(own.data, fold_scheme=scheme, fold_seed=0)
        assert trials == final_trials(replace(own, data=data), names, fresh_seeds(own, 2))
        assert {one.optim.lr for one in trials} == {0.3}
        divided = folds(TABLE, scheme)
        assert [*divided] == names
        parts = [frozenset(TABLE["subject"].gather(fold.test)) for fold in divided.values()]
        assert not any(a & b for a, b in combinations(parts, 2))
        assert frozenset.union(*parts) == frozenset(PEOPLE)
        tested.append(frozenset(parts))
    assert len({*tested}) == 3


def test_more_partitions_and_seeds_only_add_trials(store: StudyStore) -> None:
    few, many = (
        {one.key for trials in partition_plan(store, TABLE, *asked).values() for one in trials}
        for asked in ((2, 1), (3, 2))
    )
    assert few < many
    assert (len(few), len(many)) == (6, 18)


def test_studies_with_other_seeds_and_methods_have_the_same_partitions(store: StudyStore, tmp_path: Path) -> None:
    other = opened(tmp_path / "runs" / "other")
    spec = changed(other.spec(), config=on_random_folds(trial(), seed=99).to_dict())
    (other.root / "study.json").write_bytes(spec.to_json())
    other = StudyStore(other.root)
    bce = on_random_folds(trial(lr=0.5, fold="random3-1"), seed=99)
    other.write(result(bce))
    ours, theirs = (partition_plan(one, TABLE, 2, 2) for one in (store, other))
    assert [[one.data for one in trials] for trials in ours.values()] == [
        [one.data for one in trials] for trials in theirs.values()
    ]


def test_trials_on_partitions_are_no_final_trials(store: StudyStore) -> None:
    planned = partition_plan(store, TABLE, 2, 1)
    own = final_trials(choose(store, "random3-2").config, ["random3-1"], [1])
    for config in [*own, *planned["random3@1"], *planned["random3@2"]]:
        store.write(result(config))
    assert (store.count("sweep"), store.count(FINAL), store.count(PARTITION)) == (3, 1, 6)
    assert store.trials().filter(stage=FINAL).height == 1
    assert not {*store.trials().filter(stage=FINAL)["fold"]} & {*store.trials().filter(stage=PARTITION)["fold"]}


def test_what_no_partition_can_repeat(store: StudyStore) -> None:
    spec = changed(store.spec(), config=on_random_folds(trial(), "official").to_dict())
    (store.root / "study.json").write_bytes(spec.to_json())
    split = {name: "train" if number else "test" for number, name in enumerate(PEOPLE)}
    table = subject_table({name: [0.3, 0.5] for name in PEOPLE}, split=split, dataset="gft")
    with pytest.raises(InputError, match=r"partitions=5: mine has one fold \(official\).*fold_scheme=random<k>"):
        partition_plan(StudyStore(store.root), table, 5, 2)
    empty = opened(store.root.parent / "empty")
    (empty.root / "study.json").write_bytes(changed(spec, config=on_random_folds(trial()).to_dict()).to_json())
    with pytest.raises(InputError, match=r"no finished trial in .*empty to choose from"):
        partition_plan(StudyStore(empty.root), TABLE, 5, 2)


def counted(config: TrialConfig, skill: float, subjects: int = 4) -> TrialResult:
    """A finished trial that finds about the share `skill` of what is active; people depend on the fold alone."""
    rng = numpy_generator("counted", config.key)
    shares = np.clip(skill + rng.normal(0, 0.05, (subjects, len(AUS))), 0, 1)
    found = np.round(100 * shares).astype(np.int64)
    counts = np.stack([found, 100 - found, 100 - found, 100 + found], axis=-1)
    names = tuple(f"{config.data.fold}/{number}" for number in range(subjects))
    done = result(config)
    score = Score(names, AUS, counts, np.zeros((len(AUS), 2, BINS), np.int64))
    return replace(done, scores=done.scores | {"test": score})


def table_of(store: StudyStore, skills: tuple[float, ...], seeds: int) -> tuple[pl.DataFrame, list[list[TrialResult]]]:
    planned = partition_plan(store, TABLE, len(skills), seeds)
    results = {
        scheme: [counted(config, skill) for config in trials]
        for (scheme, trials), skill in zip(planned.items(), skills, strict=True)
    }
    return partition_table(results), [*results.values()]


def test_the_table_has_each_partition_and_the_components(store: StudyStore) -> None:
    table, results = table_of(store, (0.5, 0.6, 0.8), seeds=2)
    rows = partitions_of(table)
    assert rows["condition"].to_list() == [*SCHEMES]
    cube = []
    for row, trials in zip(rows.iter_rows(named=True), results, strict=True):
        by = {(one.config.data.fold, one.config.seed): f1(one.scores["test"].counts.sum(0)) for one in trials}
        names, seeds = sorted({fold for fold, _ in by}), sorted({seed for _, seed in by})
        scores = np.array([[by[fold, seed] for seed in seeds] for fold in names])
        assert row["value"] == pytest.approx(scores.mean())
        assert row["seed_sd"] == pytest.approx(scores.mean(axis=(0, 2)).std(ddof=1))
        assert (row["n_people"], row["n_seeds"]) == (12, 2)
        cube.append(scores.mean(axis=2) / 3)  # the mean of AUs, and of folds
    found = {row["component"]: row for row in components_of(table).iter_rows(named=True)}
    assert [*found] == [*COMPONENTS.values()]
    for name, expected in (
        ("training seed", seed_spread(np.stack(cube))),
        ("partition into folds", partition_spread(np.stack(cube))),
    ):
        assert [found[name][end] for end in ("sd", "low", "high")] == pytest.approx([*vars(expected).values()])
    assert found["partition into folds"]["sd"] > found["training seed"]["sd"]
    drawn = [
        evaluation_of_scores((one.config.data.fold, one.config.seed, one.scores["test"]) for one in trials).number("f1")
        for trials in results
    ]
    # a bootstrap of four people in each fold divides by 12, and 9 are free
    variance = np.mean([one.replicates[:, -1].var(ddof=1) for one in drawn]) * 12 / 9
    assert found["people"]["sd"] == pytest.approx(np.sqrt(variance))
    assert {*table["metric"]} == {"f1", "always_positive", "lift", *COMPONENTS}
    assert table.filter(pl.col("metric").is_in([*COMPONENTS]))["condition"].null_count() == 3


def test_one_seed_leaves_one_component(store: StudyStore) -> None:
    table, _ = table_of(store, (0.5, 0.6), seeds=1)
    assert components_of(table)["component"].to_list() == ["people", TOGETHER]


def test_pairs_are_on_common_partitions_and_aus(store: StudyStore) -> None:
    a, b = table_of(store, (0.5, 0.6, 0.8), 2)[0], table_of(store, (0.6, 0.5), 2)[0]
    both = paired(a, b)
    assert both["condition"].to_list() == [*SCHEMES[:2]]
    assert (both["a"] - both["b"] > 0).to_list() == [False, True]
    assert paired(a, b.with_columns(aus=pl.lit("1"))).is_empty()
