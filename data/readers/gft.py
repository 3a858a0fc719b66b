"""GFT: `labels/001A.csv` (header `frame,AU1,AU2,...`) and images `images/001A/<frame>.jpg`.

No public loader of the distributed files exists, so this layout is ours. `train_subjects.txt` and
`test_subjects.txt` in the root, one subject a line, give the official parts.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from data.aus import DATASET_AUS
from data.errors import InputError, raise_all
from data.frames import frame_table
from data.readers import _common as common

AUS = DATASET_AUS["gft"]
LISTS = {"train": "train_subjects.txt", "test": "test_subjects.txt"}


def read(root: Path, dataset: str = "gft", missing: Iterable[int] = (9,)) -> pl.DataFrame:
    """FrameTable of a GFT tree; codes in `missing` become null, any other than 0 and 1 is refused."""
    codes = _codes(missing)
    label_files, folders = _locate(root)
    tables, problems = common.gather(label_files, partial(_labels, codes=codes))
    raise_all(f"no label file of {common.printable(root)} can be read:", [] if tables else problems)
    images, ambiguous = common.numbered_images(root, ((p.name, p.name, p) for p in folders))
    rows, lacking = common.attach_images(pl.concat(tables), images)
    parts, wrong = _parts(root, [path.stem for path in label_files])
    raise_all(f"{common.printable(root)} cannot be read as {dataset}:", [*problems, *ambiguous, *lacking, *wrong])
    split = pl.col("subject").replace_strict(parts, default=None, return_dtype=pl.String)
    return frame_table(rows.with_columns(dataset=pl.lit(dataset), split=split), AUS)


def _codes(missing: object) -> dict[int, int | None]:
    codes: list[Any] = list(missing) if isinstance(missing, Iterable) and not isinstance(missing, str) else [missing]
    wrong = [code for code in codes if isinstance(code, bool) or not isinstance(code, int) or code in (0, 1)]
    if wrong:
        raise InputError(f"missing={missing!r}; allowed: a list of whole numbers other than 0 and 1, e.g. [9, 999]")
    return {0: 0, 1: 1, **dict.fromkeys(codes)}


def _locate(root: Path) -> tuple[list[Path], list[Path]]:
    labels, images = common.resolve(root, "labels"), common.resolve(root, "images")
    label_files = common.files(labels, (".csv",)) if labels else []
    folders = common.folders(images) if images else []
    if not label_files or not folders:
        found = " (found)" if label_files else ""
        raise common.not_found(root, (f"labels/001A.csv{found}", "images/001A/<frame>.jpg"))
    return label_files, folders


def _labels(path: Path, codes: dict[int, int | None]) -> pl.DataFrame:
    cells = common.read_cells(path)
    if cells.header[0].lower() != "frame":
        raise InputError(f"{cells.file}, header: the first column is {cells.header[0]!r}, expected 'frame'")
    frames = common.frame_numbers(cells)
    table = pl.DataFrame([frames, *common.labels(cells, common.au_positions(cells, AUS), codes)])
    return table.with_columns(subject=pl.lit(path.stem), sequence=pl.lit(path.stem))


def _parts(root: Path, subjects: list[str]) -> tuple[dict[str, str], list[str]]:
    lists = {part: _subjects(root / name) for part, name in LISTS.items()}
    if not any(lists.values()):
        return {}, []
    both = sorted(lists["train"] & lists["test"])
    none = sorted(set(subjects) - lists["train"] - lists["test"])
    problems = [f"subject {subject} is in both {' and '.join(LISTS.values())}" for subject in both]
    problems += [f"subject {subject} is in none of {' and '.join(LISTS.values())}" for subject in none]
    return {subject: part for part, members in lists.items() for subject in members}, problems


def _subjects(path: Path) -> set[str]:
    return {line for line in common.read_lines(path) if line} if path.is_file() else set()
