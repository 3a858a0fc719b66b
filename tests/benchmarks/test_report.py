"""The benchmark still runs; what it measures is for people to read."""

from pathlib import Path

import pytest

from tests.benchmarks import report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not report.CHROMIUM.exists(), reason="needs chromium"),
]


def test_a_small_page_is_measured(tmp_path: Path) -> None:
    found = report.measure(4, tmp_path, frames=60)
    assert list(found) == [
        "trials",
        "MB",
        "build s",
        "build CPU s",
        "paint s",
        "ready s",
        "first figure s",
        "all figures s",
    ]
    assert 1 < found["MB"] < 8
    assert all(value > 0 for value in found.values())
