"""Aff-Wild2: `AU_Detection_Challenge/Train_Set/<video>.txt` and crops `cropped_aligned/<video>/00001.jpg`.

Row r of a label file (from 0, after the header) is crop r + 1. Codes: 0, 1, -1 (not coded). Frames without
a detected face have no crop and are left out. A video is a subject, as are `_left` and `_right` of it.
"""

import re
from collections import Counter
from functools import partial
from pathlib import Path

import polars as pl

from data.aus import au_column
from data.dataset import Dataset
from data.errors import InputError, raise_all
from data.frames import Reading, aus_of, excluded_frames, frame_table
from data.readers import _common as common
from data.readers._images import Images, attach_images, numbered_images

_CODES = {0: 0, 1: 1, -1: None}
_UNCODED = ("mask", "drop")
_SETS = {"train": re.compile(r"train(ing)?[_ ]set", re.I), "val": re.compile(r"validation[_ ]set", re.I)}
_ANNOTATIONS = re.compile(r"AU[_ ](Detection|Recognition)[_ ]Challenge|AU[_ ]Set", re.IGNORECASE)
_CROPS = re.compile(r"cropped_aligned.*", re.IGNORECASE)
_IMAGE_FOLDERS = re.compile(r"cropped.*|batch[0-9]+|videos?", re.IGNORECASE)
_AU = re.compile(r"AU[0-9]{1,2}", re.IGNORECASE)
DEPTH = 3  # folders below the root in which annotations and crops are looked for


def read(root: Path, row: Dataset, uncoded: str = "mask", annotations: str = "") -> Reading:
    """Frames of an Aff-Wild2 tree, with the AUs that the headers of its label files name.

    uncoded="drop" leaves out frames of which any AU is not coded. `annotations` is a part of the path of the
    annotations to use where several are there, e.g. "6th".
    """
    if uncoded not in _UNCODED:
        raise InputError(f"uncoded={uncoded!r}; allowed: {', '.join(_UNCODED)}")
    sets, crops, notes = _locate(root, annotations)
    tables: list[pl.DataFrame] = []
    problems: list[str] = []
    for split, folder in sets:
        names = common.names(folder, (".txt",))
        found, more = common.read_all((folder / name for name in names.found), partial(_labels, split=split))
        tables += found
        problems += more
        notes += names.notes(folder.name)
    problems += _disagreements(tables)
    rows = {str(table["subject"][0]): table.height for table in tables}
    # of videos with labels alone: to list the crops of the test videos takes long
    images = _crops(root, list(rows), crops)
    problems += [*images.problems, *_shifted(images.table, rows)]
    raise_all(f"{common.printable(root)} cannot be read as {row.name}:", problems)
    notes += [*images.notes, *_without_rows(images.table, rows), *_without_labels(crops, rows)]
    return Reading(*_frames(tables, images.table, row.name, uncoded), tuple(notes))


