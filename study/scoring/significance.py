"""Two methods on the same subjects: difference, interval and p-value, and Holm's correction for many tests.

The p-value agrees with the interval: it is below 0.05 when the interval of `study.scoring.bootstrap` excludes 0.
A p-value counted from replicates cannot be smaller than 1 / replicates, and a correction for a hundred tests makes 0.05
of that. A permutation test needs a metric that is a mean over subjects, which F1 and AUC are not. For a metric that is,
this test is the paired t-test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr

from study.scoring.bootstrap import StandardError


@dataclass(frozen=True)
class Difference:
    """`a - b` with its 95 % interval, and the two-sided p-value of no difference; NaN is undefined."""

    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


def student_p(t: float, freedom: float) -> float:
    """Two-sided p-value of Student's t."""
    return 2 * float(stdtr(freedom, -abs(t)))


def against_zero(value: float, found: StandardError | None) -> Difference:
    """The difference `value` against no difference, with its standard error."""
    if found is None:
        return Difference(value)
    low, high = found.interval
    if high - low < 1e-12:  # no variation: the methods agree, or there is no information
        return Difference(value, low, high, 1.0 if abs(value) < 1e-12 else math.nan)
    p = student_p(found.centre / found.error, found.freedom)
    return Difference(value, max(low, -1.0), min(high, 1.0), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, valid also for dependent tests; NaN stays NaN and is not counted.

    The smallest of m p-values is multiplied by m, the next by m - 1, ...; the order stays the same.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[place] = largest
    return corrected
