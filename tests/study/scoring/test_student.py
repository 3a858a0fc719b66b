"""Student's t against SciPy."""

import pytest
from scipy.stats import t as student

from study.scoring.student import student_p, student_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 38, 57, 400])
def test_p_values_and_quantiles(freedom: int) -> None:
    for t in (0.0, 0.3, 1.0, 2.2, 7.0):
        assert student_p(t, freedom) == pytest.approx(2 * student.sf(t, freedom), abs=1e-12)
        assert student_p(-t, freedom) == student_p(t, freedom)
    for level in (0.5, 0.95, 0.999):
        assert student_quantile(freedom, level) == pytest.approx(student.ppf((1 + level) / 2, freedom), rel=1e-7)
