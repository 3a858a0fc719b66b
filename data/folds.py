"""Folds: rows to train on, to choose with and to test on, never sharing a person."""

import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.aus import au_column
from data.catalog import CATALOG
from data.dataset import FOLD_NUMBERS
from data.errors import InputError, raise_all
from data.frames import aus_of, table_digest
from data.schemes import SCHEMES, random_scheme
from data.seeds import numpy_generator
from data.settings import VAL_SHARE

log = logging.getLogger(__name__)

DRAWS = 500  # candidate validation sets


@dataclass(frozen=True, eq=False)
class Fold:
    """Row indices [n] of a FrameTable, ascending; `make_fold` checks that no subject is in two parts."""

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def make_fold(
    name: str,
    table: pl.DataFrame,
    train_subjects: Collection[str],
    val_subjects: Collection[str],
    test_subjects: Collection[str],
) -> Fold:
    """The fold with all rows of these subjects; `InputError` if one is in two parts or a part has no row."""
    parts = {"train": set(train_subjects), "val": set(val_subjects), "test": set(test_subjects)}
    rows = {part: _rows(table, subjects) for part, subjects in parts.items()}
    problems = [f"its {part} part has no frame" for part in parts if not len(rows[part])]
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        problems += [f"subject {s} is in {one} and in {other}" for s in sorted(parts[one] & parts[other])]
    raise_all(f"fold {name} is not usable:", problems)
    return Fold(name, **rows)


def fold_names(table: pl.DataFrame, scheme: str) -> list[str]:
    """Names of the folds of `scheme`: part1.., random3-1.., official."""
    return list(_test_subjects(table, scheme, seed=0))


def expected_folds(dataset: str, scheme: str) -> list[str]:
    """Names of the folds as far as they are known before any frame is read; else none."""
    parts, _ = random_scheme(scheme) or (0, 0)
    if parts:
        return [f"{scheme}-{number}" for number in range(1, parts + 1)]
    return [*CATALOG[dataset].parts] if scheme == "parts" and dataset in CATALOG else []


def folds(table: pl.DataFrame, scheme: str, val_share: float = VAL_SHARE, seed: int = 0) -> dict[str, Fold]:
    """The folds of `scheme` by name; whole training subjects, about `val_share` of them, are the val part.

    "parts": the published parts, a fold is named by the part it tests on. "official": the dataset's own split,
    tested on "test", or on "val" where test labels are not public. "random<k>": k seeded subject-exclusive parts;
    "random<k>@<p>": the p-th of several such partitions.
    """
    check_val_share(val_share)
    return {
        name: _fold(name, table, tested, val_share, seed)
        for name, tested in _test_subjects(table, scheme, seed).items()
    }


def check_val_share(val_share: float) -> None:
    """`InputError` unless a part of the training subjects remains to train on."""
    if not 0 < val_share < 1:
        raise InputError(f"val_share={val_share}; allowed: between 0 and 1, e.g. {VAL_SHARE}")


def fold_number_table() -> pl.DataFrame:
    """What other code calls the fold that tests on each part: a row a part, a column a code base."""
    return pl.DataFrame([{"part": part, **numbers} for part, numbers in FOLD_NUMBERS.items()])


def protocol_hash(table: pl.DataFrame, fold: Fold, alignment: str) -> str:
    """Identity (sha256, hex) of frames, labels, alignment and parts; equal hashes mean comparable test results.

    The labels say what threshold, frame set and treatment of missing codes they come from, the paths which camera.
    """
    digest = hashlib.sha256(table_digest(table) + alignment.encode())
    for rows in (fold.train, fold.val, fold.test):
        digest.update(b"|" + rows.astype("<i8").tobytes())
    return digest.hexdigest()


def _rows(table: pl.DataFrame, subjects: Collection[str]) -> np.ndarray:
    return table["subject"].is_in(list(subjects)).arg_true().to_numpy().astype(np.int64)


def _subjects(table: pl.DataFrame) -> list[str]:
    return table["subject"].unique().sort().to_list()


def _test_subjects(table: pl.DataFrame, scheme: str, seed: int) -> dict[str, list[str]]:
    if not aus_of(table):
        raise InputError(f"{table['dataset'][0]} has no labels, so it has no folds; use it only in pretrain.stores")
    random = random_scheme(scheme)
    if random:
        return _random(table, scheme, *random, seed)
    if scheme == "parts":
        return _published(table)
    if scheme == "official":
        return _official(table)
    raise InputError(f"no fold scheme {scheme!r}; allowed: {SCHEMES}")


