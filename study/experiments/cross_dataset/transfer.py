"""The tables of a transfer study: every method of every dataset on every other, and what differs between methods.

    <runs_root>/<name>/transfer.parquet   scores of each study on each dataset: TRANSFER
    <runs_root>/<name>/tests.parquet      differences between the methods of one source on one target: TESTS
    <runs_root>/<name>/transfer.json      what was asked, AUs, label conventions, what was left out

A score on another dataset is over all of its frames. On the detector's own dataset it is the field's number, the mean
over folds of the parts that they test on. `retention_<metric>` is what is left of that: the score of a source's
detectors on those same parts, fold by fold, over that of the target's own detectors of the same method.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.aus import shared_aus
from data.errors import InputError
from data.files import atomic_path, write_atomic
from study.experiments.cross_dataset.cells import PairScores
from study.experiments.cross_dataset.marks import ALWAYS, AUC
from study.experiments.cross_dataset.pairs import ELSEWHERE
from study.records.score_table import RULES
from study.scoring.bootstrap import Floats, mean, ratio, subject_interval
from study.scoring.significance import difference, holm

TRANSFER: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("method", "source", "target", "study", "aus_kind", "aus", "rule", "metric"), pl.String),
    "au": pl.Int64,  # null for the mean over `aus`
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
}
TESTS: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("source", "target", "rule", "metric", "method_a", "method_b", "aus"), pl.String),
    **dict.fromkeys(("difference", "low", "high", "p", "p_holm"), pl.Float64),
}
AU_SETS = ("pair", "common")
ANY_RULE = RULES[0]  # where metrics that read no threshold stand


@dataclass(frozen=True, eq=False)
class Transfer:
    """What a transfer study came to; fractions, null is undefined."""

    asked: dict[str, Any]
    table: pl.DataFrame
    tests: pl.DataFrame


def read_transfer(folder: Path) -> Transfer:
    """What `write_transfer` wrote; `InputError` when it is not there or not whole."""
    try:
        asked = json.loads((folder / "transfer.json").read_bytes())
        table, tests = (pl.read_parquet(folder / f"{name}.parquet") for name in ("transfer", "tests"))
    except FileNotFoundError as error:
        raise InputError(f"no transfer study in {folder}: run launch/transfer.py name={folder.name}") from error
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{folder} is damaged ({error}); run launch/transfer.py name={folder.name} again") from error
    if dict(table.schema) != TRANSFER or dict(tests.schema) != TESTS:
        raise InputError(f"{folder} was written by another version; run launch/transfer.py name={folder.name} again")
    return Transfer(asked, table, tests)


def write_transfer(folder: Path, transfer: Transfer) -> None:
    """Write the three files, each whole or not at all."""
    for name, frame in (("transfer", transfer.table), ("tests", transfer.tests)):
        with atomic_path(folder / f"{name}.parquet") as temporary:
            frame.write_parquet(temporary, compression="zstd")
    write_atomic(folder / "transfer.json", json.dumps(transfer.asked, indent=1, allow_nan=False).encode())


def score_table(cells: Sequence[PairScores], common: Sequence[int]) -> pl.DataFrame:
    """TRANSFER rows of all cells, on the AUs of each pair and on the `common` ones."""
    own = {(cell.target, cell.study.method): cell for cell in cells if cell.own}
    rows: list[dict[str, Any]] = []
    for cell in cells:
        for kind, aus in zip(AU_SETS, (cell.scored.aus, tuple(common)), strict=True):
            if aus:
                rows += _rows(cell, kind, aus, own.get((cell.target, cell.study.method)))
    return _frame(rows, TRANSFER)


def _rows(cell: PairScores, kind: str, aus: tuple[int, ...], own: PairScores | None) -> Iterator[dict[str, Any]]:
    study = cell.study
    names = {"method": study.method, "source": study.source, "target": cell.target, "study": study.name}
    names |= {"aus_kind": kind, "aus": " ".join(map(str, aus))}
    people = cell.resampled(by_part=cell.own)
    for rule, metric, name in _numbers(cell):
        drawn = cell.columns(name, aus, by_part=cell.own)
        yield from _estimates(names | {"rule": rule, "metric": metric}, aus, drawn, mean(drawn, 1), people)
        if own is not None and not cell.own and metric != ALWAYS and own.has(name):
            here, there = (one.columns(name, aus, by_part=True) for one in (cell, own))
            kept = {"rule": rule, "metric": f"retention_{metric}"}
            overall = ratio(mean(here, 1), mean(there, 1))
            yield from _estimates(names | kept, aus, ratio(here, there), overall, cell.resampled(True), np.inf)


def _numbers(cell: PairScores) -> Iterator[tuple[str, str, str]]:
    """Rule, metric, and name of the number."""
    yield from ((rule, "f1", f"f1 {rule}") for rule in RULES if cell.has(f"f1 {rule}"))
    yield from ((ANY_RULE, name, name) for name in (AUC, ALWAYS))


def _estimates(
    names: dict[str, Any], aus: Sequence[int], by_au: Floats, overall: Floats, people: tuple[int, int], most: float = 1
) -> Iterator[dict[str, Any]]:
    """A row for each AU, and one for their mean; intervals inside the range of the metric, 0 to `most`."""
    for au, drawn in zip((*aus, None), (*by_au.T, overall), strict=True):
        value = float(drawn[0])
        low, high = np.clip(subject_interval(value, drawn[1:], *people), 0, most)
        yield names | {"au": au, "value": value, "low": low, "high": high}


def difference_table(cells: Sequence[PairScores]) -> pl.DataFrame:
    """TESTS rows: each two methods of a source on a target, and each of them with every foreign detector there.

    On the AUs that both know and the target codes. Holm's correction is over all rows of one metric and rule.
    """
    rows = [row for a, b, source in _opponents(cells) for row in _tests(a, b, source)]
    families: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault((row["metric"], row["rule"]), []).append(row)
    for family in families.values():
        for row, corrected in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_holm"] = corrected
    return _frame(rows, TESTS)


def _opponents(cells: Sequence[PairScores]) -> Iterator[tuple[PairScores, PairScores, str]]:
    """Two cells of one target, and the source that the comparison is about."""
    for target in dict.fromkeys(cell.target for cell in cells):
        there = sorted((cell for cell in cells if cell.target == target), key=_by_name)
        for a, b in combinations(there, 2):
            ours = dict.fromkeys(cell.study.source for cell in (a, b) if not cell.study.foreign)
            if len(ours) < 2:
                yield a, b, next(iter(ours), ELSEWHERE)


def _by_name(cell: PairScores) -> tuple[bool, str]:
    """Our methods first, so that a difference is ours less a foreign one."""
    return cell.study.foreign, cell.study.method


def _tests(a: PairScores, b: PairScores, source: str) -> Iterator[dict[str, Any]]:
    by_part, aus = a.own or b.own, shared_aus(a.scored.aus, b.scored.aus)
    names = {"source": source, "target": a.target, "method_a": a.study.method, "method_b": b.study.method}
    numbers = [(rule, metric, name) for rule, metric, name in _numbers(a) if metric != ALWAYS and b.has(name)]
    for rule, metric, name in numbers if aus else ():
        one, other = (cell.overall(name, aus, by_part) for cell in (a, b))
        found = difference(one, other, *a.resampled(by_part))
        values = {"difference": found.value, "low": found.low, "high": found.high, "p": found.p}
        yield names | {"rule": rule, "metric": metric, "aus": " ".join(map(str, aus))} | values


def _frame(rows: list[dict[str, Any]], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """Rows as a frame; NaN becomes null."""
    return pl.DataFrame(rows, schema=schema).with_columns(pl.selectors.float().fill_nan(None))
