"""The tables of a transfer study: every method of every dataset on every other, and the differences between methods.

    <runs_root>/<name>/scores/transfer.parquet   scores of each study on each dataset, and the differences between
                                                 the methods of one source on one target
    <runs_root>/<name>/transfer.json             settings, AUs, label conventions, what was left out

A score on another dataset is over all of its frames. A score on the detector's own dataset is the usual one, the mean
over folds on their test parts. `retention_<metric>` is the score of a source's detectors on the same test parts,
divided by the score of the target's own detectors of the same method.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import polars as pl

from data.aus import shared_aus
from data.errors import InputError
from data.files import write_atomic
from study.experiments.cross_dataset.cells import PairScores
from study.experiments.cross_dataset.pairs import ELSEWHERE
from study.records.score_files import read_scores, scores_path, write_scores
from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS, RULES, fewest_runs, scores_frame
from study.records.transfer_spec import TransferSpec, transfer_spec_from_json
from study.scoring.sampled import ScoreRow, difference_row, over, sampled_rows, with_holm

AU_SETS = ("common", "pair")
COMMON, PAIR = AU_SETS  # the `condition` of a score: AUs that all datasets share, or AUs that both of a pair share


@dataclass(frozen=True, eq=False)
class Transfer:
    """The results of a transfer study."""

    spec: TransferSpec
    scores: pl.DataFrame

    @property
    def table(self) -> pl.DataFrame:
        """Scores of each study on each dataset, for the console and the page."""
        found = self.scores.filter(pl.col("against").is_null())
        names = {"study": self._study(), "aus_kind": pl.col("condition")}
        columns = {name: pl.col(name) for name in ("aus", "rule", "metric", "au", *INTERVAL_ENDS)}
        return found.select("method", "source", "target", **names, **columns)

    @property
    def tests(self) -> pl.DataFrame:
        """Differences between the methods of one source on one target, for the console and the page."""
        found = self.scores.filter(pl.col("against").is_not_null())
        methods = {"method_a": pl.col("method"), "method_b": pl.col("against")}
        ends = {"difference": pl.col("value"), **{name: pl.col(name) for name in ("low", "high", "p", "p_holm")}}
        return found.select("source", "target", "rule", "metric", **methods, aus=pl.col("aus"), **ends)

    @property
    def seeds(self) -> int:
        """Training runs of our study with the fewest; external detectors are compared as they are."""
        ours = [study.method for study in self.spec.studies if study.trained_on]
        return fewest_runs(self.scores.filter(pl.col("method").is_in(ours)))

    def _study(self) -> pl.Expr:
        """The name of the study of a row; external studies of one method and source differ in the target only."""
        found = pl.lit(None, pl.String)
        for study in self.spec.studies:
            here = (pl.col("method") == study.method) & (pl.col("source") == study.source)
            if not study.trained_on:
                here &= pl.col("target") == study.target
            found = pl.when(here).then(pl.lit(study.name)).otherwise(found)
        return found


def read_transfer(folder: Path) -> Transfer:
    """Read the files of `write_transfer`; `InputError` when they are missing or damaged."""
    scores, path = read_scores(folder, "transfer"), folder / "transfer.json"
    if not path.exists() or scores.is_empty():
        lost = scores_path(folder, "transfer") if path.exists() else path
        raise InputError(f"no transfer study in {folder}, no {lost.name}: run launch/transfer.py name={folder.name}")
    return Transfer(transfer_spec_from_json(path.read_bytes(), str(path)), scores)


def write_transfer(folder: Path, transfer: Transfer) -> None:
    """Write the scores and the settings of a transfer study."""
    # first the settings: the scores carry the name in them
    write_atomic(folder / "transfer.json", transfer.spec.to_json())
    write_scores(folder, "transfer", transfer.scores)


def transfer_table(cells: Sequence[PairScores], common: Sequence[int]) -> pl.DataFrame:
    """Scores of all cells on the AUs of each pair and on the `common` AUs, then the differences between methods."""
    own = {(cell.target, cell.study.method): cell for cell in cells if cell.own}
    rows: list[ScoreRow] = []
    for cell in cells:
        for kind, aus in zip(AU_SETS, (tuple(common), cell.aus), strict=True):
            if aus:
                rows += _rows(cell, kind, aus, own.get((cell.target, cell.study.method)))
    return scores_frame(rows + _differences(cells))


def _rows(cell: PairScores, kind: str, aus: tuple[int, ...], own: PairScores | None) -> Iterator[ScoreRow]:
    study = cell.study
    names = {"method": study.method, "source": study.source, "target": cell.target}
    names |= {"condition": kind, "aggregate": "folds"}
    for rule, metric in _metrics(cell):
        named = names | {"rule": rule}
        yield from sampled_rows(cell.number(metric, rule, aus, by_part=cell.own), named | {"metric": metric})
        if own is not None and not cell.own and metric != "always_positive" and own.has(metric, rule):
            here, there = (one.number(metric, rule, aus, by_part=True) for one in (cell, own))
            yield from sampled_rows(over(here, there), named | {"metric": f"retention_{metric}"})


def _metrics(cell: PairScores) -> Iterator[tuple[str, str]]:
    """Each (threshold rule, metric) that the cell has."""
    yield from ((rule, "f1") for rule in RULES if cell.has("f1", rule))
    yield from ((FIXED_THRESHOLD, metric) for metric in ("auc", "always_positive"))


def _differences(cells: Sequence[PairScores]) -> list[ScoreRow]:
    """Each pair of methods of one source on one target, and each of ours against each external detector.

    On the AUs that both predict and the target codes. Holm's correction is over all of them, whatever the metric and
    the rule: a reader may look for any small p-value.
    """
    return with_holm([row for a, b, source in _opponents(cells) for row in _tests(a, b, source)])


def _opponents(cells: Sequence[PairScores]) -> Iterator[tuple[PairScores, PairScores, str]]:
    """Two cells of one target to compare, and their source."""
    for target in dict.fromkeys(cell.target for cell in cells):
        there = sorted((cell for cell in cells if cell.target == target), key=_by_name)
        for a, b in combinations(there, 2):
            ours = dict.fromkeys(cell.study.source for cell in (a, b) if not cell.study.foreign)
            if len(ours) < 2:
                yield a, b, next(iter(ours), ELSEWHERE)


def _by_name(cell: PairScores) -> tuple[bool, str]:
    """Our methods first, so that a difference is ours minus an external one."""
    return cell.study.foreign, cell.study.method


def _tests(a: PairScores, b: PairScores, source: str) -> Iterator[ScoreRow]:
    by_part, aus = a.own or b.own, shared_aus(a.aus, b.aus)
    names = {"method": a.study.method, "against": b.study.method, "source": source, "target": a.target}
    names |= {"condition": PAIR, "aggregate": "folds"}
    for rule, metric in _metrics(a) if aus else ():
        if metric != "always_positive" and b.has(metric, rule):
            one, other = (cell.number(metric, rule, aus, by_part) for cell in (a, b))
            yield difference_row(one, other, names | {"rule": rule, "metric": metric})
