"""All numbers of a page: read from the store, the rest computed once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from data.errors import InputError
from reports.frames import predicted, series, tables
from reports.frames.neighbours import Neighbours, neighbours
from reports.frames.partitions import Partitioned, is_current, partitioned
from reports.frames.predicted import Predicted
from reports.frames.split_scores import SplitEvaluation, scores_of_counts, split_evaluation
from study.records.study_spec import SearchSpec, StudySpec, search_in
from study.records.verdict import StudyVerdict
from study.scoring.verdicts import study_verdict
from study.search.objectives import Goals, goals_of

Importance = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]  # of trials and epochs

_OBJECTIVES = {"f1": "mean F1", "auc": "mean AUC"}


@dataclass(frozen=True)
class Materials:
    """Input from outside the result store, which a command has to load; missing parts are left out of the page.

    `labels` has one row for each subject and AU of the frame store: subject, fold (the one that tests on the subject),
    au, frames, coded, active. `pictures` are contact sheets: title, caption, PNG.
    """

    labels: pl.DataFrame | None = None
    pictures: tuple[tuple[str, str, bytes], ...] = ()
    left_out: tuple[str, ...] = ()  # files that were not read, and why


@dataclass(frozen=True)
class StudyReport:
    """All numbers of the sections."""

    spec: StudySpec
    search: SearchSpec
    provenance: dict[str, str]
    environments: pl.DataFrame
    trials: pl.DataFrame
    sweep: pl.DataFrame
    epochs: pl.DataFrame
    bests: dict[str, dict[str, Any]]  # by fold: each has its own search
    finals: tables.Finals
    final_counts: pl.DataFrame
    val: SplitEvaluation | None
    test: SplitEvaluation | None
    scores: pl.DataFrame  # study.records.score_table; empty before the final evaluation
    predicted: Predicted | None
    importance: pl.DataFrame  # study.search.importance
    objectives: list[str]
    tradeoff: pl.DataFrame  # trial, key, fold, x, y, front; empty with one objective
    root: Path
    partitions: Partitioned
    partitions_current: bool  # whether they have the best configuration of the sweep
    verdict: StudyVerdict
    neighbours: Neighbours = field(default_factory=Neighbours)
    materials: Materials = field(default_factory=Materials)

    @property
    def best(self) -> dict[str, Any] | None:
        """The best trial, of the first fold when several were searched."""
        return next(iter(self.bests.values()), None)

    @property
    def objective(self) -> str:
        """Name of the objective that the search maximised on validation subjects."""
        named = self.spec.objective
        return f"validation {_OBJECTIVES.get(named, named)}"

    @property
    def folds(self) -> list[str]:
        """The folds that were searched."""
        named = self.spec.folds
        return [*named, *(fold for fold in self.sweep["fold"].unique().sort() if fold not in named)]


def report_of(store: tables.Results, importance: Importance, materials: Materials | None = None) -> StudyReport:
    """Read the store and compute every number that the page prints."""
    spec, trials, epochs = store.spec(), store.trials(), store.epochs()
    search = search_in(store.root, spec)
    if trials.is_empty():
        raise InputError(f"no finished trial in {store.root} yet: run launch/sweep.py name={store.root.name}")
    sweep = tables.numbered(trials, "sweep")
    bests = tables.best_trials(sweep, store)
    finals = tables.final_runs(trials, bests, store.selections())
    aus, keys = spec.aus, finals.runs["key"].to_list()
    # read once for all sections: it is the slowest part of a page with many trials
    counts = store.counts([*keys, *(best["key"] for best in bests.values())])
    final_counts, scores = _of(counts, keys), store.final_scores()
    chosen = _of(counts, [best["key"] for best in bests.values()])
    repeated = partitioned(store.root, spec)
    recorded = scores.filter(selection=finals.recorded)
    known = recorded if recorded.height else _counted(final_counts, aus, finals.selection)
    return StudyReport(
        spec=spec,
        search=search,
        provenance=store.provenance(),
        environments=store.environments(),
        trials=trials,
        sweep=sweep,
        epochs=epochs,
        bests=bests,
        finals=finals,
        final_counts=final_counts,
        val=_evaluation(chosen, "val", aus),
        test=_evaluation(final_counts, "test", aus, recorded),
        scores=scores,
        predicted=predicted.predicted(finals.runs, store.predictions_path, aus),
        importance=importance(trials, epochs),
        objectives=list(spec.objectives),
        tradeoff=_tradeoff(store, goals_of(spec), sweep),
        root=store.root,
        partitions=repeated,
        partitions_current=is_current(repeated, trials, next(iter(bests.values()), None)),
        verdict=study_verdict(store, spec.name, known, keys, [best["key"] for best in bests.values()]),
        neighbours=neighbours(store.root, spec.name, spec.dataset),
        materials=materials or Materials(),
    )


def _counted(counts: pl.DataFrame, aus: tuple[int, ...], selection: str) -> pl.DataFrame:
    """Scores at threshold 0.5 from the counts of final trials."""
    return scores_of_counts(counts.filter(pl.col("split") == "test", pl.col("au").is_in(aus)), aus, selection)


def _tradeoff(store: tables.Results, goals: Goals, sweep: pl.DataFrame) -> pl.DataFrame:
    """The first two objectives of every finished trial, in their own units."""
    if len(goals.objectives) < 2:
        return pl.DataFrame()
    done = [one for one in store.outcomes("sweep") if one.status == "DONE" and one.value is not None]
    rows = [(one.key, *goals.values(one)[:2]) for one in done]
    values = pl.DataFrame(rows, schema={"key": pl.String, "x": pl.Float64, "y": pl.Float64}, orient="row")
    joined = sweep.select("trial", "key", "fold").join(values, on="key")
    return series.pareto_frame(joined, goals.directions)


def _of(counts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return counts.filter(pl.col("key").is_in(keys)) if counts.height else counts


def _evaluation(
    counts: pl.DataFrame, split: str, aus: tuple[int, ...], recorded: pl.DataFrame | None = None
) -> SplitEvaluation | None:
    """The recorded scores of these trials or, without any, scores from their counts."""
    # trials of a former revision may have more AUs
    rows = counts.filter(pl.col("split") == split, pl.col("au").is_in(aus)) if counts.height else counts
    if rows.is_empty():
        return None
    scores = recorded if recorded is not None and recorded.height else scores_of_counts(rows, aus, split=split)
    return split_evaluation(scores, rows, aus)
