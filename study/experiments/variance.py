"""Where the variance of a study's score lies: people, training seed, and partition into folds, as standard deviations.

All are of the mean F1 of a whole study, so that they can be compared with each other and with its interval.

Scores [P, F, S] are what each training run adds to the score of a study: the sum over folds of the mean over seeds
(`study.scoring.training.Runs`). P are the partitions, F the folds, S the seeds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, fdtri

from study.scoring.bootstrap import Floats

_TAIL = 0.025  # on either side of a 95 % interval


@dataclass(frozen=True)
class Spread:
    """A standard deviation with its 95 % interval; NaN is undefined."""

    value: float
    low: float
    high: float


def seed_spread(scores: Floats) -> Spread:
    """Of a study that is trained with one seed in each fold, from scores [P, F, S]; undefined with one seed.

    Pooled within fold and partition; the folds are trained separately.
    """
    partitions, folds, seeds = scores.shape
    return _chi_square(_seed_variance(scores), partitions * folds * (seeds - 1))


def partition_spread(scores: Floats) -> Spread:
    """Over partitions, from scores [P, F, S], without what seeds alone cause; 0 where they explain all of it.

    With one seed, the spread over partition and training seed together. The interval is Williams' and Tukey's for a
    variance component, which is the chi-square interval where there is nothing to subtract.
    """
    partitions, folds, seeds = scores.shape
    freedom = partitions - 1
    if freedom < 1:
        return Spread(np.nan, np.nan, np.nan)
    total = float(scores.mean(axis=2).sum(axis=1).var(ddof=1))
    # the mean over seeds has this part of their variance left
    share = _seed_variance(scores) / seeds if seeds > 1 else 0.0
    within = partitions * folds * (seeds - 1) or 1  # no matter for a share of 0
    variances = [total - share]
    for tail in (_TAIL, 1 - _TAIL):
        left = total - share * fdtri(freedom, within, 1 - tail)
        variances.append(freedom * left / chdtri(freedom, tail))
    return Spread(*(float(np.sqrt(max(variance, 0.0))) for variance in variances))


def people_spread(variances: Floats, freedom: int) -> Spread:
    """Over the people who were filmed, from the bootstrap variance of the score on each partition [P].

    All partitions have the same people, so more partitions make it no more certain: the degrees of freedom are those
    of one partition.
    """
    return _chi_square(float(variances.mean()), freedom)


def _seed_variance(scores: Floats) -> float:
    """Variance over training seeds of the score of a study with one seed."""
    return float(scores.var(axis=2, ddof=1).sum(axis=1).mean()) if scores.shape[2] > 1 else np.nan


def _chi_square(variance: float, freedom: int) -> Spread:
    """A standard deviation, and the interval of a variance with so many degrees of freedom."""
    if freedom < 1 or np.isnan(variance):
        return Spread(np.nan, np.nan, np.nan)
    ends = (freedom * variance / chdtri(freedom, tail) for tail in (_TAIL, 1 - _TAIL))
    return Spread(*(float(np.sqrt(one)) for one in (variance, *ends)))
