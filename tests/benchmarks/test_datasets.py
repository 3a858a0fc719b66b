from pathlib import Path

import pytest

from tests.benchmarks import datasets, faults
from tests.conftest import TreeMaker


@pytest.mark.slow
def test_a_step_is_measured_in_a_process_of_its_own(trees: TreeMaker) -> None:
    (frames, left_out), seconds, memory = datasets.measured(datasets.read, trees("affwild2"), "affwild2", {})
    assert (frames, left_out) == (66, 6)
    assert seconds > 0
    assert memory > 30, "megabytes: the interpreter and its packages"


@pytest.mark.slow
def test_the_table_of_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults.main(tmp_path, ["gap", "missing_video"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| gap"] * 3 + ["| missing_video"] * 2
    assert [row[2:4] for row in rows] == [["0", "1"]] * 3 + [["0", "0"]] * 2
    assert "has labels but no video" in rows[-1][-1]
