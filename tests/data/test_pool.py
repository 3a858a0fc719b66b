"""Several stores as one, to learn from without labels."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.build import build_store
from data.clips import clips_of
from data.errors import InputError
from data.frames import KEY
from data.pool import Pool, check_held_out, pool
from data.settings import ClipSettings, StoreSettings
from data.store import FrameStore
from tests.data.stores import precropped, tiny_fold, tiny_store


def renamed(store: FrameStore, folder: Path, **columns: str) -> FrameStore:
    """The frames of `store` under another name of the dataset, or of every subject."""
    table = store.table.with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    return build_store(precropped(table), store.path.parents[1] / "raw", folder, StoreSettings(store.size))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("own"), subjects=6, frames=5, unknown=0.2)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[FrameStore]:
    """One of another dataset whose people have the same names, and one of other people of the same dataset."""
    folders = [tmp_path_factory.mktemp(name) for name in ("other", "more")]
    first, second = (tiny_store(folder, subjects=3 - n, frames=4, seed=1 + n) for n, folder in enumerate(folders))
    kept = second.table.filter(subject="S00")
    new = build_store(
        precropped(kept.with_columns(subject=pl.lit("N1"))), folders[1] / "raw", folders[1], StoreSettings(second.size)
    )
    return [renamed(first, folders[0] / "named", dataset="disfa"), new]


def test_it_reads_as_one_store(own: FrameStore, others: list[FrameStore]) -> None:
    both = Pool(own, tuple(others))
    assert len(both) == both.table.height == 30 + 12 + 4
    frames = np.concatenate([store.read(np.arange(len(store))) for store in (own, *others)])
    rows = np.array([45, 3, 30, 41, 29, 0, 42, 3])
    assert np.array_equal(both.read(rows), frames[rows])
    out = np.empty((8, own.size, own.size, 3), np.uint8)
    assert both.read(rows, out) is out
    assert np.array_equal(out, frames[rows])
    assert both.table.rows() == [row for store in (own, *others) for row in store.table.select(KEY).rows()]


def test_the_labels_of_others_are_not_looked_at(own: FrameStore, others: list[FrameStore]) -> None:
    labels = Pool(own, tuple(others)).labels((1, 12))
    assert np.array_equal(labels[:30], own.labels((1, 12)))
    assert (labels[30:] == -1).all()
    assert (others[0].labels((1, 12)) >= 0).all()


def test_people_of_other_datasets_are_other_people(own: FrameStore, others: list[FrameStore]) -> None:
    assert Pool(own, tuple(others)).subjects_of(np.array([0, 30, 42])) == ["S00", "disfa/S00", "N1"]


def test_all_other_frames_are_trained_on(own: FrameStore, others: list[FrameStore]) -> None:
    fold = tiny_fold(own)
    together, wider = pool(own, others, fold)
    assert isinstance(together, Pool)
    assert wider.train.tolist() == [*fold.train, *range(30, 46)]
    assert (wider.val.tolist(), wider.test.tolist()) == (fold.val.tolist(), fold.test.tolist())
    clips = clips_of(together.table, wider.train, ClipSettings(4, 1))
    assert {*clips[:, 0].tolist()} >= {30, 34, 38, 42}
    assert pool(own, [], fold) == (own, fold)


def test_who_is_held_out_is_never_trained_on(own: FrameStore, others: list[FrameStore], tmp_path: Path) -> None:
    fold = tiny_fold(own)
    again = tiny_store(tmp_path, subjects=6, frames=3, seed=9)
    with pytest.raises(InputError) as caught:
        pool(own, [*others, again], fold)
    held_out = {*own.subjects_of(np.concatenate([fold.val, fold.test]))}
    said = f"{again.path.name} shows 3 of the 6 people of {own.path.name}, whom fold tiny holds out, in 9 of its 18 "
    assert f"{said}frames: {', '.join(sorted(held_out))}. Both show people of gft" in str(caught.value)
    check_held_out(own, [renamed(again, tmp_path / "other", dataset="disfa")], fold)


def test_frames_of_another_size_are_refused(own: FrameStore, tmp_path: Path) -> None:
    large = tiny_store(tmp_path, subjects=2, frames=2, size=32)
    with pytest.raises(InputError, match=f"{large.path.name} has 32 px"):
        Pool(own, (large,))
