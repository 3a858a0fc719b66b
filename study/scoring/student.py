"""Student's t with whole degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4)."""

import math
from functools import cache


def student_p(t: float, freedom: int) -> float:
    """Two-sided p-value."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    odd = freedom % 2
    factor, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(2 if odd else 1, freedom, 2):
        total += factor
        factor *= k / (k + 1) * math.cos(angle) ** 2
    inside = math.sin(angle) * total
    return max(0.0, 1 - (2 / math.pi * (angle + inside) if odd else inside))


@cache
def student_quantile(freedom: int, level: float = 0.95) -> float:
    """The t that a share `level` of the distribution lies within, on both sides of 0."""
    low, high = 0.0, 1.0
    while student_p(high, freedom) > 1 - level:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, freedom) > 1 - level else (low, middle)
    return high
