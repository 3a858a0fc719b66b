import itertools
import logging

import numpy as np
import polars as pl
import pytest

from data.catalog import CATALOG
from data.dataset import FOLD_NUMBERS
from data.errors import InputError
from data.folds import Fold, fold_names, fold_number_table, folds, make_fold, protocol_hash
from data.seeds import numpy_generator
from tests.data.trees import subject_table

BP4D = [subject for part in CATALOG["bp4d"].parts.values() for subject in part]
OFFICIAL = {**{f"{i:03d}A": "train" for i in range(1, 8)}, "008A": "test", "009A": "test"}


def random_table(seed: int, subjects: list[str], dataset: str = "bp4d") -> pl.DataFrame:
    rng = numpy_generator("test folds", seed)
    return subject_table({s: rng.random(3).tolist() for s in subjects}, frames=int(rng.integers(2, 9)), dataset=dataset)


def subjects_of(table: pl.DataFrame, fold: Fold) -> list[set[str]]:
    return [set(table["subject"].gather(rows)) for rows in (fold.train, fold.val, fold.test)]


def check(table: pl.DataFrame, made: dict[str, Fold]) -> None:
    for fold in made.values():
        parts = subjects_of(table, fold)
        assert all(parts)
        assert not any(one & other for one, other in itertools.combinations(parts, 2))
        rows = np.concatenate([fold.train, fold.val, fold.test])
        assert sorted(rows.tolist()) == list(range(table.height))


def test_the_published_parts() -> None:
    assert [len(part) for part in CATALOG["bp4d"].parts.values()] == [14, 14, 13]
    assert [len(part) for part in CATALOG["disfa"].parts.values()] == [9, 9, 9]
    assert len(set(BP4D)) == 41
    assert len({s for part in CATALOG["disfa"].parts.values() for s in part}) == 27
    assert set(BP4D) == {f"F{i:03d}" for i in range(1, 24)} | {f"M{i:03d}" for i in range(1, 19)}
    assert set(FOLD_NUMBERS) == set(CATALOG["bp4d"].parts)


@pytest.mark.parametrize("seed", range(5))
def test_parts_are_named_by_what_they_hold_out(seed: int) -> None:
    table = random_table(seed, BP4D)
    made = folds(table, "parts", val_share=0.2, seed=seed)
    check(table, made)
    for part, fold in made.items():
        assert subjects_of(table, fold)[2] == set(CATALOG["bp4d"].parts[part])
        assert len(subjects_of(table, fold)[1]) in (5, 6)


@pytest.mark.parametrize("seed", range(12))
def test_random_folds_test_every_subject_once(seed: int) -> None:
    rng = numpy_generator("test subjects", seed)
    count = int(rng.integers(3, 20))
    k = int(rng.integers(2, min(count, 6)))
    table = random_table(seed, [f"S{i}" for i in range(count)], dataset="gft")
    made = folds(table, f"random{k}", val_share=float(rng.uniform(0.01, 0.99)), seed=seed)
    check(table, made)
    assert list(made) == fold_names(table, f"random{k}") == [f"random{k}-{i}" for i in range(1, k + 1)]
    tested = np.concatenate([fold.test for fold in made.values()])
    assert sorted(tested.tolist()) == list(range(table.height))


def test_partitions_are_told_apart_and_test_every_subject_once() -> None:
    table, tested = random_table(1, [f"S{i}" for i in range(12)], dataset="gft"), []
    for scheme in ("random3", "random3@1", "random3@2"):
        made = folds(table, scheme)
        check(table, made)
        assert list(made) == fold_names(table, scheme) == [f"{scheme}-{i}" for i in (1, 2, 3)]
        tested.append({frozenset(subjects_of(table, fold)[2]) for fold in made.values()})
        assert frozenset().union(*tested[-1]) == {f"S{i}" for i in range(12)}
    assert not any(one & other for one, other in itertools.combinations(tested, 2))


@pytest.mark.parametrize("scheme", ["random3@0", "random3@", "random3@x", "parts@1"])
def test_no_such_partition(scheme: str) -> None:
    with pytest.raises(InputError, match=f"no fold scheme '{scheme}'"):
        fold_names(random_table(0, ["S1", "S2", "S3"], dataset="gft"), scheme)


def test_folds_are_a_function_of_their_arguments() -> None:
    table = random_table(0, [f"S{i}" for i in range(9)], dataset="gft")

    def tests(seed: int) -> list[list[int]]:
        return [part.tolist() for f in folds(table, "random3", seed=seed).values() for part in (f.test, f.val)]

    assert tests(1) == tests(1)
    assert tests(1) != tests(2)


def test_the_official_split() -> None:
    table = subject_table({s: [0.5] for s in OFFICIAL}, split=OFFICIAL)
    made = folds(table, "official")
    check(table, made)
    assert subjects_of(table, made["official"])[2] == {"008A", "009A"}
    public = table.with_columns(pl.col("split").replace("test", "val"))
    assert folds(public, "official")["official"].test.tolist() == made["official"].test.tolist()


