"""The benchmark of importance runs, and measures what it says."""

import pytest

from tests.benchmarks import importance


def test_the_table_has_a_row_for_each_number_of_trials(capsys: pytest.CaptureFixture[str]) -> None:
    importance.main(["figures=4", "trials=4,30"])
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows] == ["4", "30"]
    assert {row.count("|") for row in rows} == {head.count("|")}


def test_what_matters_much_is_found() -> None:
    bars, beyond = importance.found(importance.drawn(100, 20.0, 0))
    assert bars.argmax() == 0
    assert beyond[0]
    assert bars.sum() == pytest.approx(1)
