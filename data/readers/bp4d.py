"""BP4D: `AUCoding/AU_OCC/F001_T1.csv` beside folders of images `F001/T1/<number>.jpg`.

The header of a label file gives AU numbers, its first column the frame. Codes: 0, 1, 9 (not coded).
"""

import re
from pathlib import Path

import polars as pl

from data.aus import DATASET_AUS
from data.errors import InputError, raise_all
from data.frames import frame_table
from data.readers import _common as common

AUS = DATASET_AUS["bp4d"]
CODES = {0: 0, 1: 1, 9: None}
LABEL_FOLDERS = (r"AUCoding/AU_OCC", r"AU_OCC")
IMAGE_FOLDERS = (r"Sequences\(2D\+3D\)", r"BP4D-training")
_NAME = re.compile(r"([FM][0-9]{3})_(T[0-9]+)", re.IGNORECASE)
_SUBJECT = re.compile(r"[FM][0-9]{3}", re.IGNORECASE)


def read(root: Path, dataset: str = "bp4d", image_offset: int = -1) -> pl.DataFrame:
    """FrameTable of a BP4D tree; the image of label frame n is number n + `image_offset`.

    Labels count from 1. Images as distributed count from 0 (-1); renamed copies often count from 1 (0).
    """
    if isinstance(image_offset, bool) or not isinstance(image_offset, int):
        raise InputError(f"image_offset={image_offset!r}; allowed: a whole number, e.g. -1 or 0")
    label_files, image_root = _locate(root)
    tables, problems = common.gather(label_files, _labels)
    raise_all(f"no label file of {common.printable(root)} can be read:", [] if tables else problems)
    coded = pl.concat(tables)
    images, ambiguous = common.numbered_images(root, _sequences(image_root))
    found, missing = common.attach_images(coded, images, image_offset)
    hint = _offset_hint(coded, images, image_offset) if missing else ""
    raise_all(f"{common.printable(root)} cannot be read as {dataset}:{hint}", [*problems, *ambiguous, *missing])
    return frame_table(found.with_columns(dataset=pl.lit(dataset)), AUS)


def _locate(root: Path) -> tuple[list[Path], Path]:
    labels = common.resolve(root, *LABEL_FOLDERS)
    image_root = common.resolve(root, *IMAGE_FOLDERS) or root
    label_files = common.files(labels, (".csv",)) if labels else []
    if not label_files or not any(_sequences(image_root)):
        raise common.not_found(
            root,
            (
                "AUCoding/AU_OCC/F001_T1.csv or AU_OCC/F001_T1.csv" + (" (found)" if label_files else ""),
                "Sequences(2D+3D)/F001/T1/ or BP4D-training/F001/T1/ or F001/T1/",
            ),
        )
    return label_files, image_root


def _sequences(image_root: Path) -> list[tuple[str, str, Path]]:
    return [
        (subject.name.upper(), sequence.name.upper(), sequence)
        for subject in common.folders(image_root)
        if _SUBJECT.fullmatch(subject.name)
        for sequence in common.folders(subject)
    ]


def _labels(path: Path) -> pl.DataFrame:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise InputError(f"{path.parent.name}/{path.name}: the name is not <subject>_<task>.csv, e.g. F001_T1.csv")
    cells = common.read_cells(path)
    frames = common.frame_numbers(cells)
    labels = common.labels(cells, common.au_positions(cells, AUS), CODES)
    table = pl.DataFrame([frames, *labels])
    return table.with_columns(subject=pl.lit(match[1].upper()), sequence=pl.lit(match[2].upper()))


def _offset_hint(coded: pl.DataFrame, images: pl.DataFrame, image_offset: int) -> str:
    for offset in (0, -1, 1):
        if offset != image_offset and not common.attach_images(coded, images, offset)[1]:
            return f" (with image_offset={offset} every coded frame would have an image)"
    return ""
