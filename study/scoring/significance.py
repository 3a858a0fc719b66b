"""Two methods on the same subjects: the difference, its interval, its p-value, and Holm's correction of many.

The p-value belongs to the interval: it is below 0.05 where the interval of `study.scoring.bootstrap` leaves out 0.
Counting the replicates beyond 0 instead cannot give less than 1 / replicates, which the correction of a hundred tests
turns into 0.05 and more; flipping subjects between two methods needs a metric that is a mean over subjects, and
neither F1 nor the AUC is one. For a metric that is, this is the paired t-test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr

from study.scoring.bootstrap import Floats, student_quantile, subject_interval

Overall = tuple[float, Floats]  # a score, and its bootstrap replicates [R]


@dataclass(frozen=True)
class Difference:
    """`a - b` with its 95 % interval, and the two-sided p-value of no difference; NaN is undefined."""

    value: float
    low: float
    high: float
    p: float


def student_p(t: float, freedom: int) -> float:
    """Two-sided p-value of Student's t."""
    return 2 * float(stdtr(freedom, -abs(t)))


def difference(a: Overall, b: Overall, subjects: int, parts: int = 1) -> Difference:
    """Two scores whose replicates [R] drew the same of `subjects` people, within each of `parts` groups of them."""
    value, freedom = a[0] - b[0], subjects - parts
    low, high = subject_interval(value, a[1] - b[1], subjects, parts)
    if math.isnan(low):
        return Difference(value, low, high, math.nan)
    if high - low < 1e-12:  # no replicate varies: the methods agree, or it tells nothing
        return Difference(value, low, high, 1.0 if abs(value) < 1e-12 else math.nan)
    t = (high + low) / (high - low) * student_quantile(freedom)
    return Difference(value, max(low, -1.0), min(high, 1.0), student_p(t, freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, which holds whatever the tests have to do with each other; NaN stays and counts not.

    The smallest of m is multiplied by m, the next by m - 1, ...; none comes out smaller than the one before it.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[place] = largest
    return corrected
