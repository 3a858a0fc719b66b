"""The benchmark still runs; what it measures is for people to read."""

import pytest

from tests.benchmarks import start


def test_the_benchmark_prints_its_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[list[str]] = []

    def run(words: list[str]) -> int:
        asked.append(words)
        return 0

    monkeypatch.setattr(start, "run", run)
    start.main(1)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [
        "| launch/sweep.py --help",
        "| launch/sweep.py tirals=3",
        "| launch/final.py name=nothing",
        "| launch/status.py runs_root",
        "| launch/stop.py runs_root",
    ]
    assert len(asked) == 15, "once for the exit code, once to warm up, and once to measure"
