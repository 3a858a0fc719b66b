"""The doctor's look at a store: there, whole, and still what its raw tree holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.build import build_store
from data.doctor.checks import Check
from data.doctor.stores import RENDERED, SAMPLED_VIDEOS, _sample, examine_store
from data.faces.align import Faces
from data.settings import StoreSettings
from tests.data.stores import precropped
from tests.data.trees import image_table, picture, video

SETTINGS = StoreSettings(16)


@pytest.fixture
def faces(tmp_path: Path) -> Faces:
    return precropped(image_table(tmp_path / "raw", ["F001", "F003"], 4))


def checks(faces: Faces, folder: Path, settings: StoreSettings = SETTINGS) -> dict[str, Check]:
    return {check.what: check for check in examine_store(faces, folder / "raw", folder / "stores", settings)}


def test_no_store_is_no_fault_and_none_is_built(faces: Faces, tmp_path: Path) -> None:
    (check,) = checks(faces, tmp_path).values()
    assert (check.verdict, check.found) == ("note", "not built yet")
    assert not (tmp_path / "stores").exists()


@pytest.mark.parametrize("cropped", [False, True])
@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_a_fresh_store_passes(codec: str, cropped: bool, faces: Faces, tmp_path: Path) -> None:
    if cropped:  # differently in every frame, of more frames than are rendered again
        faces = precropped(image_table(tmp_path / "raw", ["F001", "F003"], RENDERED))
        shifts = np.arange(len(faces.table)) / 8
        crops = [[[8, 0, shift], [0, 8, shift]] for shift in shifts]
        faces = replace(faces, crops=np.array(crops, np.float32))
    settings = StoreSettings(16, codec)
    build_store(faces, tmp_path / "raw", tmp_path / "stores", settings)
    found = checks(faces, tmp_path, settings)
    assert {check.verdict for check in found.values()} == {"ok"}
    assert len(found) == 4


def test_a_store_of_other_labels_is_named(faces: Faces, tmp_path: Path) -> None:
    store = build_store(faces, tmp_path / "raw", tmp_path / "stores", SETTINGS)
    relabelled = replace(faces, table=faces.table.with_columns(au_1=1 - pl.col("au_1")))
    (check,) = checks(relabelled, tmp_path).values()
    assert check.verdict == "note"
    assert store.path.name in check.found


def test_a_changed_picture_is_seen_twice(faces: Faces, tmp_path: Path) -> None:
    build_store(faces, tmp_path / "raw", tmp_path / "stores", SETTINGS)
    changed = faces.table.row(5, named=True)
    picture(tmp_path / "raw" / changed["path"], seed=99)
    found = checks(faces, tmp_path)
    assert found["source files"].verdict == "wrong"
    assert changed["path"] in found["source files"].found
    assert found[f"pixels of {RENDERED} frames"].verdict == "wrong"
    assert (
        f"{changed['subject']}/{changed['sequence']} {changed['frame']}" in found[f"pixels of {RENDERED} frames"].found
    )


def test_a_damaged_store_is_wrong(faces: Faces, tmp_path: Path) -> None:
    store = build_store(faces, tmp_path / "raw", tmp_path / "stores", SETTINGS)
    (store.path / "store.json").write_text("{}")
    (check,) = checks(faces, tmp_path).values()
    assert check.verdict == "wrong"
    assert "rebuild=true" in check.advice


def test_few_videos_are_decoded(tmp_path: Path) -> None:
    table = image_table(tmp_path, [f"F{n:03d}" for n in range(8)], 12)
    videos = table.with_columns(path=pl.col("subject"), index=pl.col("frame") - 1)
    assert len(set(videos["path"][_sample(videos)])) == SAMPLED_VIDEOS
    for rows in (_sample(table), _sample(videos)):
        assert len(rows) == len({*rows.tolist()}) == RENDERED
        assert (np.diff(rows) > 0).all()
    assert len(set(table["subject"][_sample(table)])) > SAMPLED_VIDEOS


def test_frames_of_videos_are_rendered_again(faces: Faces, tmp_path: Path) -> None:
    video(tmp_path / "raw" / "v.avi", 8)
    table = faces.table.with_columns(path=pl.lit("v.avi"), index=pl.int_range(8, dtype=pl.Int32))
    filmed = replace(faces, table=table)
    build_store(filmed, tmp_path / "raw", tmp_path / "stores", SETTINGS)
    assert checks(filmed, tmp_path)[f"pixels of {RENDERED} frames"].verdict == "ok"
