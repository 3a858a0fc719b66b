"""The benchmark still runs, and its formula is the released code's; what it measures is for people to read."""

from pathlib import Path

import pytest
import torch

from data.seeds import generator
from tests.benchmarks import loss


def test_the_published_formula_is_the_official_form() -> None:
    data = loss.batch(6)
    for seed in range(8):
        one, other = (loss.VARIANTS[name](*data, generator(seed)) for name in ("published formula", "official form"))
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_benchmark_prints_its_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(loss, "ROUNDS", 1)
    monkeypatch.setattr(loss, "megabytes", lambda name, frames: 1.0)
    loss.main([2])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [row[1] for row in rows] == list(loss.VARIANTS)
    assert all(len(row) == 6 for row in rows)


@pytest.mark.slow
def test_memory_is_measured() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the kernel does not tell the peak memory of a process")
    assert 1 < loss.megabytes("published formula", 32) < 1000, "12 AUs x 64 rows x 1024 floats are 3 MB"
