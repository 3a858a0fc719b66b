"""From counts and score tables to the parts of a `study.records.verdict.StudyVerdict`."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Protocol

import polars as pl

from study.records.origin import Origin, origins_from
from study.records.progress import Trials, progress_of
from study.records.result import SWEEP
from study.records.score_table import FIXED_THRESHOLD
from study.records.verdict import (
    ALWAYS_POSITIVE,
    ON_TEST,
    ON_VALIDATION,
    Completeness,
    Order,
    Reversal,
    Standing,
    StudyVerdict,
)
from study.scoring.bootstrap import CONFUSION, fold_cubes
from study.scoring.evaluation import evaluation_of_cubes, score_table

Measure = tuple[str, str, str]  # metric, rule, aggregate
HEADLINE: Measure = ("f1", FIXED_THRESHOLD, "folds")
_BASELINE: Measure = ("always_positive", FIXED_THRESHOLD, "folds")
_CHANCE = {"auc": 0.5, "balanced_accuracy": 0.5, "mcc": 0.0}  # of always-positive
_TITLES: dict[Measure, str] = {
    ("f1", "validation", "folds"): "F1 at the thresholds of validation people",
    ("f1", "base_rate", "folds"): "F1 at the thresholds by base rate",
    ("f1", FIXED_THRESHOLD, "pooled"): "F1 pooled over folds",
    ("auc", FIXED_THRESHOLD, "folds"): "AUC",
    ("balanced_accuracy", FIXED_THRESHOLD, "folds"): "balanced accuracy",
    ("mcc", FIXED_THRESHOLD, "folds"): "MCC",
    ("rare_f1", FIXED_THRESHOLD, "folds"): "F1 of the rarest third of the AUs",
}


class JudgedStudy(Trials, Protocol):
    """What is read of a study; `study.records.store.StudyStore` is one."""

    def provenance(self) -> dict[str, str]: ...
    def counts(self, keys: Collection[str] | None = None) -> pl.DataFrame: ...


def study_verdict(
    store: JudgedStudy, name: str, scores: pl.DataFrame, finals: Collection[str], bests: Collection[str]
) -> StudyVerdict:
    """The verdict on a search: on the test scores of the trials `finals`, or before them on the trials `bests`."""
    origins = origins_from(store.provenance())
    if finals:
        rows = quoted(scores)
        counts = store.counts(finals).filter(split=ON_TEST)
        order = order_of({"the detector": next(iter(means_by(rows, []).values()), {})})
        # until the final evaluation is recorded, the scores of the counts have no interval of the difference
        whole = "lift" in rows["metric"]
        standing = standing_of(name, rows, counts) if whole else counted_standing(name, counts)
        return StudyVerdict(_stages(store, finals), origins, (standing,), order, scored=_people(counts))
    counts = store.counts(bests).filter(split="val")
    standings = tuple(
        counted_standing(str(fold), part, ON_VALIDATION)
        for (fold,), part in counts.sort("fold").partition_by("fold", as_dict=True).items()
    )
    return StudyVerdict(_stages(store, finals), origins, standings, None, ON_VALIDATION, _people(counts))


def _stages(store: Trials, finals: Collection[str]) -> tuple[Completeness, ...]:
    """The progress of the search, and of the final evaluation where one was begun."""
    begun = finals or store.outcomes("final") or store.work().stage == "final"
    return (progress_of(store, SWEEP), *([progress_of(store, "final", finals)] if begun else []))


def table_verdict(
    store: JudgedStudy, scores: pl.DataFrame, names: Sequence[str], within: Sequence[str] = ()
) -> StudyVerdict:
    """The verdict on a table of scores, whose rows the columns `names` name.

    Rows with the same values of the columns `within` are scored on the same people and AUs: an order is within them.
    """
    standings, order = table_parts(scores, names, within)
    people = {*scores.filter(metric="f1", aggregate="folds")["n_people"].drop_nulls()}
    # one number only where all rows have as many people
    scored = people.pop() if len(people) == 1 else 0
    stages, origins = (progress_of(store, "final"),), origins_from(store.provenance())
    return StudyVerdict(stages, origins, standings, order, scored=scored)


def trials_verdict(store: JudgedStudy, trials: Mapping[str, Collection[str]]) -> StudyVerdict:
    """The verdict on groups of trials by name, from their counts on the test part."""
    counts = store.counts([key for keys in trials.values() for key in keys]).filter(split=ON_TEST)
    parts = {name: counts.filter(pl.col("key").is_in([*keys])) for name, keys in trials.items()}
    standings = [counted_standing(name, part) for name, part in parts.items() if part.height]
    return StudyVerdict((progress_of(store, "final"),), origins_from(store.provenance()), tuple(standings))


def _people(counts: pl.DataFrame) -> int:
    return counts["subject"].n_unique() if counts.height else 0


def transfer_verdict(scores: pl.DataFrame, origins: tuple[Origin, ...], aus: str) -> StudyVerdict:
    """The verdict on the scores of launch/transfer.py, each method on each target, on the set of AUs that is shown."""
    place = pl.format("{}, {} on {}", "method", "source", "target").alias("place")
    # other AUs would give another number than the table below
    rows = scores.filter(condition=aus).with_columns(place)
    standings, order = table_parts(rows, ("place",), ("source", "target"))
    return StudyVerdict((), origins, standings, order)


def table_parts(
    scores: pl.DataFrame, names: Sequence[str], within: Sequence[str] = ()
) -> tuple[tuple[Standing, ...], Order]:
    """The standings of the rows of a score table, and their orders within the groups of equal `within`."""
    own = scores.filter(pl.col("against").is_null())
    # a column with one value tells no rows apart
    telling = [name for name in names if own[name].n_unique() > 1] or [*names[:1]]
    groups = [part for _, part in own.group_by(within, maintain_order=True)] if within else [own]
    return standings_in(own, telling), orders_of(means_by(part, telling) for part in groups)


def quoted(scores: pl.DataFrame) -> pl.DataFrame:
    """The rows of the selection that may be reported as a result; all rows of a table without selections."""
    for selection in ("nested", "shared"):
        rows = scores.filter(selection=selection)
        if rows.height:
            return rows
    return scores


def means_by(scores: pl.DataFrame, names: Sequence[str]) -> dict[str, dict[Measure, float]]:
    """The means over AUs of each row name (the values of the columns `names`), by metric, rule and aggregate."""
    found: dict[str, dict[Measure, float]] = {}
    rows = scores.filter(pl.col("au").is_null(), pl.col("against").is_null(), pl.col("value").is_not_null())
    for row in rows.iter_rows(named=True):
        name = " ".join(str(row[column]) for column in names if row[column] is not None)
        found.setdefault(name, {}).setdefault((row["metric"], row["rule"], row["aggregate"]), row["value"])
    return found


def standing_of(name: str, scores: pl.DataFrame, counts: pl.DataFrame | None = None) -> Standing:
    """The detector of one set of rows of a score table; `counts` of its runs on the same frames tell idle ones."""
    means = next(iter(means_by(scores, []).values()), {})
    ends = scores.filter(pl.col("au").is_null(), metric="lift", rule=FIXED_THRESHOLD, aggregate="folds").select(
        "low", "high"
    )
    low, high = ends.row(0) if ends.height else (None, None)
    runs, silent, constant = (0, (), ()) if counts is None else idle_runs(counts)
    base = means.get(_BASELINE)
    return Standing(name, means.get(HEADLINE), base, low, high, runs, silent, constant)


def standings_in(scores: pl.DataFrame, names: Sequence[str]) -> tuple[Standing, ...]:
    """One standing for each row name of a score table that has F1 and always-positive."""
    parts = scores.group_by(names, maintain_order=True)
    named = [(" ".join(str(one) for one in name if one is not None), part) for name, part in parts]
    found = [standing_of(name, part) for name, part in named]
    return tuple(one for one in found if one.f1 is not None or one.always_positive is not None)


def counted_standing(name: str, counts: pl.DataFrame, split: str = ON_TEST) -> Standing:
    """The detector of some trials, from their counts on one split."""
    aus = tuple(counts["au"].unique().sort().to_list())
    evaluation = evaluation_of_cubes(fold_cubes(counts, aus), aus, ("bootstrap", split))
    wanted = [(metric, FIXED_THRESHOLD) for metric in ("f1", "always_positive", "lift")]
    return standing_of(name, score_table(evaluation, {}, wanted, ["folds"]), counts)


def idle_runs(counts: pl.DataFrame) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Number of runs (a fold and a seed), those that call no frame active, and those that are constant for each AU."""
    sums = counts.group_by("fold", "seed", "au").agg(pl.col(*CONFUSION).sum())
    called, not_called = pl.col("tp") + pl.col("fp"), pl.col("fn") + pl.col("tn")
    coded = sums.filter(called + not_called > 0)
    runs = coded.group_by("fold", "seed").agg(
        silent=(called == 0).all(), constant=((called == 0) | (not_called == 0)).all()
    )
    named = runs.sort("fold", "seed").with_columns(name=pl.format("{} seed {}", "fold", "seed"))
    silent = named.filter("silent")["name"].to_list()
    constant = named.filter(pl.col("constant") & ~pl.col("silent"))["name"].to_list()
    return named.height, tuple(silent), tuple(constant)


