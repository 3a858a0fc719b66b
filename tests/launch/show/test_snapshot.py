"""What is shown of a study, from files made by hand."""

import io
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from data.errors import InputError
from launch.cluster.files import ClusterFolder, Event, Head
from launch.show.display import whole
from launch.show.snapshot import SILENT_AFTER_S, granted, take_snapshot, time_left
from study.records.latest_work import LatestWork
from study.records.store import StudyStore
from study.records.study_spec import EXTERNAL, StudySpec
from tests.launch.cluster.make import heartbeat
from tests.launch.commands import run
from tests.study.make import opened, result, trial
from tests.study.specs import OTHERS, changed


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    store = opened(tmp_path / "runs" / "one")
    store.write_work(LatestWork("sweep", "sweep", trials=9, epochs=16, cpus=2, gpus=0.5))
    return store


def shown(store: StudyStore) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None, legacy_windows=False)
    console.print(whole(take_snapshot(store)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_study_that_has_not_begun_to_run(store: StudyStore) -> None:
    found = take_snapshot(store)
    assert (found.finished, found.wanted, found.epochs) == (0, 4, 16)  # trials can have been made more meanwhile
    assert (found.bests, found.running, found.workers, found.queue, found.head) == ({}, [], [], "", "")
    assert (found.left_s, found.hours.granted, found.hours.lost) == (None, None, None)


def test_the_final_evaluation_counts_its_own(store: StudyStore) -> None:
    store.write_work(LatestWork("final", "final", trials=9, epochs=16, cpus=2))
    store.write(result(trial(seed=1)))
    store.write(result(trial(seed=2, score_test=True)))
    found = take_snapshot(store)
    assert (found.stage, found.finished, found.wanted, found.bests) == ("final", 1, 9, {})


def test_random_partitions_are_counted_by_themselves(store: StudyStore) -> None:
    store.write_work(LatestWork("final", "partition", trials=6, epochs=16, cpus=2))
    done, running = (trial(seed=seed, score_test=True) for seed in (1, 2))
    data = replace(done.data, fold_scheme="random3@1", fold="random3@1-2")
    store.write(result(replace(done, data=data)))
    store.write_progress(result(replace(running, data=data)))
    store.write(result(done))
    found = take_snapshot(store)
    assert (found.stage, found.finished, found.wanted, found.bests) == ("partition", 1, 6, {})
    assert found.running[0].settings == {"fold": "random3@1-2", "seed": 2}


def test_a_trial_that_shows_nothing_for_long_is_interrupted(store: StudyStore) -> None:
    for seed, age in ((1, 0.0), (2, SILENT_AFTER_S + 10)):
        config = trial(seed=seed)
        store.write_progress(replace(result(config, started=seed), environment={"host": f"node{seed}"}))
        then = time.time() - age
        os.utime(store.progress_path(config.key), (then, then))
    first, second = take_snapshot(store).running
    assert (first.host, first.interrupted, first.epoch, first.value) == ("node1", False, 2, 0.375)
    assert (second.host, second.interrupted) == ("node2", True)
    assert "1 running, 1 interrupted" in shown(store)
    slow = trial(seed=3)
    progress = result(slow, started=3)
    store.write_progress(replace(progress, epochs=[replace(epoch, seconds=600.0) for epoch in progress.epochs]))
    then = time.time() - 900
    os.utime(store.progress_path(slow.key), (then, then))
    assert not take_snapshot(store).running[2].interrupted


def test_the_earliest_of_the_best(store: StudyStore) -> None:
    for seed, value, status in ((1, 0.4, "DONE"), (2, 0.6, "DONE"), (3, 0.6, "DONE"), (4, 0.9, "PRUNED")):
        store.write(result(trial(seed=seed), value, started=seed, status=status))
    [best] = take_snapshot(store).bests.values()
    assert (best.key, best.value) == (trial(seed=2).key, 0.6)


def test_the_best_keeps_the_constraints(store: StudyStore) -> None:
    for seed, value in ((1, 0.4), (2, 0.6)):
        store.write(replace(result(trial(seed=seed), value), seconds=3600.0 * seed))
    limited = changed(store.spec(), constraints=(("hours", "at_most", 1.5),))
    (store.root / "study.json").write_bytes(limited.to_json())
    [best] = take_snapshot(store).bests.values()
    assert best.key == trial(seed=1).key


def test_a_study_without_trials_says_what_it_is(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "other")
    store.open_study(StudySpec("other", "bp4d", OTHERS[EXTERNAL]), free=())
    with pytest.raises(InputError, match=r"has no trials: it holds external predictions"):
        take_snapshot(store)


def test_the_end_is_estimated_from_the_latest_pace(store: StudyStore) -> None:
    for seed, started in enumerate((0.0, 1000.0, 1010.0, 1020.0)):
        store.write(result(trial(seed=seed), started=started))
    outcomes = store.outcomes()
    assert time_left(outcomes, 6) == 6 * 1020 / 3
    assert time_left(outcomes[1:], 6) == 60
    assert time_left(outcomes[:1], 6) is None


def test_workers_queue_and_head(store: StudyStore) -> None:
    folder, now = ClusterFolder(store.cluster_path).open(), time.time()
    folder.beat(heartbeat("7", "busy", time=now, text="1 trials"))
    folder.beat(heartbeat("8", "idle", time=now - 2 * SILENT_AFTER_S, gpus=2))
    folder.beat(heartbeat("9", "gone", time=now))
    folder.write_head(Head("5", "node3", 1, now, now, 1))
    for kind, job in (("submitted", "7"), ("busy", "7"), ("submitted", "10"), ("pending", "10")):
        folder.event(kind, job)
    folder.event("waiting", "", "Resources")
    found = take_snapshot(store)
    assert [(worker.job, worker.state, worker.silent) for worker in found.workers] == [
        ("7", "busy", False),
        ("8", "idle", True),
    ]
    assert (found.queue, found.head) == ("1 waiting: Resources", "node3, job 5")
    text = shown(store)
    assert "workers: 1 busy, 1 silent" in text
    assert "silent, was idle" in text
    folder.event("busy", "10")
    assert take_snapshot(store).queue == ""
    folder.event("head", "5", "generation 1")
    folder.event("dashboard", "", "ssh -L 8265:127.0.0.1:8265 node3")
    assert "dashboard: ssh -L 8265" in shown(store)
    folder.event("head", "6", "generation 2")
    assert "dashboard" not in shown(store)
    folder.event("queue", "", "QOSMaxSubmitJobPerUserLimit")
    assert take_snapshot(store).queue == "QOSMaxSubmitJobPerUserLimit"
    folder.write_head(Head("5", "node3", 1, now, now - 300, 1))
    assert "no heartbeat for 300 s" in take_snapshot(store).head


def test_hours_that_workers_had(store: StudyStore) -> None:
    times = [
        ("submitted", 0),
        ("starting", 10),
        ("busy", 20),
        ("gone", 110),
        ("pending", 110),
        ("starting", 200),
        ("lost", 210),
    ]
    events = [Event(float(at), kind, "7", "") for kind, at in times]
    heartbeats = {"7": heartbeat("7", "gone", gpus=2, time=205.0), "8": heartbeat("8", "busy", cpus=4, time=400.0)}
    events.append(Event(300.0, "busy", "8", ""))
    assert granted(events, heartbeats, now=430.0) == {"7": 2 * (100 + 10), "8": 4 * 130}
    assert granted(events, heartbeats, now=9000.0)["8"] == 4 * 100  # silent since


def test_what_trials_have_cost(store: StudyStore) -> None:
    folder = ClusterFolder(store.cluster_path).open()
    folder.beat(heartbeat("7", "gone", gpus=1))
    events = [{"time": at, "kind": kind, "job": "7", "text": ""} for kind, at in (("starting", 0.0), ("gone", 72.0))]
    folder.events_path.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    for seed, seconds, status in ((1, 72.0, "DONE"), (2, 36.0, "FAILED")):
        value = 0.5 if status == "DONE" else None
        store.write(replace(result(trial(seed=seed), value, status=status, gpus=0.5), seconds=seconds))
    hours = take_snapshot(store).hours
    assert (hours.unit, hours.granted) == ("GPU-hours", 0.02)
    assert hours.finished == pytest.approx(0.01)  # half a GPU
    assert hours.failed == pytest.approx(0.005)
    assert hours.lost == pytest.approx(0.005)
    assert "0.01 in trials" in shown(store)


def test_stages_of_pre_training(store: StudyStore) -> None:
    path = store.pretrained_path("abc")
    path.parent.mkdir()
    path.touch()
    os.utime(path, (time.time() - 65, time.time() - 65))
    assert "pre-training stage, written 1:05 ago" in shown(store)


def test_status_prints_it_and_gives_it_to_programs(
    store: StudyStore, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store.write(result(trial(lr=0.006), 0.61))
    assert run("status", "name=one", f"runs_root={tmp_path / 'runs'}") == 0
    assert "one: 1/4 trials (1 done, 0 pruned, 0 failed), 0 running" in capsys.readouterr().out
    assert run("status", "name=one", f"runs_root={tmp_path / 'runs'}", "json=true") == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["finished"], plain["counts"]["DONE"], plain["bests"]["part1"]["value"]) == (1, 1, 0.61)
    assert plain["bests"]["part1"]["settings"] == {"optim.lr": 0.006}


def test_watching_ends_with_ctrl_c(store: StudyStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert run("status", "name=one", f"runs_root={tmp_path / 'runs'}", "watch=true") == 0
    assert len(looks) == 3
