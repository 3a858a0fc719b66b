"""Sampled: a metric of every AU and of their mean with its bootstrap replicates; and its rows in a score table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.metrics import ratio
from study.scoring.bootstrap import Floats, StandardError, mean, standard_error
from study.scoring.significance import against_zero, holm
from study.scoring.training import Runs

ScoreRow = dict[str, Any]  # column of a score table -> value; missing columns are null


@dataclass(frozen=True, eq=False)
class Sampled:
    """A metric of each AU, and at the end of their mean; NaN is undefined."""

    aus: tuple[int, ...]
    values: Floats  # [A + 1]
    replicates: Floats  # [R, A + 1]
    by_seed: Floats  # [K, A + 1]; no rows when seeds are missing somewhere
    trained: tuple[Runs, ...]  # of each method in the number; none for a detector that is taken as it is
    people: int  # subjects that the bootstrap draws
    parts: int  # groups within which it draws
    seeds: int
    within: tuple[float, float]  # possible range of the metric
    compares: bool = False  # whether it compares detectors

    def on(self, aus: Sequence[int]) -> "Sampled":
        """The metric of these AUs, and their mean."""
        return _of_columns(self, aus, np.array([self.aus.index(au) for au in aus]))

    def error(self, column: int = -1) -> StandardError | None:
        """The standard error of a column, by default of the mean over AUs.

        None for a comparison with a single training run: nobody knows how much of it is the chance of training.
        """
        if self.compares and self.trained and self.seeds < 2:
            return None
        values, drawn = float(self.values[column]), self.replicates[:, column]
        return standard_error(values, drawn, self.people, self.parts, self.trained, column)


def _of_columns(number: Sampled, aus: Sequence[int], at: np.ndarray) -> Sampled:
    """The columns `at` of the AUs, and the mean of them."""
    values, replicates = (with_mean(one[..., at]) for one in (number.values, number.replicates))
    trained = tuple(runs_with_mean(Runs(one.observed[..., at], one.drawn[..., at])) for one in number.trained)
    by_seed = with_mean(number.by_seed[..., at])
    return replace(number, aus=tuple(aus), values=values, replicates=replicates, by_seed=by_seed, trained=trained)


def with_mean(columns: Floats) -> Floats:
    """Append the mean of the columns [..., A]: [..., A + 1]."""
    return np.concatenate([columns, mean(columns, -1)[..., None]], axis=-1)


def runs_with_mean(runs: Runs) -> Runs:
    """Append to the columns [A] of runs what each run adds to the mean over AUs."""
    return Runs(_added_mean(runs.observed), _added_mean(runs.drawn))


def _added_mean(columns: Floats) -> Floats:
    """Append to `columns` [..., T, K, A] their sum over AUs, divided by the number of AUs that any run defines."""
    known = ~np.isnan(columns)
    # an AU that does not occur in one fold still counts for the mean over folds
    defined = known.any(axis=(-3, -2)).sum(axis=-1)
    total = np.where(known, columns, 0).sum(axis=-1) / np.maximum(defined, 1)[..., None, None]
    return np.concatenate([columns, np.where(known.any(axis=-1), total, np.nan)[..., None]], axis=-1)


def minus(a: Sampled, b: Sampled, same_runs: bool = False) -> Sampled:
    """`a - b` of every AU, and the mean over the AUs that both define; both must have drawn the same subjects.

    `same_runs` when run k of a fold may be the same detector in both: their spread is then that of the differences.
    """
    # like with like: a mean of `a` over other AUs than that of `b` would be compared otherwise
    both = np.flatnonzero(~np.isnan(a.values[:-1]) & ~np.isnan(b.values[:-1]))
    lost = np.setdiff1d(np.arange(len(a.aus)), both)
    one, other = (_without(number, lost) for number in (a, b))
    trained = _apart(one, other) if same_runs else (*one.trained, *other.trained)
    pairs = ((one.values, other.values), (one.replicates, other.replicates))
    values, replicates = (with_mean(ours[..., :-1] - theirs[..., :-1]) for ours, theirs in pairs)
    return replace(
        a,
        values=values,
        replicates=replicates,
        by_seed=a.by_seed[:0],
        trained=trained,
        people=min(a.people, b.people),
        # a detector that is taken as it is has no other runs
        seeds=min((number.seeds for number in (a, b) if number.trained), default=1),
        within=(-1.0, 1.0),
        compares=True,
    )


def _apart(a: Sampled, b: Sampled) -> tuple[Runs, ...]:
    pairs = zip(a.trained, b.trained, strict=True)
    return tuple(Runs(one.observed - other.observed, one.drawn - other.drawn) for one, other in pairs)


def _without(number: Sampled, lost: np.ndarray) -> Sampled:
    """The columns `lost` undefined, and the mean without them."""

    def blank(columns: Floats) -> Floats:
        kept = columns[..., :-1].copy()
        kept[..., lost] = np.nan
        return kept

    trained = tuple(runs_with_mean(Runs(blank(one.observed), blank(one.drawn))) for one in number.trained)
    values, replicates = (with_mean(blank(one)) for one in (number.values, number.replicates))
    return replace(number, values=values, replicates=replicates, trained=trained)


def over(a: Sampled, b: Sampled) -> Sampled:
    """`a / b` of every AU and of the means; both must have drawn the same subjects."""
    values, replicates = ratio(a.values, b.values), ratio(a.replicates, b.replicates)
    # to first order, a ratio moves by da / b - (a / b) db / b
    scales = (ratio(np.ones(()), b.values), ratio(np.ones(()), b.replicates))
    theirs = (ratio(values, b.values), ratio(replicates, b.replicates))
    trained = (*(one.scaled(*scales) for one in a.trained), *(one.scaled(*theirs) for one in b.trained))
    return replace(
        a,
        values=values,
        replicates=replicates,
        by_seed=a.by_seed[:0],
        trained=trained,
        seeds=min(a.seeds, b.seeds),
        within=(0.0, np.inf),
        compares=True,
    )


def sampled_rows(number: Sampled, names: Mapping[str, object]) -> list[ScoreRow]:
    """One row for each AU, then one for their mean: value, interval (cut to the range), spread over seeds."""
    spread = _spread(number.by_seed)
    rows: list[ScoreRow] = []
    for at, au in enumerate((*number.aus, None)):
        found = number.error(at)
        low, high = np.clip(found.interval if found else (np.nan, np.nan), *number.within)
        interval = {"value": float(number.values[at]), "low": float(low), "high": float(high), "seed_sd": spread[at]}
        rows.append({**names, "au": au, **_facts(number), **interval})
    return rows


def mean_row(number: Sampled, names: Mapping[str, object]) -> ScoreRow:
    """Only the row of the mean over AUs."""
    return sampled_rows(number, names)[-1]


def difference_row(a: Sampled, b: Sampled, names: Mapping[str, object]) -> ScoreRow:
    """The mean over AUs of `a - b`, with the p-value of no difference; `names` has `against`."""
    found = minus(a, b)
    return {**names, "au": None, **_facts(found), **vars(against_zero(float(found.values[-1]), found.error()))}


def with_holm(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """The rows with Holm's correction over all of them: one family is what one table shows."""
    corrected = holm([np.nan if row.get("p") is None else float(row["p"]) for row in rows])
    return [row | {"p_holm": p} for row, p in zip(rows, corrected, strict=True)]


def _facts(number: Sampled) -> ScoreRow:
    aus = " ".join(map(str, number.aus))
    return {"aus": aus, "n_people": number.people, "n_seeds": number.seeds}


def _spread(by_seed: Floats) -> Floats:
    """Standard deviation over seeds [K, A + 1]; NaN with less than two."""
    if len(by_seed) < 2:
        return np.full(by_seed.shape[1], np.nan)
    return np.asarray(by_seed.std(axis=0, ddof=1))