def _frames(
    tables: list[pl.DataFrame], images: pl.DataFrame, dataset: str, uncoded: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The FrameTable, and what is left out; `tables` is emptied, for 2.6 million rows should not be held twice."""
    aus = aus_of(tables[0])
    located = attach_images(pl.concat(tables), images)
    tables.clear()
    kept, excluded = _left_out(located.with_columns(dataset=pl.lit(dataset)), aus, uncoded)
    del located
    return frame_table(kept, aus), excluded


def _locate(root: Path, wanted: str) -> tuple[list[tuple[str, Path]], list[Path], list[str]]:
    """Folders of label files by split, folders of crops, and notes."""
    below = _below(root, DEPTH)
    crops = [folder for folder in below if _CROPS.fullmatch(folder.name)]
    sets = {path.relative_to(root).as_posix(): _sets(path) for path in below if _ANNOTATIONS.fullmatch(path.name)}
    found = {name: both for name, both in sets.items() if any(common.files(path, (".txt",)) for _, path in both)}
    if not crops or not found:
        raise common.not_found(
            root,
            (
                ".../AU_Detection_Challenge/Train_Set/<video>.txt (and Validation_Set)" + (" (found)" if found else ""),
                "annotations/AU_Set/Training_Set/<video>.txt (and Validation_Set)",
                "cropped_aligned/<video>/00001.jpg" + (" (found)" if crops else ""),
            ),
        )
    chosen = [name for name in found if str(wanted).lower() in name.lower()]
    if len(chosen) != 1:
        raise InputError(
            f"{common.printable(root)} has {len(found)} sets of annotations: {', '.join(found)}. Give "
            f"dataset.options.annotations=<a part of the path of one of them>; {wanted!r} matches {len(chosen)}."
        )
    return found[chosen[0]], crops, [f"the labels are those of {chosen[0]}"]


def _below(folder: Path, depth: int) -> list[Path]:
    found = []
    for path in common.folders(folder):
        if path.is_symlink() and path.resolve() in (folder.resolve(), *folder.resolve().parents):
            continue  # a link to where it lies
        found.append(path)
        if depth > 1 and not _IMAGE_FOLDERS.fullmatch(path.name):
            found += _below(path, depth - 1)
    return found


def _sets(annotations: Path) -> list[tuple[str, Path]]:
    return [
        (split, path)
        for path in common.folders(annotations)
        for split, name in _SETS.items()
        if name.fullmatch(path.name)
    ]


def _labels(path: Path, split: str) -> pl.DataFrame:
    cells = common.read_cells(path)
    unnamed = [name for name in cells.header if not _AU.fullmatch(name)]
    if unnamed:
        raise InputError(f"{cells.file}, header: {unnamed[0]!r} names no AU, expected e.g. AU1,AU2,AU4")
    aus = sorted(set(common.header_aus(cells.header)))
    labels = common.labels(cells, common.au_positions(cells, aus, first=0), _CODES)
    rows = cells.rows.select(frame=pl.col("line") - 1)  # a row is a frame by its place in the file
    if rows["frame"][-1] != rows.height:
        raise InputError(f"{cells.file}: an empty line lies between the rows, or the header is not on line 1")
    video = pl.lit(path.stem)
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


def _crops(root: Path, videos: list[str], crops: list[Path]) -> Images:
    """The crops of `videos`, each from the first of the folders that has it."""
    folders = {video: [crop / video for crop in crops if (crop / video).is_dir()] for video in dict.fromkeys(videos)}
    images = numbered_images(root, ((video, video, found[0]) for video, found in folders.items() if found))
    problems = [f"{video}: no folder {crops[0].name}/{video}" for video, found in folders.items() if not found]
    twice = [video for video, found in folders.items() if len(found) > 1]
    names = " and ".join(crop.relative_to(root).as_posix() for crop in crops)
    notes = [f"crops of {common.listed(twice)} are in more than one of {names}; the first was taken"] if twice else []
    return Images(images.table, [*images.problems, *problems], [*images.notes, *notes])


def _left_out(rows: pl.DataFrame, aus: tuple[int, ...], uncoded: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows to keep, and the excluded ones."""
    bare = pl.col("path").is_null()  # no face was found in this frame when the crops were made
    unsure = ~bare & pl.any_horizontal(pl.col(au_column(au)).is_null() for au in aus)
    if uncoded == "mask":
        unsure = pl.lit(False)
    excluded = [excluded_frames(rows.filter(bare), "no crop"), excluded_frames(rows.filter(unsure), "uncoded AU")]
    return rows.filter(~bare & ~unsure), pl.concat(excluded)


def _beyond(images: pl.DataFrame, rows: dict[str, int]) -> pl.DataFrame:
    """Crops whose number is that of no label row, with the number of `rows` of their video."""
    counts = pl.DataFrame(list(rows.items()), schema={"subject": pl.String, "rows": pl.Int64}, orient="row")
    beyond = images.join(counts, on="subject")
    return beyond.filter((pl.col("number") < 1) | (pl.col("number") > pl.col("rows")))


def _shifted(images: pl.DataFrame, rows: dict[str, int]) -> list[str]:
    """A problem if videos lack crop 1 and have one after the last row: they look as if numbered from 2."""
    # one video without a face in its first frame proves nothing alone, but a crop after the last label row does
    last = set(_beyond(images, rows).filter(pl.col("number") == pl.col("rows") + 1)["subject"])
    first = set(images.filter(pl.col("number") == 1)["subject"])
    shifted = sorted(last - first)
    if not shifted:
        return []
    return [
        f"{len(shifted)} of {len(rows)} videos have no crop 1 and one after their last label row, as if their crops "
        f"were numbered from 2: {common.listed(shifted)}. Subtract 1 from the names of their crops; or, if there is no "
        "face in the first frame, delete the crop after the last row"
    ]


def _without_rows(images: pl.DataFrame, rows: dict[str, int]) -> list[str]:
    """A note if crops have numbers for which there is no label row."""
    beyond = _beyond(images, rows)
    if beyond.is_empty():
        return []
    videos = beyond["subject"].unique().sort().to_list()
    return [f"{beyond.height} crops of {len(videos)} videos have no label row: {common.listed(videos)}"]


def _without_labels(crops: list[Path], rows: dict[str, int]) -> list[str]:
    """A note if videos have crops and no label file, as those of the test set."""
    videos = sorted({path.name for folder in crops for path in common.folders(folder)} - set(rows))
    return [f"{len(videos)} videos have crops and no label file: {common.listed(videos)}"] if videos else []
