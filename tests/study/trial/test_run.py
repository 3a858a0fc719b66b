"""`run_trial`, on a few noisy frames: what it reads, what it writes, and how it ends."""

import errno
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DamagedError
from data.folds import Fold, folds
from data.frames import KEY
from data.store import FrameStore
from model import fit
from model.fit import EpochScore
from model.metrics import objective_value, score_predictions
from study.records.config import TrialConfig
from study.records.predictions import read_predictions
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.trial import run as trial_module
from study.trial.run import environment, epoch_of, lost_trial, run_trial
from tests.data.stores import tiny_store
from tests.study.make import curve, placement, result, same, same_scores, score, small_trial

Reports = list[tuple[int, float]]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("frames"), unknown=0.1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyStore:
    """Where `finished` lies."""
    return StudyStore(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def reports() -> Reports:
    """What `finished` reported."""
    return []


@pytest.fixture(scope="module")
def finished(frames: FrameStore, study: StudyStore, reports: Reports) -> TrialResult:
    """A trial that nothing disturbed."""
    return run_trial(small_trial(frames), placement(frames, study.root), recorder(reports))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the epochs that are trained from here on."""
    numbers: list[int] = []
    real = fit._train_epoch

    def spy(training: fit._Training, epoch: int) -> float:
        numbers.append(epoch)
        return real(training, epoch)

    monkeypatch.setattr(fit, "_train_epoch", spy)
    return numbers


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Rows of the frame store, batch by batch, that are read from here on."""
    batches: list[np.ndarray] = []
    real = FrameStore.read

    def spy(store: FrameStore, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        batches.append(rows)
        return real(store, rows, out)

    monkeypatch.setattr(FrameStore, "read", spy)
    return batches


def recorder(reports: Reports) -> Callable[[int, float], None]:
    return lambda epoch, value: reports.append((epoch, value))


def raising(error: BaseException, at: int) -> Callable[[int, float], None]:
    """A report that raises at the epoch `at`."""

    def report(epoch: int, value: float) -> None:
        if epoch == at:
            raise error

    return report


def fold_of(frames: FrameStore, config: TrialConfig) -> Fold:
    return folds(frames.table, config.data.fold_scheme, config.data.val_share, config.data.fold_seed)[config.data.fold]


# --- a trial that is not disturbed


def test_a_trial_ends_with_a_result(frames: FrameStore, study: StudyStore, finished: TrialResult) -> None:
    assert (finished.status, finished.stage, finished.error) == ("DONE", "sweep", None)
    assert [epoch.epoch for epoch in finished.epochs] == [1, 2]
    assert finished.value == objective_value(finished.scores["val"], "f1")
    assert 0 < finished.seconds < 600
    assert finished.environment["device"] == "cpu"
    stored = study.result(finished.config.key)
    assert stored is not None
    assert same(stored, finished)
    assert [path.name for path in study.root.rglob("*") if path.is_file()] == [f"{finished.config.key}.json"]


def test_the_validation_subjects_are_scored_frame_by_frame(frames: FrameStore, finished: TrialResult) -> None:
    val = fold_of(frames, finished.config).val
    score = finished.scores["val"]
    assert set(score.subjects) == set(frames.subjects_of(val))
    coded = (frames.labels(score.aus)[val] >= 0).sum(axis=0)
    np.testing.assert_array_equal(score.counts.sum(axis=(0, 2)), coded)
    assert all(np.sum(epoch.counts, axis=1).tolist() == coded.tolist() for epoch in finished.epochs)


def test_every_epoch_is_reported_the_last_with_the_result(reports: Reports, finished: TrialResult) -> None:
    assert reports == [*((epoch.epoch, epoch.value) for epoch in finished.epochs[:-1]), (2, finished.value)]


def test_a_finished_trial_is_not_run_again(
    frames: FrameStore, study: StudyStore, finished: TrialResult, trained: list[int], rows_read: list[np.ndarray]
) -> None:
    path = study.result_path(finished.config.key)
    before, reports = path.stat().st_mtime_ns, Reports()
    again = run_trial(finished.config, placement(frames, study.root), recorder(reports))
    assert same(again, finished)
    assert path.stat().st_mtime_ns == before
    assert (reports, trained, rows_read) == ([], [], [])


def test_the_same_trial_elsewhere_comes_to_the_same(frames: FrameStore, finished: TrialResult, tmp_path: Path) -> None:
    again = run_trial(finished.config, placement(frames, tmp_path))
    assert same_scores(again, finished)
    assert curve(again) == curve(finished)
    assert again.value == finished.value


def test_another_seed_is_another_trial(frames: FrameStore, finished: TrialResult, tmp_path: Path) -> None:
    other = run_trial(small_trial(frames, seed=1), placement(frames, tmp_path))
    assert [epoch.loss for epoch in other.epochs] != [epoch.loss for epoch in finished.epochs]


def test_the_objective_can_be_the_auc(frames: FrameStore, finished: TrialResult, tmp_path: Path) -> None:
    other = run_trial(small_trial(frames, objective="auc"), placement(frames, tmp_path))
    assert other.value == objective_value(other.scores["val"], "auc")
    assert other.value != objective_value(other.scores["val"], "f1")
    first, second = finished.epochs[0], other.epochs[0]
    assert (first.loss, first.counts) == (second.loss, second.counts), "what is maximised does not change the training"
    assert first.value != second.value


@pytest.mark.parametrize(("values", "best"), [((0.5, 0.25), 1), ((0.25, 0.5), 2), ((0.5, 0.5), 1)])
def test_an_end_to_end_method_keeps_its_best_epoch(
    frames: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: tuple[float, float], best: int
) -> None:
    coming = iter(values)
    monkeypatch.setattr(fit, "objective_value", lambda *_: next(coming))
    done = run_trial(small_trial(frames, "bce"), placement(frames, tmp_path))
    assert done.status == "DONE"
    assert done.epochs[0].counts != done.epochs[1].counts
    assert done.scores["val"].counts.sum(axis=0).tolist() == done.epochs[best - 1].counts


# --- the test part


def test_a_trial_of_a_search_reads_no_frame_of_the_test_part(
    frames: FrameStore, finished: TrialResult, rows_read: list[np.ndarray], tmp_path: Path
) -> None:
    run_trial(finished.config, placement(frames, tmp_path))
    fold = fold_of(frames, finished.config)
    assert set(np.concatenate(rows_read)) == {*fold.train, *fold.val}
    assert not set(np.concatenate(rows_read)) & set(fold.test)
    assert finished.scores.keys() == {"val"}


@pytest.mark.parametrize("method", ["aunce", "bce"])
def test_a_final_trial_reads_the_test_part_once_and_last(
    frames: FrameStore, rows_read: list[np.ndarray], tmp_path: Path, method: str
) -> None:
    config = small_trial(frames, method)
    sweep = run_trial(config, placement(frames, tmp_path))
    rows_read.clear()
    final = run_trial(replace(config, score_test=True), placement(frames, tmp_path))
    test = fold_of(frames, config).test
    read = np.concatenate(rows_read)
    np.testing.assert_array_equal(read[-len(test) :], test)
    assert np.isin(read, test).sum() == len(test)
    assert final.stage == "final"
    assert set(final.scores["test"].subjects) == set(frames.subjects_of(test))
    assert (curve(final), final.value) == (curve(sweep), sweep.value), "the test part changes nothing else"
    assert same_scores(replace(final, scores={"val": final.scores["val"]}), sweep)


@pytest.mark.parametrize("kept", [True, False])
def test_a_final_detector_and_what_it_says_are_kept_where_they_are_wanted(
    frames: FrameStore, tmp_path: Path, kept: bool
) -> None:
    config = replace(small_trial(frames, "bce"), score_test=True)
    run_trial(config, replace(placement(frames, tmp_path), keep_detector=kept))
    store = StudyStore(tmp_path)
    assert store.detector_path(config.key).exists() == store.predictions_path(config.key).exists() == kept


@pytest.mark.parametrize("method", ["aunce", "bce"])
def test_the_kept_predictions_are_what_was_scored(frames: FrameStore, tmp_path: Path, method: str) -> None:
    config = replace(small_trial(frames, method), score_test=True)
    final = run_trial(config, placement(frames, tmp_path))
    kept, fold = read_predictions(StudyStore(tmp_path).predictions_path(config.key)), fold_of(frames, config)
    assert kept.aus == final.scores["test"].aus
    for split, rows in (("val", fold.val), ("test", fold.test)):
        part = kept.part(split)
        assert part.frame.select(KEY).equals(frames.table.select(KEY)[rows])
        np.testing.assert_array_equal(part.labels, frames.labels(kept.aus)[rows])
        score = score_predictions(part.probabilities, part.labels, part.subjects, part.aus)
        assert score.subjects == final.scores[split].subjects
        np.testing.assert_array_equal(score.counts, final.scores[split].counts)
        np.testing.assert_array_equal(score.histogram, final.scores[split].histogram)
    assert len(kept) == len(fold.val) + len(fold.test)


def test_a_detector_that_says_nothing_is_a_failed_trial(
    frames: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "predict", lambda *args: np.full((len(args[2]), 2), np.nan))
    config = replace(small_trial(frames, "bce"), score_test=True)
    final = run_trial(config, placement(frames, tmp_path))
    assert final.status == "FAILED"
    assert "frames without a probability" in (final.error or "")
    assert not StudyStore(tmp_path).predictions_path(config.key).exists()


# --- trials that are stopped


@pytest.mark.parametrize("stopped", [1, 2])
def test_a_stopped_trial_goes_on_to_the_same_end(
    frames: FrameStore,
    finished: TrialResult,
    reports: Reports,
    trained: list[int],
    tmp_path: Path,
    stopped: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, place = StudyStore(tmp_path), placement(frames, tmp_path)
    key = finished.config.key
    with monkeypatch.context() as stopping:
        stopping.setattr(trial_module, "linear_evaluation", lambda *_: sys.exit())
        with pytest.raises(SystemExit):
            run_trial(finished.config, place, raising(SystemExit(), stopped))
    assert store.result(key) is None
    progress = store.progress(key)
    assert progress is not None
    assert curve(progress) == curve(finished)[:stopped]
    assert (progress.status, progress.value) == ("FAILED", finished.epochs[stopped - 1].value)
    assert store.checkpoint_path(key).exists()

    again = Reports()
    done = run_trial(finished.config, place, recorder(again))
    assert trained == [1, 2], "no epoch is trained twice"
    assert again == reports, "a scheduler sees the whole curve"
    assert same_scores(done, finished)
    assert (curve(done), done.value) == (curve(finished), finished.value)
    assert not store.checkpoint_path(key).exists()


def test_a_trial_with_a_damaged_checkpoint_starts_anew_and_says_so(
    frames: FrameStore, finished: TrialResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = StudyStore(tmp_path)
    with pytest.raises(SystemExit):
        run_trial(finished.config, placement(frames, tmp_path), raising(SystemExit(), 1))
    path = store.checkpoint_path(finished.config.key)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = run_trial(finished.config, placement(frames, tmp_path))
    assert same_scores(done, finished)
    assert (curve(done), done.value) == (curve(finished), finished.value)
    said = done.environment["restarted"]
    assert said.startswith(f"{path} is damaged: ")
    assert said.endswith("its training starts anew")
    assert said in capsys.readouterr().out


def test_a_damaged_frame_store_is_no_fault_of_a_trial(finished: TrialResult, tmp_path: Path) -> None:
    frames = tiny_store(tmp_path / "store", unknown=0.1)
    assert frames.fingerprint == finished.config.data.fingerprint
    (shard,) = frames.path.glob("shards/*.bin")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DamagedError, match="have a wrong checksum"):
        run_trial(finished.config, placement(frames, tmp_path / "study"))
    assert StudyStore(tmp_path / "study").result(finished.config.key) is None, "it runs when the store is there again"


def test_a_stopped_trial_can_be_pruned(frames: FrameStore, finished: TrialResult, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run_trial(finished.config, placement(frames, tmp_path), raising(SystemExit(), 1))
    StudyStore(tmp_path).prune(finished.config.key)
    pruned = run_trial(finished.config, placement(frames, tmp_path))
    assert (pruned.status, pruned.value, curve(pruned)) == ("PRUNED", finished.epochs[0].value, curve(finished)[:1])


def test_a_trial_stopped_at_its_last_report_is_done(frames: FrameStore, finished: TrialResult, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run_trial(finished.config, placement(frames, tmp_path), raising(SystemExit(), 2))
    done = StudyStore(tmp_path).result(finished.config.key)
    assert done is not None
    assert (done.status, done.value) == ("DONE", finished.value)


# --- trials that fail


def test_an_exception_becomes_a_failed_result(frames: FrameStore, finished: TrialResult, tmp_path: Path) -> None:
    reported = raising(RuntimeError("the cable came off"), 1)
    failed = run_trial(finished.config, placement(frames, tmp_path), reported)
    assert (failed.status, failed.value) == ("FAILED", None)
    assert curve(failed) == curve(finished)[:1]
    assert failed.error is not None
    assert failed.error.startswith("Traceback (most recent call last):")
    assert "RuntimeError: the cable came off" in failed.error
    stored = StudyStore(tmp_path).result(finished.config.key)
    assert stored is not None
    assert same(stored, failed)
    assert run_trial(finished.config, placement(frames, tmp_path)).status == "FAILED", "it is not run again"


def test_a_full_disk_is_no_failure_of_the_trial(frames: FrameStore, tmp_path: Path) -> None:
    config, store = small_trial(frames, "bce"), StudyStore(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        run_trial(config, placement(frames, tmp_path), raising(OSError(errno.ENOSPC, "No space left on device"), 1))
    assert store.result(config.key) is None
    assert store.checkpoint_path(config.key).exists(), "the same call goes on"


def test_a_failed_evaluation_keeps_the_epochs(
    frames: FrameStore, finished: TrialResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "linear_evaluation", lambda *_: 1 / 0)
    reports = Reports()
    failed = run_trial(finished.config, placement(frames, tmp_path), recorder(reports))
    assert (failed.status, failed.value, curve(failed)) == ("FAILED", None, curve(finished))
    assert "ZeroDivisionError" in str(failed.error)
    assert [epoch for epoch, _ in reports] == [1], "a failed trial has no value to report"


def test_a_loss_that_is_not_finite_fails(
    frames: FrameStore, finished: TrialResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "_step_losses", lambda step, *_: (step.detector.classifier.weight.sum() * np.nan,) * 2)
    failed = run_trial(finished.config, placement(frames, tmp_path))
    assert (failed.status, failed.epochs) == ("FAILED", [])
    assert "the loss became nan in epoch 1; lower the learning rate" in str(failed.error)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fingerprint": "f00"}, r"is store [0-9a-f]+, the trial is on f00"),
        ({"fold": "random3-9"}, "random3-9"),
        ({"fold_scheme": "random99"}, "k must be 2 to 6"),
    ],
)
def test_data_that_do_not_fit_fail_before_training(
    frames: FrameStore, tmp_path: Path, trained: list[int], changes: dict[str, str], reason: str
) -> None:
    config = small_trial(frames)
    failed = run_trial(replace(config, data=replace(config.data, **changes)), placement(frames, tmp_path))  # type: ignore[arg-type]
    assert (failed.status, failed.value, failed.epochs, trained) == ("FAILED", None, [], [])
    assert failed.error is not None
    assert re.search(reason, failed.error)
    assert failed.environment["device"] == "cpu"


def test_a_store_that_is_not_there_fails(frames: FrameStore, tmp_path: Path) -> None:
    nowhere = replace(placement(frames, tmp_path), store=tmp_path / "nowhere")
    assert "nowhere is not a finished store" in str(run_trial(small_trial(frames), nowhere).error)


def test_a_lost_trial_keeps_its_epochs(frames: FrameStore, tmp_path: Path) -> None:
    store, config = StudyStore(tmp_path), small_trial(frames)
    store.write_progress(replace(result(config, curve=(0.25, 0.5)), error=None))
    lost = lost_trial(config, store, "its process died")
    assert (lost.status, lost.value, lost.error) == ("FAILED", None, "its process died")
    assert [epoch.value for epoch in lost.epochs] == [0.25, 0.5]
    assert store.progress(config.key) is None


def test_a_trial_lost_before_its_first_epoch(frames: FrameStore, tmp_path: Path) -> None:
    store, config = StudyStore(tmp_path), small_trial(frames)
    assert lost_trial(config, store, "its process died").epochs == []
    assert [found.status for found in store.results()] == ["FAILED"]


def test_a_lost_trial_that_had_finished_stays_finished(frames: FrameStore, tmp_path: Path) -> None:
    store, config = StudyStore(tmp_path), small_trial(frames)
    store.write(result(config, 0.5))
    assert lost_trial(config, store, "its process died").status == "DONE"


def test_a_trial_meets_worse_pictures_where_it_runs(frames: FrameStore, tmp_path: Path) -> None:
    config, study = replace(small_trial(frames, "bce"), score_test=True), StudyStore(tmp_path)
    asked = replace(placement(frames, tmp_path), worse=(("dark", 80.0),), gpus=0.5)
    done = run_trial(config, asked)
    assert (done.status, done.environment["gpus"]) == ("DONE", "0.5")
    assert study.degraded_path(config.key, "dark", 80.0).exists()


def test_what_is_kept_of_an_epoch() -> None:
    whole = score(3)
    kept = epoch_of(EpochScore(4, 0.5, 0.25, whole, 1.0))
    assert (kept.epoch, kept.loss, kept.value, kept.seconds) == (4, 0.5, 0.25, 1.0)
    assert kept.counts == (whole.counts[0] + whole.counts[1]).tolist()


def test_environment_is_text() -> None:
    facts = environment("cpu", 2)
    assert (facts["device"], facts["threads"]) == ("cpu", "2")
    assert {"python", "torch", "host"} <= facts.keys()
    assert all(type(fact) is str for fact in facts.values())
