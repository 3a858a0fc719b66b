"""What a page shows of the frame store: labels by subject and fold, and pictures only of drawn faces unless asked."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from data.catalog import CATALOG
from data.store import FrameStore
from launch.show import page, shown
from launch.show.snapshot import take_snapshot
from study.records.latest_work import LatestWork
from study.records.store import StudyStore
from tests.data.stores import tiny_store
from tests.study.make import result, trial
from tests.study.specs import search_spec


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("shown") / "store", unknown=0.3)


@pytest.fixture
def store(frames: FrameStore, tmp_path: Path) -> StudyStore:
    return begun(tmp_path / "study", frames.path)


def begun(folder: Path, frames: Path) -> StudyStore:
    study = StudyStore(folder)
    data = {"fold_scheme": "random3", "val_share": 0.5, "fold_seed": 0}
    study.open_study(search_spec(folder.name, store=str(frames), config={"data": data}), free=())
    return study


def test_labels_are_those_of_the_frames(frames: FrameStore, store: StudyStore) -> None:
    labels = shown.labels_of(frames, store)
    assert labels is not None
    assert labels.select("subject", "au").is_duplicated().sum() == 0
    assert set(labels["subject"]) == set(frames.table["subject"])
    for row in labels.iter_rows(named=True):
        mine = frames.table.filter(pl.col("subject") == row["subject"])[f"au_{row['au']}"].to_list()
        known = [label for label in mine if label is not None]
        assert (row["frames"], row["coded"], row["active"]) == (len(mine), len(known), sum(known))
    assert (
        labels.group_by("subject").agg(pl.col("fold").n_unique())["fold"].to_list()
        == [1] * labels["subject"].n_unique()
    )


def test_pictures_of_people_are_shown_only_when_asked_for(frames: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(frames.table["dataset"][0])
    assert not CATALOG[name].images_are_free
    assert shown.sheets_of(frames, None) == shown.sheets_of(frames, False) == ()
    ((title, _, png),) = shown.sheets_of(frames, True)
    assert png.startswith(b"\x89PNG")
    assert name in title
    monkeypatch.setitem(CATALOG, name, replace(CATALOG[name], images_are_free=True))
    assert len(shown.sheets_of(frames, None)) == 1
    assert shown.sheets_of(frames, False) == ()


def test_a_frame_store_that_is_gone_or_another_is_said(frames: FrameStore, tmp_path: Path) -> None:
    gone = begun(tmp_path / "gone", tmp_path / "nowhere")
    found = page.materials(gone, True)
    assert found.labels is None
    assert f"{tmp_path / 'nowhere'} of gone is missing" in found.left_out[0]
    other = begun(tmp_path / "other", frames.path)
    other.write_work(LatestWork())
    other.write_provenance({"frame store": "of another fingerprint"})
    assert "the study is on of another fingerprint" in page.materials(other, True).left_out[0]
    other.write_provenance({"frame store": frames.fingerprint})
    found = page.materials(other, True)
    assert found.labels is not None
    assert found.left_out == ()


def test_a_damaged_frame_store_is_named(tmp_path: Path) -> None:
    frames = tiny_store(tmp_path / "store")
    store = begun(tmp_path / "study", frames.path)
    (shard,) = frames.path.glob("shards/*.bin")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert "(00000.bin) have a wrong checksum" in page.materials(store, True).left_out[0]
    shard.unlink()
    assert f"{frames.path} is damaged" in page.materials(store, None).left_out[0]


def test_conflicted_copies_are_named_and_not_read(store: StudyStore) -> None:
    store.write(result(trial()))
    content = store.result_path(trial().key).read_bytes()
    names = [f"{trial().key} (conflicted copy).json", f"{trial().key}.sync-conflict-20260101-1-A.json"]
    for name in names:
        (store.root / "trials" / name).write_bytes(content)
    (store.root / "study (1).json").write_bytes((store.root / "study.json").read_bytes())
    assert [one.key for one in store.outcomes()] == [trial().key]
    lines = page.left_out_lines(store)
    assert len(lines) == 3
    for name in (*names, "study (1).json"):
        assert any(name in line for line in lines)
        assert any(name in line for line in take_snapshot(store).left_out)
