"""Final detectors on the frames of another dataset."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.store import FrameStore
from model.metrics import always_positive_f1, f1
from study.result import TrialResult
from study.store import StudyStore
from study.transfer import compare, final_results, transfer
from study.trial import run_trial
from tests.data.stores import tiny_store
from tests.study.make import opened, placement, result, small_trial, trial


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyStore, TrialResult]:
    """A study with one final detector of AUs 1 and 12."""
    folder = tmp_path_factory.mktemp("source")
    frames = tiny_store(folder / "data")
    store = opened(folder / "runs")
    store.open_study({**store.study(), "size": frames.size}, free=("size",))
    final = replace(small_trial(frames), score_test=True)
    return store, run_trial(final, placement(frames, store.root))


def target_store(folder: Path, aus: tuple[int, ...], size: int = 24) -> FrameStore:
    return tiny_store(folder, subjects=4, size=size, aus=aus, seed=1)


def test_only_shared_aus_of_all_frames_are_scored(source: tuple[StudyStore, TrialResult], tmp_path: Path) -> None:
    store, detector = source
    target = target_store(tmp_path, aus=(4, 12))
    score = transfer(store, detector, target, "cpu")
    assert score.aus == (12,)
    assert score.subjects == tuple(sorted(set(target.table["subject"])))
    labels = target.labels((12,))[:, 0]
    assert score.counts.sum() == len(target)
    assert score.counts[..., [0, 2]].sum() == (labels == 1).sum()


def test_a_score_is_computed_once(
    source: tuple[StudyStore, TrialResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, detector = source
    target = target_store(tmp_path, aus=(1,))
    first = transfer(store, detector, target, "cpu")
    monkeypatch.setattr("study.transfer.predict", lambda *_: 1 / 0)
    again = transfer(store, detector, target, "cpu")
    assert np.array_equal(first.counts, again.counts)


def test_the_same_frames_give_the_test_score_again(source: tuple[StudyStore, TrialResult]) -> None:
    """A detector put back together from its file predicts what it predicted when it was trained."""
    store, detector = source
    frames = tiny_store(store.root.parent / "data")
    score = transfer(store, detector, frames, "cpu")
    test = detector.scores["test"]
    rows = [score.subjects.index(subject) for subject in test.subjects]
    assert np.array_equal(score.counts[rows], test.counts)


def test_no_shared_au_another_scale_and_lost_weights_are_refused(
    source: tuple[StudyStore, TrialResult], tmp_path: Path
) -> None:
    store, detector = source
    with pytest.raises(InputError, match="no AU of this detector"):
        transfer(store, detector, target_store(tmp_path / "a", aus=(4, 6)), "cpu")
    with pytest.raises(InputError, match=r"trained on 24 px.*dataset\.size=24"):
        transfer(store, detector, target_store(tmp_path / "b", aus=(1,), size=32), "cpu")
    lost = replace(detector, config=replace(detector.config, seed=77))
    with pytest.raises(InputError, match="is gone"):
        transfer(store, lost, target_store(tmp_path / "c", aus=(1,)), "cpu")


def test_compare_puts_means_over_detectors_side_by_side() -> None:
    results = [result(trial(seed, score_test=True)) for seed in (0, 1)]
    scores = [r.scores["test"] for r in results]
    pair = compare(scores, results)
    pooled = scores[0].counts.sum(axis=0)
    assert pair.aus == scores[0].aus
    assert pair.f1 == pair.own == pytest.approx(f1(pooled).mean())
    assert pair.always_positive == pytest.approx(always_positive_f1(pooled).mean())


def test_a_study_without_final_detectors_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"launch/final.py"):
        final_results(opened(tmp_path))
