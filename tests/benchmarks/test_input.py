"""The benchmark still runs; what it measures is for people to read."""

import pytest
import torch

from tests.benchmarks import input as benchmark


def test_the_benchmark_prints_its_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    benchmark.main(frames=4, rounds=2, size=32)
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [row[0].removeprefix("| ") for row in rows] == [
        "Pillow + torchvision",
        "ours, views on the CPU",
        "ours, views on an accelerator: the CPU's part",
        "ours, the accelerator's part run on the CPU",
        "Pillow, decoding alone",
        "cold: JPEG files, Pillow",
        "cold: the store",
    ]
    assert rows[0][2] == rows[5][2] == "1.00 |"
