"""The benchmark still runs; what it measures is for people to read."""

import pytest

from tests.benchmarks import near_frames


def test_the_benchmark_prints_its_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_frames, "HASHED", 5)
    monkeypatch.setattr(near_frames, "SHOTS", 3)
    near_frames.main(people=2, size=64, frames=400)
    rows = [line.strip("|").split(" | ") for line in capsys.readouterr().out.splitlines()]
    cells = {row[0].strip(): row[1:] for row in rows}
    assert [name for name in near_frames.CHANGES if name not in cells] == []
    assert cells["JPEG, quality 60"][-1].strip() == "6 of 6"
    assert [cells[layout][-1].strip() for layout in near_frames.LAYOUTS] == ["0", "0", "0"]
    assert "match 400 x 400, a copy" in cells
