"""`StudyFolder`: what can be known of a study from its files alone."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError
from study.records.folder import study_root
from study.records.result import TrialResult, result_from_json
from study.records.store import StudyStore
from tests.study.make import fill, opened, result, trial
from tests.study.specs import changed, search_spec


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "/a"])
def test_a_name_is_one_visible_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder below runs_root"):
        study_root(str(tmp_path), name)
    assert study_root(str(tmp_path), "a.b") == tmp_path / "a.b"


# --- what was asked


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


# --- what became of its trials


def test_outcomes_are_those_of_the_results(store: StudyStore) -> None:
    made = fill(store)
    found = store.outcomes()
    assert [one.key for one in found] == [one.config.key for one in made]
    assert [one.status for one in found] == ["DONE", "PRUNED", "FAILED", "DONE"]
    assert found[0].curve == [0.25, 0.375]
    assert found[0].reports == {1: 0.25, 2: 0.5}, "the last report of a finished trial is its value"
    assert found[1].reports == {1: 0.25, 2: 0.375}
    assert found[0].settings == {"optim.lr": 0.25}
    assert [one.fold for one in store.outcomes("final")] == ["part2"]
    assert store.count("sweep", "part1") == 3
    assert store.count("sweep", "part2") == 0
    assert store.outcome(trial(9).key) is None


def test_equal_starts_have_a_fixed_order(store: StudyStore) -> None:
    keys = [store.write(result(trial(seed))).config.key for seed in range(8)]
    assert [one.key for one in store.outcomes()] == sorted(keys)


def test_what_was_begun_is_in_the_order_of_its_start(store: StudyStore) -> None:
    for seed in range(8):
        store.begin(trial(seed), {}, {"begun": 8.0 - seed})
    assert [*store.begun()] == [trial(seed).key for seed in reversed(range(8))]


def test_the_index_saves_reading_the_results(store: StudyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    store.write_index()
    store.write(result(trial(7, lr=0.125), 0.25, started=7.0))
    read: list[str] = []

    def counted(content: bytes, origin: str) -> TrialResult:
        read.append(Path(origin).stem)
        return result_from_json(content, origin)

    monkeypatch.setattr("study.records.folder.result_from_json", counted)
    again = StudyStore(store.root)
    assert again.outcomes() == store.outcomes()
    assert {*read} == {trial(7, lr=0.125).key}, "only what the index does not know"
    assert again.trials().equals(store.trials())


def test_a_result_that_was_removed_and_made_again_is_read_again(store: StudyStore) -> None:
    fill(store)
    store.write_index()
    failed = trial(3, lr=1.0)
    store.result_path(failed.key).unlink()
    again = StudyStore(store.root)
    assert again.count() == 2
    again.write(result(failed, 0.875))
    reader = StudyStore(store.root)
    assert [one.value for one in reader.outcomes() if one.key == failed.key] == [0.875]


def test_an_index_of_other_settings_is_read_anew(store: StudyStore) -> None:
    fill(store)
    store.write_index()
    store.open_study(changed(store.spec(), searched=("optim.lr", "seed")), free=("searched",))
    assert [one.settings for one in StudyStore(store.root).outcomes("final")] == [{"optim.lr": 0.25, "seed": 1}]


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": 1}\n', b"\xff\n"])
def test_a_damaged_index_is_as_none(store: StudyStore, content: bytes) -> None:
    fill(store)
    (store.root / "trials.index").write_bytes(content)
    assert StudyStore(store.root).count() == 3


def test_count_by_stage(store: StudyStore) -> None:
    assert (store.count(), store.count("final")) == (0, 0)
    fill(store)
    assert (store.count(), store.count("final")) == (3, 1)


def test_running_trials_are_those_without_a_result(store: StudyStore) -> None:
    for seed, started in ((1, 3.0), (2, 2.0), (3, 1.0)):
        store.write_progress(result(trial(seed), started=started))
    store.write(result(trial(3)))
    store.write_progress(result(trial(3)))  # a process that was thought dead
    assert [found.seed for found in store.running()] == [2, 1]


def test_what_finished_trials_left_is_removed(store: StudyStore) -> None:
    fill(store)
    done, other = trial(1, lr=0.25).key, trial(8).key
    for key in (done, other):
        for path in (store.checkpoint_path(key), store.hung_path(key)):
            path.parent.mkdir(exist_ok=True)
            path.touch()
    killed, writing = (store.checkpoint_path(f".{name}").with_suffix(".partial") for name in "ab")
    for path in (killed, writing):
        path.touch()
    os.utime(killed, (0, 0))
    store.tidy()
    assert not store.checkpoint_path(done).exists()
    assert not store.hung_path(done).exists()
    assert not killed.exists()
    assert store.checkpoint_path(other).exists()
    assert store.hung_path(other).exists()
    assert writing.exists()


def test_every_fold_lacks_trials_of_its_own_share(tmp_path: Path) -> None:
    store = StudyStore(tmp_path)
    store.open_study(search_spec(trials=6, folds=("part1", "part2", "part3")), free=())
    assert store.lacking() == 6
    for seed in range(5):
        store.write(result(trial(seed=seed)))
    store.write(result(trial(fold="part2")))
    assert store.lacking() == 3, "one of part2, two of part3; that part1 has more than asked is no help to them"
