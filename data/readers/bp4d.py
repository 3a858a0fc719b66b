"""BP4D: `AUCoding/AU_OCC/F001_T1.csv`, `AUCoding/AU_INT/AU06/F001_T1_AU06.csv`, and images or videos.

The header of an occurrence file gives AU numbers, its first column the frame. Codes: 0, 1, 9 (not coded). Its last
column is an occlusion flag (1: occluded) where the header of that column is a number beyond the AUs that are used
(above 24) or says "occlu..."; OpenFace takes the last column for it whatever its header.
Intensity files have no header and lines `frame,intensity`: 0 to 5, 9 (not coded).
"""

import re
from functools import partial
from pathlib import Path

import polars as pl

from data.aus import intensity_column
from data.dataset import Dataset
from data.errors import InputError, raise_all
from data.frames import Reading, excluded_frames, frame_table
from data.readers import _bp4d_frames as frames
from data.readers import _common as common

INTENSITY_AUS = (6, 10, 12, 14, 17)
_CODES = {0: 0, 1: 1, 9: None}
_LEVELS = {**{level: level for level in range(6)}, 9: None}
BP4D_LABELS = (r"AUCoding/AU_OCC", r"AU_OCC", r"(BP4D-)?AUCoding")
INTENSITY_FOLDERS = (r"AUCoding/AU_INT", r"AU_INT", r"AU Intensity Codes.*", r"AUCoding/AU Intensity Codes.*")
_KEY = ["subject", "sequence", "frame"]
_NAME = re.compile(r"([FM][0-9]{3})_(T[0-9]+)", re.IGNORECASE)
_LEVEL_NAME = re.compile(r"([FM][0-9]{3})_(T[0-9]+)_AU0*([0-9]+)", re.IGNORECASE)
# columns are named by AU: those beyond 24 are free, and copies keep the flag in one of them
_FLAG = re.compile(r"(?:au)?_?0*(2[5-9]|[3-9][0-9]|[1-9][0-9]{2,})|.*occlu.*", re.IGNORECASE)


def read(root: Path, row: Dataset, image_offset: int = -1, drop_occluded: bool = False) -> Reading:
    """Frames of a BP4D tree; the image of label frame n is number n + `image_offset`.

    Labels count from 1. Images as distributed count from 0 (-1); renamed copies often count from 1 (0). An offset
    that the image files contradict is refused. `drop_occluded` leaves out the frames that are flagged as occluded.
    """
    _check(image_offset, drop_occluded)
    label_files, notes = _label_files(root)
    tables, problems = common.read_all(label_files, partial(_labels, aus=row.aus, drop_occluded=drop_occluded))
    raise_all(f"no label file of {common.printable(root)} can be read:", [] if tables else problems)
    coded = pl.concat(tables)
    located = frames.locate_frames(root, coded, image_offset)
    rows, more, wrong = _with_intensities(root, located.rows)
    raise_all(
        f"{common.printable(root)} cannot be read as {row.name}{located.hint}:", [*problems, *located.problems, *wrong]
    )
    kept, excluded, flagged = _occluded(rows, drop_occluded)
    table = frame_table(kept.with_columns(dataset=pl.lit(row.name)), row.aus)
    return Reading(table, excluded, (*notes, *located.notes, *more, *flagged))


def _check(image_offset: object, drop_occluded: object) -> None:
    if isinstance(image_offset, bool) or not isinstance(image_offset, int):
        raise InputError(f"image_offset={image_offset!r}; allowed: a whole number, e.g. -1 or 0")
    if not isinstance(drop_occluded, bool):
        raise InputError(f"drop_occluded={drop_occluded!r}; allowed: true, false")


def _label_files(root: Path) -> tuple[list[Path], list[str]]:
    # the next choice where a folder of this name holds no table: AUCoding itself holds folders in most copies
    for choice in BP4D_LABELS:
        folder = common.resolve(root, choice)
        names = common.names(folder, (".csv",)) if folder else None
        if folder and names and names.found:
            return [folder / name for name in names.found], names.notes(folder.name)
    raise frames.frames_not_found(root, labels_found=False)


