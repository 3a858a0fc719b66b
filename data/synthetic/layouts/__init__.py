"""The raw trees of the four datasets, file by file as they are distributed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.folds import PARTS
from data.synthetic.layouts import affwild2, bp4d, disfa, gft
from data.synthetic.layouts._files import Tick
from data.synthetic.recordings import Plan, Recording


@dataclass(frozen=True)
class Layout:
    """The recordings of a plan for some subjects, the writer of their tree, and the forms that it can have."""

    recordings: Callable[[Plan, list[str]], list[Recording]]
    write: Callable[[Path, list[Recording], Tick], None]
    variants: tuple[str, ...]
    scenes: tuple[str, ...] = ()  # variants whose pictures can show more than the face


LAYOUTS: dict[str, Layout] = {
    "bp4d": Layout(
        bp4d.recordings,
        bp4d.write,
        ("", "plain", "fera", "videos", "lists", "jaa"),
        scenes=("", "plain", "fera", "videos"),
    ),
    "disfa": Layout(disfa.recordings, disfa.write, ("", "lists", "spellings"), scenes=("", "spellings")),
    "gft": Layout(gft.recordings, gft.write, tuple(gft.UNCODED)),
    "affwild2": Layout(affwild2.recordings, affwild2.write, tuple(affwild2.ANNOTATIONS)),
}
AFFWILD2_VIDEOS = 541


def subject_ids(layout: str) -> list[str]:
    """Every subject that `layout` can have, in the order in which they are taken."""
    return {"bp4d": _interleave("bp4d"), "disfa": _interleave("disfa"), "gft": _gft_ids(),
            "affwild2": list(_affwild2_ids(AFFWILD2_VIDEOS))}[layout]  # fmt: skip


def _interleave(dataset: str) -> list[str]:
    """Subjects of the published parts in turn, so that the first n of them cover all parts evenly."""
    columns = PARTS[dataset].values()
    longest = max(len(column) for column in columns)
    return [column[row] for row in range(longest) for column in columns if row < len(column)]


def _gft_ids() -> list[str]:
    return [f"{group:03d}{seat}" for group in range(1, 33) for seat in "ABC"]


def _affwild2_ids(count: int) -> Iterator[str]:
    for index in range(count):
        pair, place = divmod(index, 6)
        suffix = {4: "_left", 5: "_right"}.get(place, "")
        number = 10 * pair + min(place, 4) + 1
        yield f"video{number}{suffix}" if place % 2 == 0 or suffix else f"{number}-30-1280x720"
