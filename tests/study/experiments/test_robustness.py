"""Stress studies: what each kind asks of a trial, scores on worse pictures, and the curves against plain loops."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.degrade import DEGRADATIONS
from data.errors import DamagedError, InputError
from data.frames import aus_of
from data.store import FrameStore
from model.checkpoint import load_checkpoint, save_checkpoint
from model.metrics import Score
from study.experiments.robustness import (
    DISTURBANCES,
    TRAINING,
    Point,
    curves_of,
    robustness_table,
    stressed,
    undisturbed,
)
from study.records.result import TrialResult
from study.records.score_table import SCORES
from study.records.store import StudyStore
from study.trial import degraded as degraded_module
from study.trial.degraded import DetectorScore, degraded, detector_score
from study.trial.detectors import kept_detector, lacks_files
from study.trial.run import run_trial
from tests.data.stores import tiny_store
from tests.study.make import placement, score, small_trial, trial


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("frames"), subjects=12, frames=10)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StudyStore:
    return StudyStore(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def result(frames: FrameStore, store: StudyStore) -> TrialResult:
    return run_trial(replace(small_trial(frames, "bce"), score_test=True), placement(frames, store.root))


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_at_its_undisturbed_level_a_kind_is_the_trial_itself(kind: str) -> None:
    assert stressed(trial(), kind, undisturbed(kind)) == trial()


@pytest.mark.parametrize("kind", TRAINING)
def test_kinds_of_training_are_trials_of_their_own(kind: str) -> None:
    keys = {stressed(trial(), kind, level).key for level in (undisturbed(kind), 10.0, 20.0)}
    assert len(keys) == 3


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_kinds_of_pictures_need_no_training(kind: str) -> None:
    assert stressed(trial(), kind, 50.0) == trial()


def test_kinds_of_noise_differ() -> None:
    kinds = ("label_noise", "per_au_noise", "boundary_noise", "event_noise", "onset_noise")
    data = [stressed(trial(), kind, 20.0).data for kind in kinds]
    assert [one.noise_kind for one in data] == ["symmetric", "per_au", "boundary", "event", "onset"]
    assert {one.label_noise for one in data} == {0.2}
    assert stressed(trial(), "positives", 25.0).data.positives == 0.25
    assert stressed(trial(), "subjects", 4.0).data.train_subjects == 4


def test_an_impossible_level_names_the_kind() -> None:
    with pytest.raises(InputError, match=re.escape("label_noise at 60:")):
        stressed(trial(), "label_noise", 60.0)


def test_a_kept_detector_scores_as_its_trial_did(frames: FrameStore, store: StudyStore, result: TrialResult) -> None:
    again = degraded(store, result, frames, "dark", 0.0, "cpu")
    assert again.score.subjects == result.scores["test"].subjects
    np.testing.assert_array_equal(again.score.counts, result.scores["test"].counts)
    np.testing.assert_array_equal(again.score.histogram, result.scores["test"].histogram)


def test_worse_pictures_are_scored_once(
    frames: FrameStore, store: StudyStore, result: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = degraded(store, result, frames, "occlusion", 90.0, "cpu")
    assert (first.score.histogram != result.scores["test"].histogram).any()
    assert (first.fold, first.seed) == (result.config.data.fold, result.config.seed)
    monkeypatch.setattr(degraded_module, "score_rows", None)
    second = degraded(store, result, frames, "occlusion", 90.0, "cpu")
    np.testing.assert_array_equal(first.score.counts, second.score.counts)
    with pytest.raises(TypeError):
        degraded(store, result, frames, "occlusion", 80.0, "cpu")


def test_a_detector_that_is_gone_is_named(frames: FrameStore, result: TrialResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{result.config.key}.pt is missing"):
        kept_detector(StudyStore(tmp_path), result)


def test_a_damaged_detector_says_which_command_trains_it_again(
    frames: FrameStore, store: StudyStore, result: TrialResult, tmp_path: Path
) -> None:
    mine = StudyStore(Path(shutil.copytree(store.root, tmp_path / "mine")))
    there = replace(placement(frames, mine.root), keep_detector=True)
    assert not lacks_files(result.config, there, mine)
    path = mine.detector_path(result.config.key)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=rf"{path.name} is damaged: .* launch/final.py name=mine retry_failed=true"):
        kept_detector(mine, result)
    assert lacks_files(result.config, there, mine), "retry_failed=true trains it again"


def test_a_damaged_score_of_worse_pictures_is_named(frames: FrameStore, store: StudyStore, result: TrialResult) -> None:
    degraded(store, result, frames, "blur", 1.0, "cpu")
    path = store.degraded_path(result.config.key, "blur", 1.0)
    path.write_bytes(path.read_bytes().replace(b"0, 0, 0", b"0, 1, 0", 1))
    with pytest.raises(DamagedError, match=rf"{path.name} is damaged: .*Remove it"):
        degraded(store, result, frames, "blur", 1.0, "cpu")
    path.unlink()
    degraded(store, result, frames, "blur", 1.0, "cpu")


def test_a_detector_needs_not_the_weights_that_it_began_with(store: StudyStore, result: TrialResult) -> None:
    config = replace(result.config, backbone=replace(result.config.backbone, weights="sha256:0"))
    state = load_checkpoint(store.detector_path(result.config.key))
    assert state is not None
    save_checkpoint(state, store.detector_path(config.key))
    same = kept_detector(store, replace(result, config=config)).state_dict()
    for name, value in kept_detector(store, result).state_dict().items():
        assert (value == same[name]).all()


# --- curves


def f1_by_hand(counts: np.ndarray) -> float:
    tp, fp, fn, _ = counts.sum(axis=0).tolist()
    return float(2 * tp / (2 * tp + fp + fn))


def test_curves_are_means_of_folds() -> None:
    people = [("F001", "F002"), ("M001", "M002", "M003")]
    detectors = [
        DetectorScore(f"part{fold}", seed, score(10 * fold + seed, people[fold])) for fold in (0, 1) for seed in (0, 1)
    ]
    point = Point("bce", "blur", 2.0)
    scores = robustness_table({point: detectors}, "bp4d")
    assert dict(scores.schema) == SCORES
    frame = curves_of(scores)
    aus = detectors[0].score.aus
    per_au = {
        au: np.mean(
            [
                np.mean([f1_by_hand(d.score.counts[:, at]) for d in detectors if d.fold == fold])
                for fold in ("part0", "part1")
            ]
        )
        for at, au in enumerate(aus)
    }
    rows = {row["au"]: row for row in frame.filter(metric="f1").iter_rows(named=True)}
    assert {au: row["value"] for au, row in rows.items() if au} == pytest.approx(per_au)
    assert rows[None]["value"] == pytest.approx(np.mean([*per_au.values()]))
    assert rows[None]["low"] < rows[None]["value"] < rows[None]["high"]
    assert frame.select("method", "kind", "level").unique().rows() == [("bce", "blur", 2.0)]
    [area] = frame.filter(metric="auc").iter_rows(named=True)
    assert area["low"] is None
    assert area["value"] == pytest.approx(np.mean([auc_by_hand(d.score) for d in detectors]))


def auc_by_hand(one: Score) -> float:
    areas = []
    for inactive, active in one.histogram.tolist():
        won = sum(a * (sum(inactive[:at]) + inactive[at] / 2) for at, a in enumerate(active))
        areas.append(won / (sum(active) * sum(inactive)))
    return float(np.mean(areas))


def test_every_level_is_resampled_with_the_same_people() -> None:
    same = [DetectorScore("part1", 0, score(3, ("F001", "F002", "F003")))]
    frame = curves_of(robustness_table({Point("bce", "blur", level): same for level in (0.0, 1.0)}, "bp4d"))
    first, second = (frame.filter(level=level).drop("level") for level in (0.0, 1.0))
    assert first.equals(second)


def test_one_person_has_no_interval() -> None:
    frame = robustness_table({Point("bce", "blur", 0.0): [DetectorScore("part1", 0, score(3, ("F001",)))]}, "bp4d")
    assert frame["low"].null_count() == frame.height


def test_a_score_is_that_of_the_test_part(result: TrialResult, frames: FrameStore) -> None:
    assert detector_score(result).score is result.scores["test"]
    assert detector_score(result).score.aus == aus_of(frames.table)