def test_an_official_validation_part_is_trained_with_where_there_is_a_test_part() -> None:
    table = subject_table({s: [0.5] for s in OFFICIAL}, split=OFFICIAL | {"001A": "val"})
    made = folds(table, "official")
    check(table, made)
    assert subjects_of(table, made["official"])[2] == {"008A", "009A"}


def test_no_official_split_names_another_scheme() -> None:
    table = subject_table({s: [0.5] for s in OFFICIAL}, split=OFFICIAL)
    with pytest.raises(InputError, match=r"random3(.|\n)*subject 001A has split None"):
        folds(table.with_columns(split=pl.lit(None, pl.String)), "official")
    with pytest.raises(InputError, match=r"only \['train'\]; try dataset\.fold_scheme=random3"):
        folds(table.with_columns(split=pl.lit("train")), "official")
    torn = table.with_columns(split=pl.when(pl.col("frame") > 3).then(pl.lit("test")).otherwise("split"))
    with pytest.raises(InputError, match="subject 001A has split test, train"):
        folds(torn, "official")


def test_validation_has_both_classes_where_that_is_possible() -> None:
    rare = {f"S{i}": [0.6 if i in (2, 7) else 0.0] for i in range(11)}
    table = subject_table(rare, split=dict.fromkeys(rare, "train") | {"S10": "test"})
    chosen = subjects_of(table, folds(table, "official", val_share=0.1)["official"])[1]
    assert len(chosen & {"S2", "S7"}) == len(chosen) == 1, "although the base rate of the others is closer"


def test_validation_base_rates_are_close_to_the_training_ones() -> None:
    rates = {f"S{i:02d}": [0.05 + 0.9 * i / 29] for i in range(30)}
    table = subject_table(rates, frames=50)
    for fold in folds(table, "random3").values():
        mean = [float(table["au_1"].gather(rows).mean() or 0) for rows in (fold.train, fold.val)]  # type: ignore[arg-type]
        assert abs(mean[0] - mean[1]) < 0.02


def test_a_class_that_validation_cannot_have_is_named(caplog: pytest.LogCaptureFixture) -> None:
    table = subject_table({f"S{i}": [0.5, 0.0] for i in range(6)})
    with caplog.at_level(logging.WARNING):
        folds(table, "random2")
    assert caplog.messages == [f"fold random2-{i}: validation lacks positives or negatives of AU [2]" for i in (1, 2)]


def test_schemes_that_do_not_fit_are_refused() -> None:
    table = random_table(0, ["F001", "F003", "F004", "F099"])
    with pytest.raises(InputError, match="subject F099 is in none"):
        folds(table, "parts")
    with pytest.raises(InputError, match="part2 has no subject"):
        folds(random_table(0, ["F001", "F004"]), "parts")
    with pytest.raises(InputError, match="gft has no published parts; allowed for it: official, random"):
        folds(random_table(0, ["F001"], dataset="gft"), "parts")
    for scheme in ("part", "random", "randomx", "3fold"):
        with pytest.raises(InputError, match=f"no fold scheme '{scheme}'; allowed: parts, official"):
            folds(table, scheme)
    for scheme in ("random1", "random5"):
        with pytest.raises(InputError, match="k must be 2 to 4"):
            folds(table, scheme)
    with pytest.raises(InputError, match="leaves 1 subject"):
        folds(random_table(0, ["A", "B"]), "random2")
    for share in (0, 1, -0.5, float("nan")):
        with pytest.raises(InputError, match="val_share"):
            folds(table, "random2", val_share=share)


def test_a_subject_in_two_parts_is_refused() -> None:
    table = random_table(0, ["A", "B", "C"])
    with pytest.raises(InputError, match=r"subject A is in train and in test"):
        make_fold("mine", table, ["A", "B"], ["C"], ["A"])
    with pytest.raises(InputError, match="its val part has no frame"):
        make_fold("mine", table, ["A", "B"], ["Z"], ["C"])
    fold = make_fold("mine", table, ["A"], ["B"], ["C"])
    assert len(fold.train) * 3 == table.height


def test_protocol_hash_sees_labels_and_parts() -> None:
    table = random_table(1, BP4D)
    made = folds(table, "parts")
    hashes = {protocol_hash(table, fold, "box-1") for fold in made.values()}
    assert len(hashes) == 3
    assert protocol_hash(table, made["part1"], "box-1") in hashes
    assert protocol_hash(table, made["part1"], "box-2") not in hashes
    assert protocol_hash(table.with_columns(au_1=1 - pl.col("au_1")), made["part1"], "box-1") not in hashes


def test_the_numbers_that_other_code_gives_the_folds() -> None:
    table = fold_number_table()
    assert table.columns == ["part", *FOLD_NUMBERS["part1"]]
    assert table.filter(pl.col("AUNCE") == "1")["part"].to_list() == ["part3"]
    assert table.filter(pl.col("FG-Net") == "0")["part"].to_list() == ["part1"]
    assert not any(table[name].is_duplicated().any() for name in table.columns)
