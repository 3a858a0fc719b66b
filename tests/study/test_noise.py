"""Label noise: which labels are flipped, and what a trial sees of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.folds import Fold
from data.store import FrameStore
from study import trial as trial_module
from study.config import DataSettings, TrialConfig
from study.noise import with_label_noise
from study.trial import run_trial
from tests.data.stores import tiny_fold, tiny_store
from tests.study.make import curve, placement, same_scores, small_trial

AUS = (1, 12)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("frames"), subjects=12, frames=40, unknown=0.1)


@pytest.fixture(scope="module")
def fold(frames: FrameStore) -> Fold:
    return tiny_fold(frames)


def flipped(frames: FrameStore, noisy: FrameStore) -> np.ndarray:
    """Which labels differ, [n, A]."""
    return np.asarray(frames.labels(AUS) != noisy.labels(AUS))


def noisy_trial(frames: FrameStore, share: float, method: str = "aunce") -> TrialConfig:
    config = small_trial(frames, method)
    return replace(config, data=replace(config.data, label_noise=share), score_test=True)


def test_the_share_of_coded_labels_is_flipped_and_nothing_else(frames: FrameStore, fold: Fold) -> None:
    noisy = with_label_noise(frames, fold, 0.2, seed=0)
    before, after = frames.labels(AUS), noisy.labels(AUS)
    different = flipped(frames, noisy)
    np.testing.assert_array_equal(after[different], 1 - before[different])
    np.testing.assert_array_equal(after < 0, before < 0)
    assert not different[fold.test].any()
    for part in (fold.train, fold.val):
        coded = before[part] >= 0
        assert different[part].sum() / coded.sum() == pytest.approx(0.2, abs=0.07)
        for label in (0, 1):
            assert different[part][before[part] == label].mean() == pytest.approx(0.2, abs=0.1)
    assert noisy.table.schema == frames.table.schema
    assert noisy.table.drop("au_1", "au_12").equals(frames.table.drop("au_1", "au_12"))


def test_no_noise_is_the_store_itself(frames: FrameStore, fold: Fold) -> None:
    assert with_label_noise(frames, fold, 0.0, seed=0) is frames


def test_the_same_labels_are_flipped_again_and_more_of_them_at_a_larger_share(frames: FrameStore, fold: Fold) -> None:
    first, again, more = (flipped(frames, with_label_noise(frames, fold, share, 3)) for share in (0.1, 0.1, 0.3))
    np.testing.assert_array_equal(first, again)
    assert (more & first).sum() == first.sum() < more.sum()


def test_a_row_is_flipped_in_whatever_fold_it_trains(frames: FrameStore, fold: Fold) -> None:
    turned = Fold("turned", fold.test, fold.val, fold.train)
    one, other = (flipped(frames, with_label_noise(frames, part, 0.2, 0)) for part in (fold, turned))
    np.testing.assert_array_equal(one[fold.val], other[fold.val])
    assert other[fold.test].any()


def test_seeds_and_aus_have_errors_of_their_own(frames: FrameStore, fold: Fold) -> None:
    one, other = (flipped(frames, with_label_noise(frames, fold, 0.3, seed)) for seed in (0, 1))
    assert (one != other).any()
    coded = (frames.labels(AUS) >= 0).all(axis=1)
    assert (one[coded, 0] != one[coded, 1]).any()


@pytest.mark.parametrize("share", [-0.1, 0.51])
def test_more_than_half_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="label_noise"):
        DataSettings(label_noise=share)


@pytest.mark.parametrize("method", ["aunce", "bce"])
def test_a_trial_trains_on_noisy_labels_and_is_tested_on_clean_ones(
    frames: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    seen = []
    real = trial_module._fitting

    def spy(config: TrialConfig, parts: trial_module._Parts, checkpoint: Path) -> object:
        seen.append(parts)
        return real(config, parts, checkpoint)

    monkeypatch.setattr(trial_module, "_fitting", spy)
    clean = run_trial(noisy_trial(frames, 0.0, method), placement(frames, tmp_path))
    noisy = run_trial(noisy_trial(frames, 0.3, method), placement(frames, tmp_path))
    assert (clean.status, noisy.status) == ("DONE", "DONE")
    assert clean.config.key != noisy.config.key
    fold = seen[1].fold
    np.testing.assert_array_equal(fold.val, seen[0].fold.val)
    served = np.concatenate([batch.labels.numpy() for batch in seen[1].loader.score(fold.train)])
    assert (served != (frames.labels(AUS)[fold.train] == 1)).any()
    assert curve(noisy)[0].loss != curve(clean)[0].loss
    active = [result.scores["test"].counts[..., [0, 2]].sum(axis=-1) for result in (clean, noisy)]
    np.testing.assert_array_equal(active[0], active[1])
    active = [result.scores["val"].counts[..., [0, 2]].sum(axis=-1) for result in (clean, noisy)]
    assert (active[0] != active[1]).any()
    assert clean.environment["protocol"] == noisy.environment["protocol"]


def test_an_interrupted_noisy_trial_comes_to_the_same(frames: FrameStore, tmp_path: Path) -> None:
    def switched_off(epoch: int, value: float) -> None:
        raise SystemExit

    config = noisy_trial(frames, 0.2)
    whole = run_trial(config, placement(frames, tmp_path / "whole"))
    with pytest.raises(SystemExit):
        run_trial(config, placement(frames, tmp_path / "cut"), switched_off)
    cut = run_trial(config, placement(frames, tmp_path / "cut"))
    assert same_scores(whole, cut)
    assert curve(whole) == curve(cut)
