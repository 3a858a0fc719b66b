"""What the faults share: which files of a finished tree they damage, and how files are changed."""

from collections.abc import Callable
from pathlib import Path

from data.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".png")
_LABELS = {
    "bp4d": "**/AU_OCC/*.csv",
    "disfa": "*_[Ll]abels/SN*/*.txt",
    "gft": "labels/*.csv",
    "affwild2": "**/Train*_Set/*.txt",
}
_FIRST_COLUMN = {"disfa": 1, "affwild2": 0}  # of the labels; 1 where AU 1 follows the frame number


def images(root: Path) -> list[Path]:
    """Image files in the order of their folders and numbers."""
    found = [path for path in root.rglob("*") if path.suffix in IMAGE_SUFFIXES and path.stem.isdigit()]
    return sorted(found, key=lambda path: (path.parent, int(path.stem)))


def middle_image(root: Path) -> Path:
    """The image in the middle of the first sequence."""
    every = _some(images(root), "image")
    first = [path for path in every if path.parent == every[0].parent]
    return first[len(first) // 2]


def videos(root: Path) -> list[Path]:
    """Video files by name, those of the left camera first."""
    found = [path for path in root.rglob("*") if path.suffix.lower() == ".avi"]
    return _some(sorted(found, key=lambda path: ("right" in path.name.lower(), path)), "video")


def label_files(root: Path, layout: str) -> list[Path]:
    """Label files by name; those of the training part, where parts have folders of their own."""
    return _some(sorted(root.glob(_LABELS[layout])), "label file")


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Replace the lines of a text file."""
    replace_file(path, "".join(f"{line}\n" for line in change(path.read_text().splitlines())).encode())


def replace_file(path: Path, content: bytes) -> None:
    """Give the file other bytes, and leave files that are linked to it alone."""
    path.unlink()
    path.write_bytes(content)


def edit_middle_row(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Replace the cells of the row in the middle of a table."""

    def changed(lines: list[str]) -> list[str]:
        row = len(lines) // 2
        return [*lines[:row], ",".join(change(lines[row].split(","))), *lines[row + 1 :]]

    edit(path, changed)


def set_code(root: Path, layout: str, code: str) -> None:
    """Write `code` for the first AU in the middle of the first label file."""
    place = _FIRST_COLUMN.get(layout, 1)
    path = label_files(root, layout)[0]
    edit_middle_row(path, lambda cells: [*cells[:place], code, *cells[place + 1 :]])


def renumber(paths: list[Path], step: int) -> None:
    """Add `step` (positive) to the numbers that are the names of `paths`."""
    for path in sorted(paths, key=lambda path: int(path.stem), reverse=True):
        path.rename(path.with_name(f"{int(path.stem) + step:0{len(path.stem)}d}{path.suffix}"))


def _some(found: list[Path], what: str) -> list[Path]:
    if not found:
        raise InputError(f"this fault needs a tree with at least one {what}. Give more subjects or frames.")
    return found