def _labels(path: Path, aus: tuple[int, ...], drop_occluded: bool) -> pl.DataFrame:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise InputError(f"{path.parent.name}/{path.name}: the name is not <subject>_<task>.csv, e.g. F001_T1.csv")
    cells = common.read_cells(path)
    numbers = common.frame_numbers(cells)
    labels = common.labels(cells, common.au_positions(cells, aus), _CODES)
    table = pl.DataFrame([numbers, *labels, _occlusion(cells, drop_occluded)])
    return table.with_columns(subject=pl.lit(match[1].upper()), sequence=pl.lit(match[2].upper()))


def _occlusion(cells: common.Cells, drop_occluded: bool) -> pl.Series:
    """1 occluded, 0 not; codes are checked only where frames are dropped by them."""
    last = len(cells.header) - 1
    flag = _FLAG.fullmatch(cells.header[last])
    if drop_occluded and not flag:
        raise InputError(
            f"{cells.file}, header: the last column, {cells.header[last]!r}, is no occlusion flag; "
            "give dataset.options.drop_occluded=false"
        )
    if drop_occluded:
        return common.coded(cells, last, _CODES).fill_null(0).alias("occluded")
    # the flag is only counted here, so that an odd code in it is no error
    codes = common.numbers(cells, last) if flag else pl.zeros(cells.rows.height, eager=True)
    return (codes == 1).fill_null(False).cast(pl.Int8).alias("occluded")


def _occluded(rows: pl.DataFrame, drop_occluded: bool) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    flagged = rows.filter(pl.col("occluded") == 1)
    if drop_occluded:
        return rows.filter(pl.col("occluded") == 0), excluded_frames(flagged, "occluded"), []
    note = (
        f"{flagged.height} frames are flagged as occluded (1 in the last column of their label file) and are kept; "
        "dataset.options.drop_occluded=true leaves them out"
    )
    return rows, excluded_frames(flagged.clear(), "occluded"), [note] if flagged.height else []


def _with_intensities(root: Path, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str], list[str]]:
    """`rows` with an intensity column for each AU that has a folder; notes and problems."""
    base = common.resolve(root, *INTENSITY_FOLDERS)
    notes: list[str] = []
    problems: list[str] = []
    if base is None:
        return rows, notes, problems
    sequences = set(rows.select("subject", "sequence").unique().iter_rows())
    for au in INTENSITY_AUS:
        folder = common.resolve(base, rf"AU0*{au}")
        if folder is None:
            continue
        paths, wrong = _intensity_files(folder, au, sequences)
        tables, more = common.read_all(paths.values(), partial(_intensities, au=au))
        problems += [*wrong, *more]
        if tables:
            rows = rows.join(pl.concat(tables), on=_KEY, how="left", maintain_order="left")
        if missing := sorted("_".join(key) for key in sequences - set(paths)):
            notes.append(f"{base.name}/{folder.name} has no file of {common.listed(missing)}")
    return rows, notes, problems


def _intensity_files(
    folder: Path, au: int, sequences: set[tuple[str, str]]
) -> tuple[dict[tuple[str, str], Path], list[str]]:
    paths: dict[tuple[str, str], Path] = {}
    problems = []
    for path in common.files(folder, (".csv",)):
        match = _LEVEL_NAME.fullmatch(path.stem)
        key = (match[1].upper(), match[2].upper()) if match else ("", "")
        if not match or int(match[3]) != au:
            problems.append(f"{folder.name}/{path.name}: the name is not <subject>_<task>_{folder.name}.csv")
        elif key in paths:
            problems.append(f"{folder.name}: {paths[key].name} and {path.name} are of the same sequence")
        elif key in sequences:  # intensities without occurrence labels are of no use
            paths[key] = path
    return paths, problems


def _intensities(path: Path, au: int) -> pl.DataFrame:
    cells = common.read_cells(path, header=("frame", "intensity"))
    match = _LEVEL_NAME.fullmatch(path.stem)
    assert match
    table = pl.DataFrame([common.frame_numbers(cells), common.coded(cells, 1, _LEVELS).alias(intensity_column(au))])
    return table.with_columns(subject=pl.lit(match[1].upper()), sequence=pl.lit(match[2].upper()))
