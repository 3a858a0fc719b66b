"""Won pairs against loops over all pairs."""

import numpy as np
import pytest

from data.seeds import numpy_generator
from study.scoring import exact_auc
from study.scoring.exact_auc import sampled_wins, won_pairs


def plain(p: np.ndarray, active: np.ndarray, person: np.ndarray, subjects: int) -> np.ndarray:
    found = np.zeros((subjects, subjects), int)
    for i in np.flatnonzero(active):
        for j in np.flatnonzero(~active):
            found[person[i], person[j]] += 2 if p[i] > p[j] else int(p[i] == p[j])
    return found


@pytest.mark.parametrize("levels", [1, 2, 7, 300, 10**6])
@pytest.mark.parametrize("frames", [1, 2, 65, 400])
def test_pairs_are_counted_as_a_loop_counts_them(frames: int, levels: int) -> None:
    rng = numpy_generator("wins", frames, levels)
    p = (rng.integers(0, levels, frames) / levels).astype(np.float32)
    active, person = rng.random(frames) < 0.3, rng.integers(0, 5, frames)
    found = won_pairs(p, active, person, 5)
    np.testing.assert_array_equal(found, plain(p, active, person, 5))
    assert found.sum() <= 2 * active.sum() * (~active).sum()


def test_a_value_of_many_frames_between_rare_ones() -> None:
    rng = numpy_generator("wins", "mixed")
    p = np.where(rng.random(500) < 0.6, 0.5, rng.random(500))
    active, person = rng.random(500) < 0.5, rng.integers(0, 3, 500)
    np.testing.assert_array_equal(won_pairs(p, active, person, 3), plain(p, active, person, 3))


def test_blocks_are_done_in_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = numpy_generator("wins", "parts")
    p, active, person = rng.random(900), rng.random(900) < 0.5, rng.integers(0, 4, 900)
    whole = won_pairs(p, active, person, 4)
    monkeypatch.setattr(exact_auc, "BLOCKS", 3)
    np.testing.assert_array_equal(won_pairs(p, active, person, 4), whole)


def test_nothing_to_compare() -> None:
    none = np.zeros(0)
    assert won_pairs(none, none.astype(bool), none.astype(int), 2).tolist() == [[0, 0], [0, 0]]
    assert won_pairs(np.ones(3), np.ones(3, bool), np.zeros(3, int), 1).tolist() == [[0]]


def test_a_sample_of_subjects_is_the_pairs_of_its_frames() -> None:
    rng = numpy_generator("wins", "sample")
    p, active, person = rng.integers(0, 9, 60), rng.random(60) < 0.4, rng.integers(0, 4, 60)
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 4, 0, 0]])
    for row, found in zip(weights, sampled_wins(won_pairs(p, active, person, 4), weights.astype(float)), strict=True):
        frames = np.concatenate([np.flatnonzero(person == s) for s in range(4) for _ in range(row[s])])
        assert found == plain(p[frames], active[frames], np.zeros(len(frames), int), 1)[0, 0]
