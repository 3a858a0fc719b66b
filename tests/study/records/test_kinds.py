"""Every kind of study is known by its study.json."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from study.records.kinds import asked_stage, check_search, kind_of

STUDIES: dict[str, dict[str, Any]] = {
    "comparison": {"variants": {"bce": {}}, "searched": []},
    "stress": {"variants": {"bce": {}}, "levels": {"blur": [2]}, "searched": []},
    "regret": {"variants": {"a": {}}, "studies": ["a", "b"], "searched": []},
    "generalize": {"generalize": [], "searched": []},
    "foreign": {"foreign": {"fingerprint": ""}},
}


@pytest.mark.parametrize(("kind", "study"), STUDIES.items())
def test_what_is_no_search_says_who_reads_it(kind: str, study: dict[str, Any]) -> None:
    said = {"foreign": "transfer.py", "regret": "regret.parquet", "stress": "stress.parquet"}
    assert (kind_of(study), asked_stage(study)) == (kind, "final")
    with pytest.raises(InputError, match=said.get(kind, f"{kind[:7]}.*py")):
        check_search(Path("runs/x"), study)


def test_a_search_is_a_search() -> None:
    study = {"searched": ["optim.lr"], "trials": 4}
    assert (kind_of(study), asked_stage(study)) == ("search", "sweep")
    check_search(Path("runs/x"), study)
