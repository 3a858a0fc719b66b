"""What becomes of a damaged raw tree: the whole way from the files to a frame store, compared with the undamaged."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.build import build_store
from data.catalog import read_dataset
from data.errors import InputError
from data.faces.align import locate
from data.frames import KEY
from data.settings import AlignSettings, StoreSettings
from data.store import FrameStore
from data.synthetic import write_tree
from tests.data.faults import FAULTS

SIZE = 24


@dataclass(frozen=True)
class Stored:
    """A tree, its store, the frames that are not in it, and what the reader and the aligner remarked."""

    root: Path
    layout: str
    scene: bool
    store: FrameStore
    excluded: pl.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """`refused`, or what the store of a damaged tree says of the frames of the undamaged one."""

    refused: str  # the error, empty if a store was built
    kept: int = 0
    uncoded: int = 0  # kept, but some label is no longer coded
    counted: int = 0  # left out with a reason
    lost: int = 0  # gone without a word about this frame
    wrong: int = 0  # with other labels or pixels, or new
    notes: tuple[str, ...] = ()  # remarks that the undamaged tree does not get

    @property
    def text(self) -> str:
        """One line for a table."""
        if self.refused:
            return self.refused
        facts = {"kept": self.kept, "left out with a reason": self.counted, "not coded any more": self.uncoded}
        numbers = ", ".join(f"{count} {what}" for what, count in facts.items() if count)
        return ". ".join([f"frames: {numbers}", *self.notes])


def needed(fault: str, layout: str) -> tuple[str, bool]:
    """The variant of `layout` in which `fault` can be done, and whether it needs a scene."""
    needs = FAULTS[fault].needs
    if needs == "lists" or (needs == "images" and layout == "disfa"):
        return "lists", False
    return ("videos" if needs == "videos" and layout == "bp4d" else ""), needs == "landmarks"


def draw(folder: Path, layout: str, variant: str, scene: bool) -> Stored:
    """A small undamaged tree of the layout, stored."""
    root = folder / "raw"
    write_tree(layout, root, subjects=6, sequences=1, frames=12, size=32, variant=variant, scene=scene)
    return _stored(root, layout, scene)


def outcome(sound: Stored, fault: str, folder: Path) -> Outcome:
    """Do `fault` to a copy of an undamaged tree, store it, and compare the two frame by frame."""
    root = Path(shutil.copytree(sound.root, folder / "raw"))
    FAULTS[fault].apply(root, sound.layout)
    try:
        damaged = _stored(root, sound.layout, sound.scene)
    except InputError as error:
        return Outcome(str(error).replace(str(root), "<root>"))
    return _compared(sound, damaged)


def _stored(root: Path, layout: str, scene: bool) -> Stored:
    reading = read_dataset(layout, root, {})
    faces = locate(reading, root, AlignSettings("landmarks" if scene else "precropped"), root.parent / "cache")
    store = build_store(faces, root, root.parent / "stores", StoreSettings(SIZE), processes=1)
    return Stored(root, layout, scene, store, faces.excluded, (*reading.notes, *faces.notes))


def _compared(sound: Stored, damaged: Stored) -> Outcome:
    before, after = sound.store.table.with_row_index("was"), damaged.store.table.with_row_index("now")
    both = before.join(after, on=KEY, how="inner")
    was, now = both["was"].to_numpy(), both["now"].to_numpy()
    aus = [name for name in sound.store.table.columns if name.startswith("au_")]
    old, new = (stored.table[aus].fill_null(-1).to_numpy() for stored in (sound.store, damaged.store))
    changed = ((old[was] != new[now]) & (new[now] >= 0)).any(axis=1)
    repainted = (sound.store.read(was) != damaged.store.read(now)).any(axis=(1, 2, 3))
    uncoded = ((old[was] >= 0) & (new[now] < 0)).any(axis=1)
    gone = before.join(after, on=KEY, how="anti")
    counted = gone.join(damaged.excluded, on=KEY[1:], how="semi").height
    wrong = int((changed | repainted).sum())
    return Outcome(
        refused="",
        kept=both.height - wrong,
        uncoded=int(uncoded.sum()),
        counted=counted,
        lost=gone.height - counted,
        wrong=wrong + after.join(before, on=KEY, how="anti").height,
        notes=tuple(note for note in damaged.notes if note not in sound.notes),
    )
