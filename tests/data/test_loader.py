import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.loader import Batch, Loader, balanced_order
from data.seeds import generator, numpy_generator
from data.settings import ViewSettings
from data.store import FrameStore
from data.views import apply_views, centre_views, draw_views
from data.views_cpu import cpu_views
from tests.data.stores import PLAIN, tiny_loader, tiny_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("store"), subjects=4, frames=8, unknown=0.3)


@pytest.fixture(scope="module")
def loader(store: FrameStore) -> Loader:
    return tiny_loader(store)


def rows_of(batches: list[Batch]) -> list[int]:
    return [row for batch in batches for row in batch.row.tolist()]


def test_the_order_is_that_of_seed_and_epoch(loader: Loader) -> None:
    rows = np.arange(0, 32, 2)
    torch.manual_seed(1)
    first = list(loader.train(rows, seed=3, epoch=1))
    torch.manual_seed(2)
    again = list(loader.train(rows, seed=3, epoch=1))
    assert sorted(rows_of(first)) == rows.tolist()
    assert rows_of(first) != rows.tolist()
    for one, other in zip(first, again, strict=True):
        pairs = [(getattr(one, name), getattr(other, name)) for name in ("views", "labels", "coded", "row")]
        assert all(torch.equal(*pair) for pair in pairs)
        assert one.domain is None
    orders = {tuple(rows_of(list(loader.train(rows, seed, epoch)))) for seed, epoch in [(3, 1), (3, 2), (4, 1)]}
    assert len(orders) == 3


def test_views_of_a_row_differ_between_epochs_and_seeds(loader: Loader) -> None:
    one, other, third = (next(loader.train(np.array([5]), s, e)).views for s, e in [(0, 1), (0, 2), (1, 1)])
    assert not torch.equal(one, other)
    assert not torch.equal(one, third)


@pytest.mark.parametrize(
    ("rows", "limit", "sizes"),
    [(20, None, [8, 8]), (16, None, [8, 8]), (5, None, [5]), (8, None, [8]), (32, 17, [8, 8]), (32, 3, [3])],
)
def test_an_incomplete_last_batch_is_left_out(loader: Loader, rows: int, limit: int | None, sizes: list[int]) -> None:
    batches = list(loader.train(np.arange(rows), seed=0, epoch=1, limit=limit))
    assert [len(batch.views) for batch in batches] == sizes
    seen = rows_of(batches)
    assert len(set(seen)) == sum(sizes)


def test_a_limit_draws_other_frames_each_epoch(loader: Loader) -> None:
    seen = {frozenset(rows_of(list(loader.train(np.arange(32), 0, epoch, limit=8)))) for epoch in range(1, 5)}
    assert len(seen) == 4


def test_a_batch(loader: Loader, store: FrameStore) -> None:
    (batch,) = loader.train(np.arange(8), seed=0, epoch=1)
    assert batch.views.shape == (8, 2, 3, 16, 16)
    assert batch.views.dtype == batch.labels.dtype == torch.float32
    assert batch.coded.dtype == torch.bool
    assert batch.row.dtype == torch.int64
    assert all(not torch.equal(one, other) for one, other in batch.views)


def test_labels_and_what_is_coded(loader: Loader, store: FrameStore) -> None:
    truth = store.labels((12, 1))
    assert set(np.unique(truth)) == {-1, 0, 1}
    for batch in replace(loader, aus=(12, 1)).train(np.arange(32), seed=0, epoch=1):
        for row, labels, coded in zip(batch.row.tolist(), batch.labels.tolist(), batch.coded.tolist(), strict=True):
            assert labels == [float(label == 1) for label in truth[row]]
            assert coded == [bool(label != -1) for label in truth[row]]


def clips() -> np.ndarray:
    """Twelve clips of three frames."""
    return np.arange(12)[:, None] * 2 + np.arange(3)


def test_clips_stay_together(loader: Loader) -> None:
    """Two clips of three frames fit a batch of eight."""
    batches = list(loader.train(clips(), seed=0, epoch=1))
    assert [len(batch.row) for batch in batches] == [6] * 6
    found = np.array(rows_of(batches)).reshape(-1, 3)
    assert sorted(found.tolist()) == clips().tolist()
    assert found.tolist() != clips().tolist()
    assert loader.steps(clips()) == 6


