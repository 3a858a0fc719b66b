"""GFT: `labels/001A.csv` (header `frame,AU1,AU2,...`) and images `images/001A/<frame>.jpg`.

There is no public loader of the distributed files, so this layout is our choice. `train_subjects.txt` and
`test_subjects.txt` in the root, one subject a line, give the official parts.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from data.dataset import Dataset
from data.errors import InputError, raise_all
from data.frames import Reading, frame_table
from data.readers import _common as common
from data.readers._images import attach_images, missing_images, numbered_images

LISTS = {"train": "train_subjects.txt", "test": "test_subjects.txt"}


def read(root: Path, row: Dataset, missing: Iterable[int] = (9,)) -> Reading:
    """Frames of a GFT tree; codes in `missing` become null, any other than 0 and 1 is refused."""
    codes = _codes(missing)
    label_files, folders, notes = _locate(root)
    tables, problems = common.read_all(label_files, partial(_labels, aus=row.aus, codes=codes))
    raise_all(f"no label file of {common.printable(root)} can be read:", [] if tables else problems)
    images = numbered_images(root, ((p.name, p.name, p) for p in folders))
    rows = attach_images(pl.concat(tables), images.table)
    parts, wrong, more = _parts(root, [path.stem for path in label_files])
    problems += [*images.problems, *missing_images(rows), *wrong]
    raise_all(f"{common.printable(root)} cannot be read as {row.name}:", problems)
    split = pl.col("subject").replace_strict(parts, default=None, return_dtype=pl.String)
    table = frame_table(rows.with_columns(dataset=pl.lit(row.name), split=split), row.aus)
    return Reading(table, notes=(*notes, *images.notes, *more))


def _codes(missing: object) -> dict[int, int | None]:
    # 9, 999 and -999 are all reported as the code of a missing label, so that it is an option
    codes: list[Any] = list(missing) if isinstance(missing, Iterable) and not isinstance(missing, str) else [missing]
    wrong = [code for code in codes if isinstance(code, bool) or not isinstance(code, int) or code in (0, 1)]
    if wrong:
        raise InputError(f"missing={missing!r}; allowed: a list of whole numbers other than 0 and 1, e.g. [9, 999]")
    return {0: 0, 1: 1, **dict.fromkeys(codes)}


def _locate(root: Path) -> tuple[list[Path], list[Path], list[str]]:
    """Label files, folders of images, and notes."""
    labels, images = common.resolve(root, "labels"), common.resolve(root, "images")
    names = common.names(labels, (".csv",)) if labels else None
    folders = common.folders(images) if images else []
    if not labels or not names or not names.found or not folders:
        found = " (found)" if names and names.found else ""
        raise common.not_found(root, (f"labels/001A.csv{found}", "images/001A/<frame>.jpg"))
    return [labels / name for name in names.found], folders, names.notes(labels.name)


def _labels(path: Path, aus: tuple[int, ...], codes: dict[int, int | None]) -> pl.DataFrame:
    cells = common.read_cells(path)
    if cells.header[0].lower() != "frame":
        raise InputError(f"{cells.file}, header: the first column is {cells.header[0]!r}, expected 'frame'")
    frames = common.frame_numbers(cells)
    table = pl.DataFrame([frames, *common.labels(cells, common.au_positions(cells, aus), codes)])
    return table.with_columns(subject=pl.lit(path.stem), sequence=pl.lit(path.stem))


def _parts(root: Path, subjects: list[str]) -> tuple[dict[str, str], list[str], list[str]]:
    """The official part of each subject; problems; notes."""
    lists = {part: _subjects(root / name) for part, name in LISTS.items()}
    names = " and ".join(LISTS.values())
    if not any(lists.values()):
        return {}, [], [f"{names} are missing or empty, so the official parts are not known"]
    listed = lists["train"] | lists["test"]
    problems = [f"subject {subject} is in both {names}" for subject in sorted(lists["train"] & lists["test"])]
    problems += [f"subject {subject} is in none of {names}" for subject in sorted(set(subjects) - listed)]
    # a smaller copy may be used, but a subject in two parts or in none is an error
    absent = sorted(listed - set(subjects))
    notes = [f"subjects of the official parts without labels: {common.listed(absent)}"] if absent else []
    return {subject: part for part, members in lists.items() for subject in members}, problems, notes


def _subjects(path: Path) -> set[str]:
    return {line for line in common.read_lines(path) if line} if path.is_file() else set()
