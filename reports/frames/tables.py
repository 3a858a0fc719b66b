"""The tables of a page: result frames in, polars frames out. Scores are fractions; null means undefined."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from model.metrics import always_positive_f1, f1
from reports.frames import text
from study.records.latest_work import LatestWork
from study.records.outcome import Outcome
from study.records.selection_record import SelectionRecord
from study.records.study_spec import StudySpec
from study.scoring import bootstrap
from study.search.objectives import goals_of

PARAM = "param/"
_STATES = ("DONE", "PRUNED", "FAILED")
QUOTED = ("nested", "shared")  # selections that may be reported as a result, the better first
PUBLISHED = Path(__file__).with_name("published.csv")


class Results(Protocol):
    """What a page reads from a result store; `study.records.store.StudyStore` is one."""

    @property
    def root(self) -> Path: ...
    def trials(self) -> pl.DataFrame: ...
    def epochs(self) -> pl.DataFrame: ...
    def counts(self, keys: Collection[str] | None = None) -> pl.DataFrame: ...
    def environments(self) -> pl.DataFrame: ...
    def final_scores(self) -> pl.DataFrame: ...
    def selections(self) -> dict[str, SelectionRecord]: ...
    def outcomes(self, stage: str = "", fold: str = "") -> list[Outcome]: ...
    def running(self) -> list[Outcome]: ...
    def work(self) -> LatestWork: ...
    def predictions_path(self, key: str) -> Path: ...
    def spec(self) -> StudySpec: ...
    def provenance(self) -> dict[str, str]: ...


def numbered(trials: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Trials of one stage in the order in which they started, numbered from 1 in column `trial`."""
    chosen = trials.filter(pl.col("stage") == stage).sort("started", "key")
    return chosen.with_columns(pl.col("value").fill_nan(None)).with_row_index("trial", offset=1)


def states(trials: pl.DataFrame) -> dict[str, int]:
    """The number of trials that ended in each state."""
    return {state: int((trials["status"] == state).sum()) for state in _STATES}


def parameters(trials: pl.DataFrame) -> list[str]:
    """Names of the searched parameters, without the prefix of their columns."""
    return [name.removeprefix(PARAM) for name in trials.columns if name.startswith(PARAM)]


def best_trials(sweep: pl.DataFrame, store: Results) -> dict[str, dict[str, Any]]:
    """The row of `sweep` of the chosen trial, for each fold that has one.

    One choice for each fold, because trials of different folds are scored on different people.
    """
    ranked = goals_of(store.spec()).ranked(store.outcomes("sweep"))
    # reversed: the first, which is the best, is written last and stays
    best = {one.fold: one.key for one in reversed(ranked)}
    rows = sweep.filter(pl.col("key").is_in([*best.values()])).sort("fold")
    return {str(row["fold"]): row for row in rows.iter_rows(named=True)}


def best_configuration(trials: pl.DataFrame, bests: list[dict[str, Any]]) -> pl.DataFrame:
    """One row for each searched parameter: its value in the best trial (of each fold), and the values tried."""
    titles = ["chosen"] if len(bests) == 1 else [f"chosen in {best['fold']}" for best in bests]
    rows = [
        {"parameter": name}
        | {title: text.plain(best[PARAM + name]) for title, best in zip(titles, bests, strict=True)}
        | {"tried": _tried(trials[PARAM + name].drop_nulls())}
        for name in parameters(trials)
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("parameter", *titles, "tried"), pl.String))


def _tried(values: pl.Series) -> str:
    known = sorted(values.unique().to_list())
    if values.dtype.is_numeric() and len(known) > 4:  # a list of more numbers is hard to read
        return f"{text.rounded(known[0])} to {text.rounded(known[-1])}"
    return ", ".join(text.plain(value) for value in known)


@dataclass(frozen=True)
class Finals:
    """The final trials of one evaluation, one for each fold and seed.

    `selection` is "nested" when every fold has the configuration that was chosen within it, else "shared"; `current`:
    whether they have the best configurations of the sweep; `left_out`: the number of other finished final trials;
    `recorded`: the selection of the final evaluation that consists of exactly these trials, else empty.
    """

    runs: pl.DataFrame
    current: bool
    left_out: int
    selection: str = "shared"
    recorded: str = ""


def final_runs(
    trials: pl.DataFrame, bests: dict[str, dict[str, Any]], recorded: Mapping[str, SelectionRecord]
) -> Finals:
    """The trials of the latest final evaluation, as `recorded`, if they have the best configurations.

    Otherwise the final trials of the best configurations; without any, those of the newest configuration. With several
    searched folds each fold runs its own choice (nested); with one searched fold, all folds run its choice (shared).
    """
    finals = numbered(trials, "final").filter(pl.col("status") == "DONE")
    if finals.is_empty():
        return Finals(finals, True, 0)
    known = {selection: _recorded_runs(finals, selection, recorded) for selection in QUOTED}
    for selection, runs in known.items():
        # a search that went on after launch/final.py may have a better configuration now
        if runs.height and _of_bests(runs, bests, selection):
            return Finals(runs, True, finals.height - runs.height, selection, selection)
    if len(bests) > 1:
        parts = [_fresh_like(finals.filter(pl.col("fold") == fold), best) for fold, best in bests.items()]
        runs, selection = pl.concat(parts).sort("fold", "seed"), "nested"
    else:
        best = next(iter(bests.values()), None)
        runs, selection = (_fresh_like(finals, best) if best else finals.clear()), "shared"
    current = not bests or runs.height > 0
    # final trials of an earlier choice are still shown, and named as such
    if runs.is_empty():
        runs, selection = runs_like(finals, finals.row(-1, named=True)), "shared"
    same = [name for name, others in known.items() if {*others["key"]} == {*runs["key"]}]
    return Finals(runs, current, finals.height - runs.height, selection, next(iter(same), ""))


