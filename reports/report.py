"""All numbers of a page, read from the store and computed once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from data.errors import InputError
from data.seeds import numpy_generator
from reports import tables
from reports.tables import Evaluation

Importance = Callable[[pl.DataFrame], pl.DataFrame]

OBJECTIVES = {"f1": "mean F1", "auc": "mean AUC"}


@dataclass(frozen=True)
class Report:
    """All that the sections print, read and computed once."""

    study: dict[str, Any]
    provenance: dict[str, str]
    trials: pl.DataFrame
    sweep: pl.DataFrame
    epochs: pl.DataFrame
    best: dict[str, Any] | None
    finals: tables.Finals
    final_counts: pl.DataFrame
    val: Evaluation | None
    test: Evaluation | None
    importance: pl.DataFrame

    @property
    def objective(self) -> str:
        """Name of what the search maximised, over validation subjects."""
        named = str(self.study["objective"])
        return f"validation {OBJECTIVES.get(named, named)}"

    @property
    def aus(self) -> tuple[int, ...]:
        return tuple(self.study["aus"])


def gather(store: tables.Results, importance: Importance) -> Report:
    """Read the store and compute every number that the page prints."""
    trials = store.trials()
    if trials.is_empty():
        raise InputError(f"no finished trial in {store.root} yet: run launch/sweep.py name={store.root.name}")
    counts, study = store.counts(), store.study()
    sweep = tables.numbered(trials, "sweep")
    best = tables.best_trial(sweep)
    finals = tables.final_runs(trials, best)
    aus = tuple(study["aus"])
    final_counts = _of(counts, finals.runs["key"].to_list())
    chosen = _of(counts, [best["key"]] if best else [])
    return Report(
        study=study,
        provenance=store.provenance(),
        trials=trials,
        sweep=sweep,
        epochs=store.epochs(),
        best=best,
        finals=finals,
        final_counts=final_counts,
        val=_evaluation(chosen, "val", aus),
        test=_evaluation(final_counts, "test", aus),
        importance=importance(sweep.drop("trial")),
    )


def _of(counts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return counts.filter(pl.col("key").is_in(keys)) if counts.height else counts


def _evaluation(counts: pl.DataFrame, split: str, aus: tuple[int, ...]) -> Evaluation | None:
    rows = counts.filter(pl.col("split") == split, pl.col("au").is_in(aus)) if counts.height else counts
    return tables.evaluate(rows, aus, numpy_generator("bootstrap", split)) if rows.height else None
