"""The raw trees of the four datasets, file by file as they are distributed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.synthetic.layouts import affwild2, bp4d, disfa, gft
from data.synthetic.layouts._files import Tick
from data.synthetic.layouts._shapes import Shape
from data.synthetic.recordings import Recording, TreePlan


@dataclass(frozen=True)
class Layout:
    """How the tree of a dataset is drawn, and the forms that it can have."""

    subjects: Callable[[], list[str]]  # every subject that there can be, in the order in which they are taken
    recordings: Callable[[TreePlan, list[str]], list[Recording]]
    shapes: Callable[[np.random.Generator], list[Shape]]  # of all recordings at full size
    write: Callable[[Path, list[Recording], Tick], None]
    variants: tuple[str, ...]
    scenes: tuple[str, ...] = ()  # variants whose pictures can show more than the face
    most_sequences: int | None = None  # of a subject
    size: int = 128  # pixels, where the size is left open
    full_size: int = 16


LAYOUTS: dict[str, Layout] = {
    "bp4d": Layout(
        bp4d.subjects,
        bp4d.recordings,
        bp4d.shapes,
        bp4d.write,
        ("", "plain", "fera", "videos", "lists", "jaa"),
        scenes=("", "plain", "fera", "videos"),
        most_sequences=bp4d.TASKS,
    ),
    "disfa": Layout(
        disfa.subjects,
        disfa.recordings,
        disfa.shapes,
        disfa.write,
        ("", "lists", "spellings"),
        scenes=("", "spellings"),
        full_size=32,
    ),
    "gft": Layout(gft.subjects, gft.recordings, gft.shapes, gft.write, tuple(gft.NOT_CODED)),
    "affwild2": Layout(
        affwild2.subjects, affwild2.recordings, affwild2.shapes, affwild2.write, tuple(affwild2.ANNOTATIONS), size=112
    ),
}
