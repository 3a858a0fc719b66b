"""The benchmark still runs; what it measures is for people to read."""

import pytest

from tests.benchmarks import epoch


def test_the_benchmark_prints_its_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(epoch, "ROUNDS", 1)
    monkeypatch.setattr(epoch, "BATCH", 4)
    epoch.main(frames=8)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == [
        "views",
        "views, torchvision",
        "encoder, forward and backward",
        "AUNCE loss, forward and backward",
        "epoch",
    ]
    assert "the speed of torchvision" in lines[-1]
