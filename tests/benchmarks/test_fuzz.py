"""Damages of every kind of file: none becomes a number, none passes in silence, none is a traceback."""

from collections import Counter
from pathlib import Path

import pytest

from tests.benchmarks import fuzz


@pytest.mark.slow
def test_some_damages_of_each_kind_are_named(tmp_path: Path) -> None:
    found = fuzz.measure(tmp_path, flips=4, every=11)
    counts = sum(found.values(), Counter[str]())
    assert len(found) > 15
    assert counts["named"] > 20
    assert set(counts) <= {"same", "named"}
