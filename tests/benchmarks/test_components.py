"""The benchmark of the components, made small."""

import pytest

from tests.benchmarks import components
from tests.benchmarks.components import CASES, main, of_people, of_scores


def test_known_components_are_found() -> None:
    for one in of_scores(300):
        # a variance below 0 counts as 0, so a spread below that of the seeds is found too large
        assert one.found == pytest.approx(one.true, rel=0.25 if one.true >= 2 else 1), one
        assert one.found > 0.9 * one.true, one
        assert one.covered > 0.9, one


def test_people_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "REPLICATES", 200)
    found = of_people(12, 24)
    assert found.found == pytest.approx(found.true, rel=0.5)
    assert found.covered > 0.7


def test_the_table_has_a_row_for_each(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "REPLICATES", 50)
    main(20)
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2 * len(CASES) + 3
