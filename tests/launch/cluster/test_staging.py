"""The copy of a frame store on a node's own disk."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.store import FrameStore, named_store, open_store
from launch.cluster import staging
from launch.cluster.staging import StagedStore, Staging, placed
from study.records.config import Placement
from tests.data.stores import tiny_store


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    return tiny_store(tmp_path)


@pytest.fixture
def stage(store: FrameStore, scratch: Path) -> Iterator[Callable[[], StagedStore]]:
    """`stage()` is the node's copy for one more worker; all give it up at the end."""
    with ExitStack() as workers:

        def make() -> StagedStore:
            staged = StagedStore(store.path, scratch, silent)
            workers.callback(staged.release)
            return staged

        yield make


def silent(text: str) -> None:
    """Nobody is told."""


def never(source: Path, target: Path) -> None:
    pytest.fail(f"{source} is copied again")


def test_the_copy_is_the_store(store: FrameStore, scratch: Path) -> None:
    told: list[str] = []
    staged = StagedStore(store.path, scratch, told.append)
    copy = open_store(staged.copy)
    copy.verify()
    assert copy.fingerprint == store.fingerprint
    assert np.array_equal(copy.read(np.arange(len(copy))), store.read(np.arange(len(store))))
    assert staged.copy.is_relative_to(scratch)
    assert "GiB" in told[-1]
    staged.release()


def test_workers_of_a_node_share_it_and_the_last_one_removes_it(
    store: FrameStore, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = StagedStore(store.path, scratch, silent)
    monkeypatch.setattr(shutil, "copyfile", never)
    second = StagedStore(store.path, scratch, silent)
    assert first.copy == second.copy
    first.release()
    assert open_store(second.copy).fingerprint == store.fingerprint
    second.release()
    assert not second.copy.exists()


def test_a_copy_that_was_cut_short_is_made_again(
    store: FrameStore, scratch: Path, stage: Callable[[], StagedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Path] = []

    def killed(source: Path, target: Path) -> None:
        copied.append(target)
        if len(copied) > 2:
            raise KeyboardInterrupt
        target.write_bytes(source.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            StagedStore(store.path, scratch, silent)
    assert copied[0].exists()
    assert open_store(stage().copy).fingerprint == store.fingerprint


def test_a_copy_with_other_bytes_is_refused(store: FrameStore, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: Path, target: Path) -> None:
        content = source.read_bytes()
        target.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if source.suffix == ".bin" else content)

    monkeypatch.setattr(shutil, "copyfile", broken)
    with pytest.raises(InputError, match="damaged"):
        StagedStore(store.path, scratch, silent)


def test_a_full_disk_is_found_before_the_copy(
    store: FrameStore, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "SPARE", 2**60)
    monkeypatch.setattr(shutil, "copyfile", never)
    with pytest.raises(InputError, match=r"GiB free.*cluster\.scratch"):
        StagedStore(store.path, scratch, silent)


def test_other_stores_are_found_beside_the_copy(stage: Callable[[], StagedStore], tmp_path: Path) -> None:
    other = tiny_store(tmp_path, seed=1, dataset="disfa")
    assert named_store(stage().copy.parent, other.fingerprint).path.resolve() == other.path.resolve()


def test_only_trials_on_that_store_are_sent_to_the_copy(
    store: FrameStore, stage: Callable[[], StagedStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = Placement(store.path, tmp_path), Placement(tmp_path / "other", tmp_path)
    assert placed(here) == here
    staged = stage()
    for name, value in staged.environment.items():
        monkeypatch.setenv(name, value)
    assert placed(here).store == staged.copy
    assert placed(elsewhere) == elsewhere


def test_the_thread_says_what_went_wrong(tmp_path: Path, scratch: Path) -> None:
    thread = Staging(tmp_path / "nowhere", scratch)
    thread.join()
    assert thread.store is None
    assert "not a finished store" in thread.problem


def test_the_thread_gives_the_copy_up(store: FrameStore, scratch: Path) -> None:
    thread = Staging(store.path, scratch)
    thread.join()
    assert thread.store is not None
    copy = thread.store.copy
    assert copy.exists()
    thread.release()
    assert not copy.exists()
