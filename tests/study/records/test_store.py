"""`StudyStore`: files that are written once, locks, and the frames that tables are made of."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from data.errors import InputError
from study.records.store import COUNTS, EPOCHS, TRIALS, StudyStore
from tests.study.make import AUS, fill, opened, result, same, trial


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


# --- results


def test_what_was_written_is_read(store: StudyStore) -> None:
    written = result(trial())
    assert store.result(trial().key) is None
    assert same(store.write(written), written)
    found = StudyStore(store.root).result(trial().key)
    assert found is not None
    assert same(found, written)
    assert store.result_path(trial().key) == store.root / "trials" / f"{trial().key}.json"


def test_the_first_result_stays(store: StudyStore) -> None:
    first = store.write(result(trial(), 0.5))
    assert same(store.write(result(trial(), 0.75)), first)
    assert [found.value for found in StudyStore(store.root).results()] == [0.5]


def test_results_are_in_the_order_of_their_start(store: StudyStore) -> None:
    made = fill(store)
    assert [found.config.key for found in store.results()] == [one.config.key for one in made]


def test_equal_starts_have_a_fixed_order(store: StudyStore) -> None:
    keys = [store.write(result(trial(seed))).config.key for seed in range(8)]
    assert [found.config.key for found in store.results()] == sorted(keys)


def test_results_of_others_are_seen(store: StudyStore) -> None:
    reader = StudyStore(store.root)
    assert list(reader.results()) == []
    store.write(result(trial(1)))
    assert len(list(reader.results())) == 1
    store.write(result(trial(2)))
    assert len(list(reader.results())) == 2


def test_a_result_ends_progress_and_checkpoint(store: StudyStore) -> None:
    store.write_progress(result(trial()))
    checkpoint = store.checkpoint_path(trial().key)
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    store.write(result(trial()))
    assert store.progress(trial().key) is None
    assert not checkpoint.exists()
    assert sorted(path.name for path in store.root.rglob("*") if path.is_file()) == [
        f"{trial().key}.json",
        "study.json",
    ]


def test_pruning_makes_the_last_progress_the_result(store: StudyStore) -> None:
    store.write_progress(result(trial(), 0.25, status="FAILED", curve=(0.25,)))
    store.write_progress(replace(result(trial(), 0.5, status="FAILED", curve=(0.25, 0.5)), error=None))
    store.prune(trial().key)
    found = store.result(trial().key)
    assert found is not None
    assert (found.status, found.value, [epoch.value for epoch in found.epochs]) == ("PRUNED", 0.5, [0.25, 0.5])
    assert found.error is None
    assert store.progress(trial().key) is None


def test_a_damaged_result_is_named(store: StudyStore) -> None:
    fill(store)
    path = store.result_path(trial(2, lr=0.5).key)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=re.escape(str(path))):
        list(StudyStore(store.root).results())


# --- what the sampler drew


def test_sampled_and_unfinished(store: StudyStore) -> None:
    drawn = {seed: {"optim.lr": seed / 8, "method.draw": "au"} for seed in (1, 2, 3)}
    for seed, params in drawn.items():
        store.begin(trial(seed), params)
    store.write(result(trial(2), status="PRUNED"))
    assert store.sampled() == {trial(seed).key: params for seed, params in drawn.items()}
    assert sorted(store.unfinished(), key=lambda pair: pair[0].seed) == [(trial(1), drawn[1]), (trial(3), drawn[3])]


def test_drawn_numbers_are_kept_exactly(store: StudyStore) -> None:
    store.begin(trial(), {"optim.lr": 0.1 + 0.2})
    assert store.sampled()[trial().key]["optim.lr"] == 0.1 + 0.2


def test_an_empty_study_has_nothing(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "nothing")
    assert not store.exists()
    assert (store.sampled(), store.unfinished(), store.running(), list(store.results())) == ({}, [], [], [])
    assert store.provenance() == {}
    with pytest.raises(InputError, match=r"no study in .*nothing: run launch/sweep.py name=nothing"):
        store.spec()
    assert not store.root.exists(), "reading makes no folder"


def test_half_written_files_are_ignored(store: StudyStore) -> None:
    fill(store)
    store.begin(trial(9), {"optim.lr": 0.5})
    store.write_progress(result(trial(9)))
    for folder in ("trials", "sampled", "running"):
        (store.root / folder / f".{trial(8).key}.json.x7rt.json").write_bytes(b'{"format": 1, "ke')
    again = StudyStore(store.root)
    assert again.count() == 3
    assert list(again.sampled()) == [trial(9).key]
    assert [config for config, _ in again.unfinished()] == [trial(9)]
    assert [found.key for found in again.running()] == [trial(9).key]


# --- frames


def test_empty_frames_have_their_schema(store: StudyStore) -> None:
    assert dict(store.trials().schema) == TRIALS
    assert dict(store.epochs().schema) == EPOCHS
    assert dict(store.counts().schema) == COUNTS
    assert store.trials().is_empty()
    assert store.epochs().is_empty()
    assert store.counts().is_empty()


def test_trials_frame(store: StudyStore) -> None:
    made = fill(store)
    frame = store.trials()
    assert dict(frame.schema) == TRIALS | {"param/optim.lr": pl.Float64}
    assert frame.drop("key", "error").rows() == [
        ("sweep", "DONE", 0.5, "part1", 1, "aunce", 2, 1.0, 1.5, 0.25),
        ("sweep", "PRUNED", 0.375, "part1", 2, "aunce", 2, 2.0, 1.5, 0.5),
        ("sweep", "FAILED", None, "part1", 3, "aunce", 1, 3.0, 1.5, 1.0),
        ("final", "DONE", 0.625, "part2", 1, "aunce", 2, 4.0, 1.5, 0.25),
    ]
    assert frame["key"].to_list() == [one.config.key for one in made]
    assert frame["error"].to_list() == [None, None, "Traceback: it broke", None]


def test_trials_frame_of_failures_alone_has_the_same_schema(store: StudyStore) -> None:
    store.write(result(trial(), None, status="FAILED"))
    assert dict(store.trials().schema) == TRIALS | {"param/optim.lr": pl.Float64}


def test_searched_settings_of_every_type_are_columns(tmp_path: Path) -> None:
    names = ["head.dim", "method.draw", "method.class_weights", "method.ratios.max"]
    store = opened(tmp_path / "mine", searched=names)
    store.write(result(trial()))
    kinds = [pl.Int64, pl.String, pl.Boolean, pl.Float64]
    assert dict(store.trials().schema) == TRIALS | {f"param/{n}": k for n, k in zip(names, kinds, strict=True)}
    assert store.trials().row(0)[-4:] == tuple(trial().value(name) for name in names)


def test_epochs_frame(store: StudyStore) -> None:
    made = fill(store)
    frame = store.epochs()
    assert dict(frame.schema) == EPOCHS
    keys = [one.config.key for one in made]
    assert frame["key"].to_list() == [keys[0]] * 2 + [keys[1]] * 2 + [keys[2]] + [keys[3]] * 2
    assert frame.drop("key").rows() == [
        ("sweep", 1, 1.0, 0.25, 0.25),
        ("sweep", 2, 0.5, 0.375, 0.25),
        ("sweep", 1, 1.0, 0.25, 0.25),
        ("sweep", 2, 0.5, 0.375, 0.25),
        ("sweep", 1, 1.0, 0.125, 0.25),
        ("final", 1, 1.0, 0.25, 0.25),
        ("final", 2, 0.5, 0.375, 0.25),
    ]


def test_counts_frame(store: StudyStore) -> None:
    final = fill(store)[-1]
    frame = store.counts()
    assert dict(frame.schema) == COUNTS
    assert frame.height == 4 * 2 * len(AUS) + 1 * len(AUS)
    mine = frame.filter(pl.col("key") == final.config.key)
    assert mine.select("stage", "fold", "seed", "method").unique().rows() == [("final", "part2", 1, "aunce")]
    expected = [
        (split, subject, au, *score.counts[s, a].tolist())
        for split, score in final.scores.items()
        for s, subject in enumerate(score.subjects)
        for a, au in enumerate(score.aus)
    ]
    assert mine.select("split", "subject", "au", "tp", "fp", "fn", "tn").rows() == expected


def test_a_result_without_scores_has_no_counts(store: StudyStore) -> None:
    store.write(replace(result(trial(), None, status="FAILED", curve=()), scores={}))
    assert dict(store.counts().schema) == COUNTS
    assert store.counts().is_empty()
    assert store.epochs().is_empty()
    assert store.trials().height == 1


# --- other processes

HOLD = """
import sys, pathlib
from study.records.store import StudyStore
with StudyStore(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""

WRITE = """
import sys, pathlib
from study.records.store import StudyStore
from tests.study.make import result, trial
root, value = pathlib.Path(sys.argv[1]), float(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for seed in range(60):
    kept = StudyStore(root).write(result(trial(seed), value))
    assert kept.value in (0.25, 0.75)
"""


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has said its first line and waits for its standard input."""
    started = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline()
        yield started
    finally:
        started.kill()
        started.communicate()


def test_the_lock_refuses_a_second_holder_and_dies_with_the_first(store: StudyStore) -> None:
    with process(HOLD, store.root) as holder:
        with pytest.raises(InputError, match=r"another command is running trials of .*mine.*name="), store.lock():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with store.lock():
            pass


def test_the_lock_is_given_back(store: StudyStore) -> None:
    with store.lock(), pytest.raises(InputError, match="another command"), StudyStore(store.root).lock():
        pass
    with store.lock():
        pass


@pytest.mark.slow
def test_two_writers_of_the_same_trials_leave_whole_results(store: StudyStore) -> None:
    with process(WRITE, store.root, 0.25) as one, process(WRITE, store.root, 0.75) as other:
        for writer in (one, other):
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        while one.poll() is None or other.poll() is None:
            list(StudyStore(store.root).results())  # a reader never meets a part of a file
        assert (one.returncode, other.returncode) == (0, 0)
    found = list(StudyStore(store.root).results())
    assert [one.config.seed for one in sorted(found, key=lambda one: one.config.seed)] == list(range(60))
    assert {one.value for one in found} <= {0.25, 0.75}
    assert len(list((store.root / "trials").iterdir())) == 60, "no temporary file is left"
    assert all(json.loads(path.read_bytes()) for path in (store.root / "trials").iterdir())


def test_failed_trials_are_forgotten_to_be_run_again(store: StudyStore) -> None:
    fill(store)
    store.begin(trial(3, lr=1.0), {"optim.lr": 1.0})
    assert store.unfinished() == []
    assert len([*store.results()]) == 4, "they were read before"
    store.forget(one.key for one in store.outcomes() if one.status == "FAILED")
    assert [config for config, _ in store.unfinished()] == [trial(3, lr=1.0)]
    assert (store.count(), len([*store.results()])) == (2, 3)


def test_settings_that_only_one_method_has_are_null_for_the_others(tmp_path: Path) -> None:
    store = opened(tmp_path / "mine", searched=["method_name", "aunce:method.temperature", "bce:method.balance"])
    store.write(result(trial()))
    row = store.trials().row(0, named=True)
    assert (row["param/method_name"], row["param/bce:method.balance"]) == ("aunce", None)
    assert row["param/aunce:method.temperature"] == trial().value("method.temperature")
