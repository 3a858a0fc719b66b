"""Studies on random partitions of their people: where the variance lies, and whether the order of two methods holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from data.schemes import partition_number
from reports.frames import tables
from study.experiments.partitions import components_of, paired, partitions_of
from study.records.result import PARTITION
from study.records.score_files import read_scores
from study.records.study_spec import StudySpec

_ORDER: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("a", "b"), pl.String),
    **dict.fromkeys(("partitions", "above", "held"), pl.Int64),
    **dict.fromkeys(("difference", "sd"), pl.Float64),
}


@dataclass(frozen=True)
class Partitioned:
    """A study and its score table on random partitions, which is empty before launch/final.py partitions=."""

    name: str
    people: tuple[str, str]  # dataset, fingerprint of its frame store: equal for studies of the same people
    scores: pl.DataFrame

    @property
    def number(self) -> int:
        """How many partitions there are."""
        return partitions_of(self.scores).height


def partitioned(root: Path, spec: StudySpec, name: str = "") -> Partitioned:
    """The study in the folder `root`."""
    fingerprint = str(spec.config.get("data", {}).get("fingerprint", ""))
    return Partitioned(name or spec.name, (spec.dataset, fingerprint), read_scores(root, "partitions"))


def dots_frame(studies: Sequence[Partitioned]) -> pl.DataFrame:
    """study, partition, value (mean F1), seed_sd: one row for each partition of each study."""
    parts = [
        partitions_of(study.scores).select(
            pl.lit(study.name).alias("study"),
            pl.col("condition").map_elements(partition_number, pl.Int64).alias("partition"),
            "value",
            "seed_sd",
        )
        for study in studies
    ]
    return pl.concat(parts)


def components_frame(studies: Sequence[Partitioned]) -> pl.DataFrame:
    """study, component, sd, low, high, n_seeds: one row for each component of each study."""
    parts = [components_of(study.scores).select(pl.lit(study.name).alias("study"), pl.all()) for study in studies]
    return pl.concat(parts)


def order_frame(studies: Sequence[Partitioned]) -> pl.DataFrame:
    """One row for each pair of studies of the same people with common partitions.

    partitions, in how many `a` is above `b`, in how many the order is that of the mean difference (`held`); mean and
    standard deviation of the differences `a` minus `b`.
    """
    rows = [
        _order_row(a, b, both)
        for a, b in combinations(studies, 2)
        if a.people == b.people and (both := paired(a.scores, b.scores)).height
    ]
    return pl.DataFrame(rows, schema=_ORDER)


def _order_row(a: Partitioned, b: Partitioned, both: pl.DataFrame) -> dict[str, Any]:
    gaps = both["a"] - both["b"]
    difference = float(gaps.mean())  # type: ignore[arg-type]
    held = (gaps * difference > 0).sum()
    return {
        "a": a.name,
        "b": b.name,
        "partitions": both.height,
        "above": int((gaps > 0).sum()),
        "held": int(held),
        "difference": difference,
        "sd": gaps.std(),
    }


def is_current(study: Partitioned, trials: pl.DataFrame, best: dict[str, Any] | None) -> bool:
    """Whether the partitions have the present choice of the first searched fold, which is `best`."""
    if best is None or not study.number:
        return True
    named = partitions_of(study.scores)
    found = tables.runs_like(tables.numbered(trials, PARTITION).filter(pl.col("status") == "DONE"), best)
    schemes = [fold.rpartition("-")[0] for fold in found["fold"]]
    return {*named["condition"]} <= {*schemes}
