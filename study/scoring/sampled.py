"""Sampled: a metric of every AU and of their mean with its bootstrap replicates; and its rows in a score table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.metrics import ratio
from study.scoring.bootstrap import Floats, mean, subject_interval
from study.scoring.significance import Overall, difference

ScoreRow = dict[str, Any]  # column of a score table -> value; missing columns are null


@dataclass(frozen=True, eq=False)
class Sampled:
    """A metric of each AU, and at the end of their mean; NaN is undefined."""

    aus: tuple[int, ...]
    values: Floats  # [A + 1]
    replicates: Floats  # [R, A + 1]
    by_seed: Floats  # [K, A + 1]; no rows when seeds are missing somewhere
    people: int  # subjects that the bootstrap draws
    parts: int  # groups within which it draws
    seeds: int
    within: tuple[float, float]  # possible range of the metric

    @property
    def overall(self) -> Overall:
        """The mean over AUs, and its replicates [R]."""
        return float(self.values[-1]), self.replicates[:, -1]

    def on(self, aus: Sequence[int]) -> "Sampled":
        """The metric of these AUs, and their mean."""
        at = [self.aus.index(au) for au in aus]
        columns = [with_mean(one[..., at]) for one in (self.values, self.replicates, self.by_seed)]
        return replace(self, aus=tuple(aus), values=columns[0], replicates=columns[1], by_seed=columns[2])


def with_mean(columns: Floats) -> Floats:
    """Append the mean of the columns [..., A]: [..., A + 1]."""
    return np.concatenate([columns, mean(columns, -1)[..., None]], axis=-1)


def minus(a: Sampled, b: Sampled) -> Sampled:
    """`a - b` of every AU, and the mean of these differences; both must have drawn the same subjects."""
    pairs = ((a.values, b.values), (a.replicates, b.replicates), (a.by_seed, b.by_seed))
    # the mean of differences, over AUs that are defined in both
    columns = [with_mean(one[..., :-1] - other[..., :-1]) for one, other in pairs]
    return replace(a, values=columns[0], replicates=columns[1], by_seed=columns[2], within=(-1.0, 1.0))


def over(a: Sampled, b: Sampled) -> Sampled:
    """`a / b` of every AU and of the means; both must have drawn the same subjects."""
    values, replicates = ratio(a.values, b.values), ratio(a.replicates, b.replicates)
    return replace(a, values=values, replicates=replicates, by_seed=a.by_seed[:0], within=(0.0, np.inf))


def sampled_rows(number: Sampled, names: Mapping[str, object]) -> list[ScoreRow]:
    """One row for each AU, then one for their mean: value, interval (cut to the range), spread over seeds."""
    spread = _spread(number.by_seed)
    rows: list[ScoreRow] = []
    for at, au in enumerate((*number.aus, None)):
        value, drawn = float(number.values[at]), number.replicates[:, at]
        low, high = np.clip(subject_interval(value, drawn, number.people, number.parts), *number.within)
        interval = {"value": value, "low": float(low), "high": float(high), "seed_sd": spread[at]}
        rows.append({**names, "au": au, **_facts(number), **interval})
    return rows


def mean_row(number: Sampled, names: Mapping[str, object]) -> ScoreRow:
    """Only the row of the mean over AUs."""
    return sampled_rows(number, names)[-1]


def difference_row(a: Sampled, b: Sampled, names: Mapping[str, object]) -> ScoreRow:
    """The mean over AUs of `a` minus that of `b`, with the p-value of no difference; `names` has `against`."""
    found = difference(a.overall, b.overall, min(a.people, b.people), a.parts)
    interval = {"value": found.value, "low": found.low, "high": found.high, "p": found.p}
    return {**names, "au": None, **_facts(a), **interval}


def _facts(number: Sampled) -> ScoreRow:
    aus = " ".join(map(str, number.aus))
    return {"aus": aus, "n_people": number.people, "n_seeds": number.seeds}


def _spread(by_seed: Floats) -> Floats:
    """Standard deviation over seeds [K, A + 1]; NaN with less than two."""
    if len(by_seed) < 2:
        return np.full(by_seed.shape[1], np.nan)
    return np.asarray(by_seed.std(axis=0, ddof=1))