def _random(table: pl.DataFrame, scheme: str, k: int, number: int, seed: int) -> dict[str, list[str]]:
    subjects = _subjects(table)
    if not 2 <= k <= len(subjects):
        raise InputError(f"{scheme}: k must be 2 to {len(subjects)}, the number of subjects")
    # of sorted names: the parts do not depend on the order in which a reader finds people
    drawn = ("folds", k, number, seed) if number else ("folds", k, seed)
    order = numpy_generator(*drawn).permutation(len(subjects))
    parts = np.array_split(order, k)
    return {f"{scheme}-{n}": [subjects[i] for i in part] for n, part in enumerate(parts, start=1)}


def _published(table: pl.DataFrame) -> dict[str, list[str]]:
    dataset = table["dataset"][0]
    published = CATALOG[dataset].parts if dataset in CATALOG else {}
    if not published:
        raise InputError(f"{dataset} has no published parts; allowed for it: official, random<k> (e.g. random3)")
    present = set(_subjects(table))
    parts = {part: [s for s in subjects if s in present] for part, subjects in published.items()}
    unknown = sorted(present - {s for subjects in parts.values() for s in subjects})
    problems = [f"subject {subject} is in none of the parts" for subject in unknown]
    problems += [f"{part} has no subject in the table" for part, subjects in parts.items() if not subjects]
    raise_all(
        f"the published parts of {dataset} do not match its frames (dataset.fold_scheme=random3 needs none):", problems
    )
    return parts


def _official(table: pl.DataFrame) -> dict[str, list[str]]:
    split = table.group_by("subject").agg(pl.col("split").unique().sort()).sort("subject")
    problems = [
        f"subject {subject} has split {', '.join(str(part) for part in parts)}"
        for subject, parts in split.iter_rows()
        if len(parts) != 1 or parts[0] is None
    ]
    raise_all(
        f"{table['dataset'][0]} has no official split of subjects (dataset.fold_scheme=random3 needs none):", problems
    )
    parts = set(table["split"].unique())
    held_out = "test" if "test" in parts else "val"  # papers on Aff-Wild2 report the validation set
    if not {"train", held_out} <= parts:
        raise InputError(
            f"{table['dataset'][0]}: the official split has only {sorted(parts)}; try dataset.fold_scheme=random3"
        )
    return {"official": _subjects(table.filter(pl.col("split") == held_out))}


def _fold(name: str, table: pl.DataFrame, tested: Collection[str], val_share: float, seed: int) -> Fold:
    trained = [subject for subject in _subjects(table) if subject not in tested]
    if len(trained) < 2:
        raise InputError(
            f"fold {name} leaves {len(trained)} subject to train on; it needs at least 2, one of them for validation"
        )
    chosen = validation_subjects(name, table, trained, val_share, seed)
    return make_fold(name, table, [s for s in trained if s not in chosen], chosen, tested)


def validation_subjects(name: str, table: pl.DataFrame, subjects: list[str], share: float, seed: int) -> list[str]:
    """About `share` of `subjects`: the seeded draw with both classes of every AU and base rates closest to all."""
    aus = aus_of(table)
    counts = _counts(table, subjects)
    take = min(max(1, round(share * len(subjects))), len(subjects) - 1)  # somebody is left to train on
    rng = numpy_generator("validation", name, seed)
    drawn = np.argsort(rng.random((DRAWS, len(subjects))), axis=1) < take
    val, whole = np.einsum("ds,sac->dac", drawn, counts), counts.sum(0)
    lacking = ((val == 0) | (whole - val == 0)).sum((1, 2))
    # an AU without both classes cannot be scored at all, so that comes before its base rate
    best = np.lexsort((_distance(val, whole), lacking))[0]
    absent = [au for au, classes in zip(aus, val[best], strict=True) if (classes == 0).any()]
    if absent:
        log.warning("fold %s: validation lacks positives or negatives of AU %s", name, absent)
    return [subject for subject, taken in zip(subjects, drawn[best], strict=True) if taken]


def _counts(table: pl.DataFrame, subjects: Sequence[str]) -> np.ndarray:
    """Negative and positive frames, int64 [S, A, 2]."""
    names = [au_column(au) for au in aus_of(table)]
    columns = [
        (pl.col(name) == label).sum().cast(pl.Int64).alias(f"{name}={label}") for name in names for label in (0, 1)
    ]
    counted = pl.DataFrame({"subject": subjects}).join(
        table.group_by("subject").agg(columns), on="subject", how="left", maintain_order="left"
    )
    return counted.drop("subject").to_numpy().reshape(len(subjects), len(names), 2)


def _distance(val: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Summed absolute difference of the positives' shares, [draws], of counts [draws, A, 2] and [A, 2]."""
    shares = val[..., 1] / np.maximum(val.sum(-1), 1)
    distance: np.ndarray = np.abs(shares - whole[:, 1] / np.maximum(whole.sum(-1), 1)).sum(-1)
    return distance