@pytest.mark.parametrize(("limit", "sizes"), [(None, [6] * 6), (36, [6] * 6), (20, [6] * 3), (9, [6]), (2, [3])])
def test_a_limit_of_clips_is_one_of_frames(loader: Loader, limit: int | None, sizes: list[int]) -> None:
    batches = list(loader.train(clips(), seed=0, epoch=1, limit=limit))
    assert [len(batch.views) for batch in batches] == sizes
    assert loader.steps(clips(), limit) == len(sizes)


def test_a_clip_longer_than_a_batch_is_a_batch(loader: Loader) -> None:
    batches = list(loader.train(np.arange(24).reshape(2, 12), seed=0, epoch=1))
    assert [batch.row.tolist() for batch in batches] in (
        [[*range(12)], [*range(12, 24)]],
        [[*range(12, 24)], [*range(12)]],
    )


@pytest.mark.parametrize("shared", [False, True])
def test_the_frames_of_a_clip_share_a_view_where_asked(loader: Loader, shared: bool) -> None:
    """With flips only, seen in frames that are the same one."""
    flips = replace(loader, views=ViewSettings(crop=24, **PLAIN | {"flip": 0.5}))
    still = np.full((24, 4), 7)
    views = torch.cat([b.views for b in flips.train(still, seed=0, epoch=1, shared_views=shared)]).unflatten(0, (24, 4))
    alike = (views == views[:, :1]).flatten(3).all(dim=3)
    assert bool(alike.all()) == shared
    across = [not torch.equal(one, other) for one, other in views[:, 0]]
    assert any(across), "the two views of a clip are drawn on their own"
    assert not all(across)


def test_reading_ahead_gives_the_frames_of_the_rows(loader: Loader, store: FrameStore) -> None:
    plain = replace(loader, views=ViewSettings(crop=24, **PLAIN), batch_size=4)
    count = 0
    for batch in plain.train(np.arange(30), seed=0, epoch=1):
        frames = torch.from_numpy(store.read(batch.row.numpy())).permute(0, 3, 1, 2) / 255
        assert torch.equal(batch.views, torch.stack([frames, frames], dim=1))
        count += len(batch.row)
    assert count == 28


def test_both_views_of_a_batch_are_drawn_on_their_own(loader: Loader) -> None:
    """With flips only, all four combinations of two views occur."""
    flips = replace(loader, views=ViewSettings(crop=24, **PLAIN | {"flip": 0.5}))
    batches = list(flips.train(np.arange(32), seed=0, epoch=1))
    plain = torch.cat([batch.views[:, 0] for batch in flips.score(np.arange(32))])
    seen = {
        tuple(not torch.equal(view, plain[row]) for view in views)
        for batch in batches
        for row, views in zip(batch.row.tolist(), batch.views, strict=True)
    }
    assert len(seen) == 4


def test_scoring_visits_every_row_in_order(loader: Loader, store: FrameStore) -> None:
    rows = np.array([31, 4, 4, 0, 7, 20, 1, 2, 3, 30, 9])
    batches = list(loader.score(rows))
    assert [len(batch.views) for batch in batches] == [8, 3]
    assert rows_of(batches) == rows.tolist()
    views = torch.cat([batch.views for batch in batches])
    assert torch.equal(views[:, 0], centre_views(torch.from_numpy(store.read(rows)), 16))
    assert views.shape[1] == 1


def test_the_views_are_those_drawn_for_seed_and_epoch(loader: Loader, store: FrameStore) -> None:
    draws = generator("views", 3, 2)
    for batch in loader.train(np.arange(32), seed=3, epoch=2):
        draw = draw_views(16, store.size, loader.views, draws)
        frames = torch.from_numpy(store.read(batch.row.numpy()))
        assert torch.equal(batch.views.flatten(0, 1), cpu_views(frames.numpy(), draw, 16))
        assert float((batch.views.flatten(0, 1) - apply_views(frames, draw, 16)).abs().mean()) < 1 / 255


