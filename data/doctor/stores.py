"""Whether a frame store still shows the frames of its raw tree."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from data.build import build_store
from data.doctor.checks import Check
from data.errors import InputError, raise_all
from data.faces.align import Faces
from data.same_people import twin_lines
from data.seeds import numpy_generator
from data.settings import StoreSettings
from data.shards import BUILD_AGAIN
from data.store import FrameStore, open_store, store_path, stores_of

TWO_NAMES = "is this one person? Then give one name to both in the raw tree, or remove one of them:"
RENDERED, SAMPLED_VIDEOS = 32, 3  # frames that are rendered again, from at most this many videos


def examine_store(faces: Faces, root: Path, folder: Path, settings: StoreSettings) -> Iterator[Check]:
    """The frame store below `folder`, if there is one: whether it is of these frames and still shows them."""
    path = store_path(faces, folder, settings)
    if not path.is_dir():
        name = faces.table["dataset"][0]
        others = [other.name for other in stores_of(folder, name, settings.size)]
        found = f"of other labels, faces or settings: {', '.join(others)}" if others else "not built yet"
        yield Check("frame store", path.name, found, "note", "the same command without doctor=true builds it")
        return
    try:
        store = open_store(path)
    except InputError as error:
        yield Check(
            "frame store",
            path.name,
            str(error),
            "wrong",
            BUILD_AGAIN,
        )
        return
    yield Check("frame store", path.name, path.name, "ok")
    yield _tried("source files", "unchanged", lambda: store.check_sources(root))
    yield _tried(f"pixels of {RENDERED} frames", "as rendered now", lambda: _check_pixels(store, faces, root))
    yield _tried("people", "one name each", lambda: raise_all(TWO_NAMES, twin_lines(store)))


def _tried(what: str, wanted: str, check: Callable[[], None]) -> Check:
    try:
        check()
    except InputError as error:
        return Check(what, wanted, str(error), "wrong", BUILD_AGAIN)
    return Check(what, wanted, wanted, "ok")


def _check_pixels(store: FrameStore, faces: Faces, root: Path) -> None:
    """Build a small store of a sample of the frames, and compare it with the one that is there."""
    rows = _sample(faces.table)
    crops = None if faces.crops is None else faces.crops[rows]
    few = replace(faces, table=faces.table[rows], crops=crops)
    # by the same code that builds stores, so that any change of it is found
    with tempfile.TemporaryDirectory() as folder:
        now = build_store(few, root, Path(folder), store.settings, processes=1).read(np.arange(len(rows)))
    differ = (now != store.read(rows)).any((1, 2, 3))
    places = faces.table[rows[differ]].select("subject", "sequence", "frame").iter_rows()
    raise_all("pixels differ:", [f"{subject}/{sequence} {frame}" for subject, sequence, frame in places], limit=6)


def _sample(table: pl.DataFrame) -> np.ndarray:
    """Random rows, ascending; from a few sequences where these are videos, which are decoded from their beginning."""
    rng = numpy_generator("doctor")
    rows = np.arange(table.height)
    if table["index"].is_not_null().any():
        # a random frame of every video would decode all of them
        paths = table["path"].unique().sort().to_list()
        chosen = [paths[i] for i in rng.permutation(len(paths))[:SAMPLED_VIDEOS]]
        rows = rows[table["path"].is_in(chosen).to_numpy()]
    return np.sort(rng.permutation(rows)[:RENDERED])
