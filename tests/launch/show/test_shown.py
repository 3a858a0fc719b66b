"""What a page shows of the frame store: labels by subject and fold, and pictures only of drawn faces unless asked."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from data.catalog import CATALOG
from data.store import FrameStore
from launch.show import page, shown
from study.records.store import StudyStore
from tests.data.stores import tiny_store
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


def test_a_frame_store_that_is_gone_or_another_adds_nothing(frames: FrameStore, tmp_path: Path) -> None:
    gone = begun(tmp_path / "gone", tmp_path / "nowhere")
    assert shown.frames_of(gone) is None
    assert page.materials(gone, True).labels is None
    other = begun(tmp_path / "other", frames.path)
    other.write_provenance({"frame store": "of another fingerprint"})
    assert shown.frames_of(other) is None
    other.write_provenance({"frame store": frames.fingerprint})
    assert shown.frames_of(other) is not None