def test_the_next_batch_is_read_while_one_is_used(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    second, read = threading.Event(), FrameStore.read

    def noted(store: FrameStore, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        threads.append(threading.current_thread())
        if len(threads) == 2:
            second.set()
        return read(store, rows, out)

    monkeypatch.setattr(FrameStore, "read", noted)
    batches = loader.train(np.arange(32), seed=0, epoch=1)
    next(batches)
    assert second.wait(timeout=30)
    assert threading.main_thread() not in threads
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("score", [False, True])
def test_an_accelerator_gets_frames_and_makes_the_views(
    loader: Loader, score: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's meta device has shapes without values, which is enough to see who did what."""
    monkeypatch.setattr("data.loader.cpu_views", None)
    monkeypatch.setattr("data.loader.cpu_centre_views", None)
    there = replace(loader, device=torch.device("meta"))
    batches = list(there.score(np.arange(12)) if score else there.train(np.arange(16), seed=0, epoch=1))
    assert [batch.views.shape for batch in batches] == (
        [(8, 1, 3, 16, 16), (4, 1, 3, 16, 16)] if score else [(8, 2, 3, 16, 16)] * 2
    )
    assert {t.device.type for batch in batches for t in (batch.views, batch.labels, batch.coded)} == {"meta"}
    assert {batch.row.device.type for batch in batches} == {"cpu"}


def test_an_error_while_reading_reaches_the_consumer(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    read = FrameStore.read

    def fail_at_the_third(store: FrameStore, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        if 16 in rows:
            raise OSError("disk gone")
        return read(store, rows, out)

    monkeypatch.setattr(FrameStore, "read", fail_at_the_third)
    batches = loader.score(np.arange(32))
    assert rows_of([next(batches), next(batches)]) == list(range(16))
    with pytest.raises(OSError, match="disk gone"):
        next(batches)


def test_an_abandoned_epoch_leaves_no_thread(loader: Loader) -> None:
    before = threading.active_count()
    batches = loader.train(np.arange(32), seed=0, epoch=1)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_tiny_store_has_what_it_says(tmp_path: Path) -> None:
    store = tiny_store(tmp_path, subjects=2, frames=30, aus=(4,), seed=1)
    bright = store.read(np.arange(60))[..., 0].mean(axis=(1, 2)) > 100
    assert bright.tolist() == (store.labels((4,))[:, 0] == 1).tolist()


DOMAINS = np.repeat([0, 1, 2], [3, 9, 20])  # of the 32 rows of `store`


def test_a_balanced_loader_sees_as_many_frames_of_each_dataset(loader: Loader) -> None:
    fair = replace(loader, domains=DOMAINS, balanced=True, batch_size=6)
    batches = list(fair.train(np.arange(32), seed=0, epoch=1))
    assert len(batches) == fair.steps(np.arange(32)) == 5
    for batch in batches:
        assert batch.domain is not None
        assert batch.domain.tolist() == DOMAINS[batch.row.numpy()].tolist()
        assert np.bincount(batch.domain.numpy(), minlength=3).tolist() == [2, 2, 2]
    again, later = (rows_of(list(fair.train(np.arange(32), 0, epoch))) for epoch in (1, 2))
    assert rows_of(batches) == again != later


def test_a_dataset_comes_whole_before_any_of_it_comes_again() -> None:
    order = balanced_order(DOMAINS, numpy_generator("order"))
    assert len(order) == 32
    for domain, size in enumerate(np.bincount(DOMAINS)):
        mine = order[DOMAINS[order] == domain]
        assert abs(len(mine) - 32 / 3) < 1
        for start in range(0, len(mine), size):
            assert len({*mine[start : start + size]}) == len(mine[start : start + size])


def test_clips_are_balanced_by_their_dataset_and_a_limit_stays_one(loader: Loader) -> None:
    clips = np.arange(30)[:, None] + np.arange(3)
    domains = np.repeat([0, 1], [6, 28])[:33]
    fair = replace(loader, domains=domains, balanced=True, batch_size=6)
    order = fair.order(clips, numpy_generator("order"))
    assert np.bincount(domains[clips[order][:, 0]]).tolist() == [15, 15]
    assert fair.steps(clips, 12) == 2


def test_without_balance_datasets_come_as_they_are(loader: Loader) -> None:
    plain = replace(loader, domains=DOMAINS)
    batches = list(plain.train(np.arange(32), seed=0, epoch=1))
    assert rows_of(batches) == rows_of(list(loader.train(np.arange(32), seed=0, epoch=1)))
    assert [batch.domain is None for batch in batches] == [False] * 4
