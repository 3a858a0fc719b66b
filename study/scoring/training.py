"""Variance from training: what a number owes to the seed of its training runs, beside the choice of people.

People and training runs are crossed: every run meets every person of its fold. So the spread over seeds has two parts,
one from training and one from the answers of each run to each person; the bootstrap over people contains the second
already. As in the analysis of several readers on the same cases (Obuchowski & Rockette 1995), that part is estimated,
here from the spread over seeds within replicates, and taken off: what is left is added to the variance over people.
`tests/benchmarks/null.py` counts how often two equal methods then differ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Runs:
    """What each training run adds to a number, in columns [A + 1]: each AU, and their mean.

    The number is the sum over strata of the mean over their runs. A stratum has runs that differ in the seed alone, as
    those of one fold. NaN where there is no such run, or the number is undefined there.
    """

    observed: Floats  # [T, K, A + 1]: strata, seeds
    drawn: Floats  # [R, T, K, A + 1]: the same in every bootstrap replicate

    def scaled(self, observed: Floats, drawn: Floats) -> "Runs":
        """Each column times `observed` [A + 1], in replicates times `drawn` [R, A + 1]."""
        return Runs(self.observed * observed, self.drawn * drawn[:, None, None])


def strata(values: Floats, spanning: bool) -> Floats:
    """What each run adds to the mean over runs, groups and parts, from its values [..., P, G, K, A]: [..., T, K, A].

    Undefined values are left out of each mean. `spanning` when the detectors of a group are the same in all parts: the
    strata are then the groups, else every group of every part.
    """
    known = ~np.isnan(values)
    groups = known.any(axis=-2).sum(axis=-2)[..., None, None, :]  # with a value, in each part [..., P, 1, 1, A]
    parts = (groups > 0).sum(axis=-4, keepdims=True)
    each = values / np.maximum(groups * parts, 1)
    if spanning:
        return np.asarray(np.where(known.any(axis=-4), np.where(known, each, 0).sum(axis=-4), np.nan))
    return np.asarray(each.reshape(*each.shape[:-4], -1, *each.shape[-2:]))


@dataclass(frozen=True)
class TrainingVariance:
    """Squared standard errors of one number from its training runs; NaN when a stratum has a single run."""

    beyond: float  # from training alone, at least 0
    spread: float  # as the seeds show it, with the answers of each run to each person
    freedom: float  # of `spread` (Welch-Satterthwaite)


def seed_variance(values: Floats) -> Floats:
    """Squared standard error [..., C] of a sum over strata of means over runs, from `values` [..., T, K, C].

    NaN when a stratum has a single run; a stratum without runs adds nothing.
    """
    known = ~np.isnan(values)
    runs = known.sum(axis=-2)
    mean = np.where(known, values, 0).sum(axis=-2) / np.maximum(runs, 1)
    squares = np.where(known, (values - mean[..., None, :]) ** 2, 0).sum(axis=-2)
    each = squares / np.maximum(runs - 1, 1) / np.maximum(runs, 1)
    return np.asarray(np.where(runs == 1, np.nan, each).sum(axis=-2))


def training_variance(trained: tuple[Runs, ...], column: int, correction: float) -> TrainingVariance:
    """The variance from the runs of every method in the number: two for a difference of methods.

    `correction` makes a bootstrap variance over people unbiased, as in `study.scoring.bootstrap.standard_error`.
    """
    spread, explained, quartic = 0.0, 0.0, 0.0
    for runs in trained:
        observed, drawn = runs.observed[..., [column]], runs.drawn[..., [column]]
        mine = float(seed_variance(observed)[0])
        # drawing people anew spreads the seeds by once more what people explain
        resampled = seed_variance(drawn[~np.isnan(drawn).all(axis=(1, 2, 3))])
        explained += (float(resampled.mean()) - mine) * correction if resampled.size else 0.0
        known = ~np.isnan(observed[..., 0])
        freedom = int(np.maximum(known.sum(axis=1) - 1, 0).sum())
        spread += mine
        quartic += mine**2 / freedom if freedom else np.nan
    beyond = max(spread - explained, 0.0) if not np.isnan(spread) else np.nan
    return TrainingVariance(beyond, spread, spread**2 / quartic if quartic else np.inf)
