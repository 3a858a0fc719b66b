"""`StudyFolder`: what was asked of a study, from its files alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError
from study.records.folder import study_root
from study.records.store import StudyStore
from tests.study.make import opened
from tests.study.specs import search_spec


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "/a"])
def test_a_name_is_one_visible_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder below runs_root"):
        study_root(str(tmp_path), name)
    assert study_root(str(tmp_path), "a.b") == tmp_path / "a.b"


def test_a_study_is_begun_once(tmp_path: Path) -> None:
    asked = search_spec(aus=(1, 12), config={"optim": {"lr": 0.5}})
    store = StudyStore(tmp_path / "mine")
    store.open_study(asked, free=("trials",))
    assert store.exists()
    assert store.spec() == asked
    store.open_study(replace(asked, trials=9), free=("trials",))
    assert store.spec().trials == 9


def test_changed_settings_are_refused_with_before_and_now(tmp_path: Path) -> None:
    before = search_spec(seed=0, config={"optim": {"lr": 0.5, "epochs": 3}, "old": 1}, space={"optim": {}}, trials=4)
    now = search_spec(seed=1, config={"optim": {"lr": 0.25, "epochs": 3}, "new": True}, trials=5)
    store = StudyStore(tmp_path / "mine")
    store.open_study(before, free=("trials",))
    with pytest.raises(InputError) as raised:
        store.open_study(now, free=("trials",))
    heading, *lines = str(raised.value).splitlines()
    assert "mine was begun with other settings" in heading
    assert "another name=" in heading
    assert [line.removeprefix("  - ") for line in lines] == [
        "new was None, now True",
        "old was 1, now None",
        "optim.lr was 0.5, now 0.25",
        "search.optim was {}, now None",
        "seed was 0, now 1",
    ]
    assert store.spec() == before, "a refused study is as it was"


def test_provenance_is_that_of_the_latest_command(store: StudyStore) -> None:
    store.write_provenance({"git": "one"})
    store.write_provenance({"git": "two"})
    assert store.provenance() == {"git": "two"}


def test_a_damaged_study_file_is_named(tmp_path: Path) -> None:
    store = opened(tmp_path)
    (tmp_path / "study.json").write_text("{half a fi")
    with pytest.raises(InputError, match=r"study\.json is damaged"):
        store.spec()


def test_tables_of_a_transfer_are_no_study(tmp_path: Path) -> None:
    (tmp_path / "transfer.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds tables of launch/transfer.py"):
        StudyStore(tmp_path).spec()
