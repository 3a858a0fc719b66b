"""Drawn frames are known as drawn, whatever the dataset is called; and old stores keep their name."""

import json
import shutil
from pathlib import Path

import pytest

from data.build import build_store
from data.catalog import read_dataset
from data.checked import json_object
from data.drawn import DRAWN_RECORD, is_drawn
from data.faces.align import locate
from data.settings import AlignSettings, StoreSettings
from data.store import FrameStore, open_store
from tests.conftest import TreeMaker


def built(dataset: str, tree: Path, folder: Path) -> FrameStore:
    faces = locate(read_dataset(dataset, tree, {}), tree, AlignSettings("precropped"), folder / "faces")
    return build_store(faces, tree, folder, StoreSettings(size=32), processes=1)


@pytest.mark.parametrize("dataset", ["bp4d", "disfa", "gft"])
def test_a_store_of_a_drawn_tree_says_so(dataset: str, trees: TreeMaker, tmp_path: Path) -> None:
    assert is_drawn(trees(dataset))
    assert built(dataset, trees(dataset), tmp_path).drawn is True


def test_a_tree_without_the_mark_is_real_and_has_the_same_fingerprint(copied_tree: TreeMaker, tmp_path: Path) -> None:
    tree = copied_tree("disfa")
    drawn = built("disfa", tree, tmp_path / "drawn")
    (tree / DRAWN_RECORD).unlink()
    real = built("disfa", tree, tmp_path / "real")
    assert (drawn.drawn, real.drawn) == (True, False)
    assert drawn.fingerprint == real.fingerprint, "the trials of a former store keep their frames"


def test_a_store_that_was_built_before_does_not_know(trees: TreeMaker, tmp_path: Path) -> None:
    store = built("disfa", trees("disfa"), tmp_path)
    old = Path(shutil.copytree(store.path, tmp_path / "old" / store.path.name))
    facts = json_object((old / "store.json").read_bytes(), "store.json")
    del facts["drawn"]
    (old / "store.json").write_text(json.dumps(facts))
    assert open_store(old).drawn is None