def _recorded_runs(finals: pl.DataFrame, selection: str, recorded: Mapping[str, SelectionRecord]) -> pl.DataFrame:
    """The trials of a recorded final evaluation; none if some of them are missing."""
    keys = recorded[selection].keys if selection in recorded else []
    runs = finals.filter(pl.col("key").is_in(keys)).sort("fold", "seed")
    return runs if runs.height == len(keys) else finals.clear()


def _of_bests(runs: pl.DataFrame, bests: dict[str, dict[str, Any]], selection: str) -> bool:
    """Whether final trials have the best configurations: each fold its own, or all folds the same."""
    if selection == "nested":
        return all(runs_like(runs.filter(pl.col("fold") == fold), best).height for fold, best in bests.items())
    return any(runs_like(runs, best).height == runs.height for best in bests.values())


def _fresh_like(finals: pl.DataFrame, best: dict[str, Any]) -> pl.DataFrame:
    """The same with other seeds than the search, if there are any: former revisions trained its seed as well."""
    runs = runs_like(finals, best)
    fresh = runs.filter(pl.col("seed") != best["seed"])
    return fresh if fresh.height else runs


def runs_like(finals: pl.DataFrame, chosen: dict[str, Any]) -> pl.DataFrame:
    """The newest of `finals` for each fold and seed that have the parameters and method of `chosen`."""
    same = [name for name in finals.columns if name.startswith(PARAM)] + ["method"]
    # eq_missing: a parameter that both lack is equal
    match = [pl.col(name).eq_missing(pl.lit(chosen[name])) for name in same]
    return finals.filter(match).unique(["fold", "seed"], keep="last", maintain_order=True).sort("fold", "seed")


def fold_seed_spread(counts: pl.DataFrame, aus: tuple[int, ...], nested: Collection[str]) -> pl.DataFrame:
    """One row for each fold and seed of the final trials: mean F1 over AUs on validation and test subjects.

    `nested` are the folds whose test subjects had no influence on the choice of their configuration.
    """
    test, val = (_by_run(counts.filter(pl.col("split") == split), aus) for split in ("test", "val"))
    joined = test.join(val.select("fold", "seed", val_f1="f1"), on=["fold", "seed"], how="left")
    return joined.select(
        "fold",
        "seed",
        "subjects",
        "val_f1",
        test_f1="f1",
        always_positive="always_positive",
        lift=pl.col("f1") - pl.col("always_positive"),
        nested=pl.col("fold").is_in(list(nested)),
    ).sort("fold", "seed")


def _by_run(counts: pl.DataFrame, aus: tuple[int, ...]) -> pl.DataFrame:
    schema = {"fold": pl.String, "seed": pl.Int64, "subjects": pl.Int64}
    rows = []
    for fold, cube in bootstrap.fold_cubes(counts, aus).items():
        seeds = counts.filter(pl.col("fold") == fold)["seed"].unique().sort()
        score, base = (bootstrap.mean(rule(cube.sum(1)), 1) for rule in (f1, always_positive_f1))
        rows += [(fold, seed, cube.shape[1], score[at], base[at]) for at, seed in enumerate(seeds.to_list())]
    scores = {"f1": pl.Float64, "always_positive": pl.Float64}
    return pl.DataFrame(rows, schema={**schema, **scores}, orient="row").fill_nan(None)


def fold_means(spread: pl.DataFrame) -> pl.DataFrame:
    """One row for each fold: mean and standard deviation of the test F1 over its seeds (null with one seed)."""
    return (
        spread.group_by("fold")
        .agg(
            seeds=pl.len(),
            subjects=pl.col("subjects").first(),
            test_f1=pl.col("test_f1").mean(),
            seed_sd=pl.col("test_f1").std(),
            always_positive=pl.col("always_positive").mean(),
            nested=pl.col("nested").first(),
        )
        .sort("fold")
    )


def published_rows(dataset: str) -> pl.DataFrame:
    """Published F1, one row for each method: method, a column for each AU, mean, note, source, average_inconsistent.

    The always-positive detector comes first, then the others by name, because they cannot be ranked.
    """
    rows = pl.read_csv(PUBLISHED, glob=False).filter(pl.col("dataset") == dataset)
    if rows.is_empty():
        return rows
    index = ["method", "note", "source", "average_inconsistent"]
    # the file has percent, as the papers print them
    wide = rows.with_columns(pl.col("note").fill_null(""), f1=pl.col("f1") / 100).pivot("au", index=index, values="f1")
    aus = sorted((name for name in rows["au"].unique() if name != "mean"), key=int)
    order = [pl.col("method") != "always-positive", pl.col("method").str.to_lowercase(), pl.col("source")]
    return wide.sort(order).select("method", *aus, "mean", *index[1:])


def failures(trials: pl.DataFrame) -> pl.DataFrame:
    """One row for each failed trial, with the last lines of its error."""
    failed = trials.filter(pl.col("status") == "FAILED").sort("started", "key")
    ends = pl.Series("error", [text.last_lines(error) for error in failed["error"]], dtype=pl.String)
    return failed.select("key", "stage", "fold", "seed").with_columns(ends)
