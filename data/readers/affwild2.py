"""Aff-Wild2: `AU_Detection_Challenge/Train_Set/<video>.txt` and crops `cropped_aligned/<video>/00001.jpg`.

Row r of a label file (from 0, after the header) is crop r + 1. Codes: 0, 1, -1 (not coded). Frames without
a detected face have no crop and are left out. A video is a subject, as are `_left` and `_right` of it.
"""

import logging
import re
from collections import Counter
from functools import partial
from pathlib import Path

import polars as pl

from data.errors import InputError, raise_all
from data.frames import aus_of, frame_table
from data.readers import _common as common

log = logging.getLogger(__name__)

CODES = {0: 0, 1: 1, -1: None}
SETS = {"train": re.compile(r"train(ing)?_set", re.I), "val": re.compile(r"validation_set", re.I)}
_ANNOTATIONS = re.compile(r"AU_Detection_Challenge|AU_Set", re.IGNORECASE)
_CROPS = re.compile(r"cropped_aligned", re.IGNORECASE)
_IMAGE_FOLDERS = re.compile(r"cropped.*|batch[0-9]+|videos?", re.IGNORECASE)
_AU = re.compile(r"AU[0-9]{1,2}", re.IGNORECASE)
DEPTH = 3


def read(root: Path, dataset: str = "affwild2") -> pl.DataFrame:
    """FrameTable of an Aff-Wild2 tree, with the AUs that the headers of its label files name."""
    annotations, crops = _locate(root)
    tables, problems = [], []
    for split, folder in annotations:
        found, more = common.gather(common.files(folder, (".txt",)), partial(_labels, split=split))
        tables += found
        problems += more
    problems += _disagreements(tables)
    images, lacking = _crops(root, [table["subject"][0] for table in tables], crops)
    raise_all(f"{common.printable(root)} cannot be read as {dataset}:", [*problems, *lacking])
    return frame_table(_cropped(pl.concat(tables), images, dataset), aus_of(tables[0]))


def _locate(root: Path) -> tuple[list[tuple[str, Path]], list[Path]]:
    below = _below(root, DEPTH)
    annotations = [folder for folder in below if _ANNOTATIONS.fullmatch(folder.name)]
    sets = [(split, path) for folder in annotations for split, path in _sets(folder)]
    crops = [folder for folder in below if _CROPS.fullmatch(folder.name)]
    if not crops or not any(common.files(path, (".txt",)) for _, path in sets):
        raise common.not_found(
            root,
            (
                ".../AU_Detection_Challenge/Train_Set/<video>.txt (and Validation_Set)",
                "annotations/AU_Set/Training_Set/<video>.txt (and Validation_Set)",
                "cropped_aligned/<video>/00001.jpg",
            ),
        )
    if len(annotations) > 1:
        names = ", ".join(folder.relative_to(root).as_posix() for folder in annotations)
        raise InputError(
            f"{common.printable(root)} has more than one set of annotations: {names}. Keep one of them below it."
        )
    return sets, crops


def _below(folder: Path, depth: int) -> list[Path]:
    found = []
    for path in common.folders(folder):
        found.append(path)
        if depth > 1 and not _IMAGE_FOLDERS.fullmatch(path.name):
            found += _below(path, depth - 1)
    return found


def _sets(annotations: Path) -> list[tuple[str, Path]]:
    return [
        (split, path)
        for path in common.folders(annotations)
        for split, name in SETS.items()
        if name.fullmatch(path.name)
    ]


def _labels(path: Path, split: str) -> pl.DataFrame:
    cells = common.read_cells(path)
    unnamed = [name for name in cells.header if not _AU.fullmatch(name)]
    if unnamed:
        raise InputError(f"{cells.file}, header: {unnamed[0]!r} names no AU, expected e.g. AU1,AU2,AU4")
    aus = sorted(set(common.header_aus(cells.header)))
    labels = common.labels(cells, common.au_positions(cells, aus, first=0), CODES)
    video = pl.lit(path.stem)
    rows = cells.rows.select(frame=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    return rows.with_columns(*labels, subject=video, sequence=video, split=pl.lit(split))


def _disagreements(tables: list[pl.DataFrame]) -> list[str]:
    if not tables:
        return []
    aus = aus_of(tables[0])
    problems = [
        f"{table['subject'][0]}.txt codes AU {aus_of(table)}, but {tables[0]['subject'][0]}.txt codes {aus}"
        for table in tables
        if aus_of(table) != aus
    ]
    times = Counter(table["subject"][0] for table in tables)
    return problems + [f"{video} is in the training and the validation set" for video in times if times[video] > 1]


def _crops(root: Path, videos: list[str], crops: list[Path]) -> tuple[pl.DataFrame, list[str]]:
    folders = [(video, next((c / video for c in crops if (c / video).is_dir()), None)) for video in videos]
    images, problems = common.numbered_images(root, ((v, v, folder) for v, folder in folders if folder))
    problems += [f"{video}: no folder {crops[0].name}/{video}" for video, folder in folders if folder is None]
    return images, problems


def _cropped(coded: pl.DataFrame, images: pl.DataFrame, dataset: str) -> pl.DataFrame:
    rows = common.attach_images(coded, images)[0].filter(pl.col("path").is_not_null())
    skipped = coded.height - rows.height
    if skipped:
        log.warning("%s: skipped %d label rows without a crop (of %d)", dataset, skipped, coded.height)
    return rows.with_columns(dataset=pl.lit(dataset))
