"""`StudyTrials`: how the trials of a study ended, from its files alone."""

import os
from pathlib import Path

import pytest

from study.records.result import TrialResult, result_from_json
from study.records.store import StudyStore
from tests.study.make import fill, opened, result, trial
from tests.study.specs import changed, search_spec


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


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

    def counted(content: bytes, origin: str, key: str) -> TrialResult:
        read.append(key)
        return result_from_json(content, origin, key)

    monkeypatch.setattr("study.records.study_trials.result_from_json", counted)
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
