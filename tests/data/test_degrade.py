"""Degraded pictures: nothing at level 0, the stated thing at others, the same again, and labels untouched."""

import numpy as np
import pytest

from data.degrade import DEGRADATIONS, Degraded
from data.errors import InputError
from data.store import FrameStore
from tests.data.stores import tiny_store

ROWS = np.array([7, 0, 3])


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("frames"), subjects=3, frames=4)


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_level_0_is_the_store_itself(frames: FrameStore, kind: str) -> None:
    np.testing.assert_array_equal(Degraded(frames, kind, 0.0).read(ROWS), frames.read(ROWS))


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_more_is_worse_and_the_same_again(frames: FrameStore, kind: str) -> None:
    clean = frames.read(ROWS).astype(int)
    little, much = (Degraded(frames, kind, level).read(ROWS).astype(int) for level in (10.0, 60.0))
    assert 0 < np.abs(little - clean).mean() < np.abs(much - clean).mean()
    np.testing.assert_array_equal(Degraded(frames, kind, 60.0).read(ROWS), much)


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_a_row_looks_the_same_in_any_batch(frames: FrameStore, kind: str) -> None:
    worse = Degraded(frames, kind, 30.0)
    np.testing.assert_array_equal(worse.read(ROWS[::-1])[::-1], worse.read(ROWS))
    out = np.empty((1, frames.size, frames.size, 3), np.uint8)
    assert worse.read(ROWS[:1], out) is out
    np.testing.assert_array_equal(out[0], worse.read(ROWS)[0])


def test_the_stated_amount(frames: FrameStore) -> None:
    clean = frames.read(ROWS).astype(int)
    np.testing.assert_allclose(Degraded(frames, "dark", 50.0).read(ROWS), clean / 2, atol=0.5)
    covered = (Degraded(frames, "occlusion", 25.0).read(ROWS) == 128).all(axis=-1).mean(axis=(1, 2))
    np.testing.assert_allclose(covered, 0.25, atol=0.05)
    small = Degraded(frames, "low_resolution", 75.0).read(ROWS).astype(int)
    assert np.abs(np.diff(small, axis=1)).mean() < np.abs(np.diff(clean, axis=1)).mean()


def test_noise_has_the_stated_deviation(frames: FrameStore) -> None:
    clean = frames.read(ROWS).astype(int)
    added = (Degraded(frames, "noise", 4.0).read(ROWS) - clean)[(clean > 50) & (clean < 200)]
    assert added.std() == pytest.approx(0.04 * 255, rel=0.1)
    assert added.mean() == pytest.approx(0.0, abs=1.0)


def test_labels_and_people_stay(frames: FrameStore) -> None:
    worse = Degraded(frames, "blur", 5.0)
    assert len(worse) == len(frames)
    assert worse.table is frames.table
    np.testing.assert_array_equal(worse.labels((1, 12)), frames.labels((1, 12)))
    assert worse.subjects_of(ROWS) == frames.subjects_of(ROWS)


@pytest.mark.parametrize(
    ("kind", "level", "said"), [("rain", 1.0, "rain"), ("blur", 100.0, "100"), ("blur", -1.0, "-1")]
)
def test_what_there_is_not(frames: FrameStore, kind: str, level: float, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Degraded(frames, kind, level)