def order_of(values: Mapping[str, Mapping[Measure, float]]) -> Order:
    """Whether other metrics and rules put the methods in another order than F1 at threshold 0.5.

    A single detector is compared with always-positive.
    """
    ranked = {name: means for name, means in values.items() if HEADLINE in means}
    if len(ranked) == 1:
        (means,) = ranked.values()
        ranked[ALWAYS_POSITIVE] = dict(_always_positive(means))
    known = {measure for means in ranked.values() for measure in means}
    compared = [measure for measure in _TITLES if measure in known and _having(ranked, measure)]
    reversals = [found for measure in compared for found in _reversals(_having(ranked, measure), measure)]
    return Order(tuple(_TITLES[measure] for measure in compared), tuple(reversals))


def orders_of(groups: Iterable[Mapping[str, Mapping[Measure, float]]]) -> Order:
    """The orders within each group of comparable methods as one."""
    found = [order_of(group) for group in groups if len(group) > 1]
    compared = dict.fromkeys(title for one in found for title in one.compared)
    return Order(tuple(compared), tuple(reversal for one in found for reversal in one.reversals))


def _always_positive(means: Mapping[Measure, float]) -> Iterator[tuple[Measure, float]]:
    for metric, rule, aggregate in means:
        base = means.get(("always_positive", FIXED_THRESHOLD, aggregate))
        if metric == "f1" and base is not None:
            yield (metric, rule, aggregate), base
        elif metric in _CHANCE:
            yield (metric, rule, aggregate), _CHANCE[metric]


def _having(ranked: Mapping[str, Mapping[Measure, float]], measure: Measure) -> dict[str, tuple[float, float]]:
    """F1 at threshold 0.5 and the other number of the methods that have both; empty for fewer than two."""
    both = {
        name: (means[HEADLINE], means[measure])
        for name, means in ranked.items()
        if HEADLINE in means and measure in means
    }
    return both if len(both) > 1 else {}


def _reversals(both: Mapping[str, tuple[float, float]], measure: Measure) -> Iterator[Reversal]:
    pairs = [*combinations(both.values(), 2)]
    changed = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in pairs)
    if changed:
        first, second, *_ = sorted(both, key=lambda name: -both[name][1])
        yield Reversal(_TITLES[measure], first, second, changed, len(pairs))
