"""DISFA: `ActionUnit_Labels/SN001/SN001_au1.txt` (lines `frame,intensity`, from 1) and one video per subject.

Two cameras, whose folders and files differ in spelling (`Videos_LeftCamera`, `Video_RightCamera`, `_comp`,
`_Comp`). Intensity 0 to 5; a label is intensity >= `threshold`.
"""

import re
from functools import partial
from pathlib import Path

import polars as pl

from data.aus import DATASET_AUS
from data.errors import InputError, raise_all
from data.frames import frame_table
from data.media import video_frames
from data.readers import _common as common

AUS = DATASET_AUS["disfa"]
CAMERAS = ("left", "right")
THRESHOLDS = (1, 2)
_SUBJECT = re.compile(r"SN[0-9]{3}", re.IGNORECASE)
_LABEL_FILE = re.compile(r"(SN[0-9]{3})_au0*([0-9]{1,2})", re.IGNORECASE)


def read(root: Path, dataset: str = "disfa", camera: str = "left", threshold: int = 2) -> pl.DataFrame:
    """FrameTable of a DISFA tree: one camera, positive where intensity >= `threshold` (1 or 2)."""
    if camera not in CAMERAS:
        raise InputError(f"camera={camera!r}; allowed: {', '.join(CAMERAS)}")
    if isinstance(threshold, bool) or threshold not in THRESHOLDS:
        raise InputError(f"threshold={threshold!r}; allowed: 1, 2 (the literature mostly uses 2)")
    subjects, videos, problems = _locate(root, camera)
    codes: dict[int, int | None] = {intensity: int(intensity >= threshold) for intensity in range(6)}
    tables, more = common.gather(subjects, partial(_subject, root=root, videos=videos, codes=codes))
    raise_all(f"{common.printable(root)} cannot be read as {dataset}:", [*problems, *more])
    rows = pl.concat(tables).with_columns(dataset=pl.lit(dataset), sequence=pl.lit(camera))
    return frame_table(rows, AUS)


def _locate(root: Path, camera: str) -> tuple[list[Path], dict[str, Path], list[str]]:
    labels = common.resolve(root, r"ActionUnit_Labels")
    folder = common.resolve(root, rf"Videos?_{camera}Camera")
    subjects = [p for p in common.folders(labels) if _SUBJECT.fullmatch(p.name)] if labels else []
    if not subjects or not folder:
        side = camera.capitalize()
        raise common.not_found(
            root,
            (
                "ActionUnit_Labels/SN001/SN001_au1.txt" + (" (found)" if subjects else ""),
                f"Videos_{side}Camera/ or Video_{side}Camera/ with {side}VideoSN001_comp.avi",
            ),
        )
    return subjects, *_videos(folder, camera)


def _videos(folder: Path, camera: str) -> tuple[dict[str, Path], list[str]]:
    name = re.compile(rf"{camera}Video(SN[0-9]{{3}})(_comp)?", re.IGNORECASE)
    videos: dict[str, Path] = {}
    problems = []
    for path in common.files(folder, common.VIDEO_SUFFIXES):
        if match := name.fullmatch(path.stem):
            if match[1].upper() in videos:
                problems.append(
                    f"{folder.name}: two videos of {match[1]}: {videos[match[1].upper()].name}, {path.name}"
                )
            videos[match[1].upper()] = path
    return videos, problems


def _subject(folder: Path, root: Path, videos: dict[str, Path], codes: dict[int, int | None]) -> pl.DataFrame:
    subject = folder.name.upper()
    label_files = _label_files(folder)
    tables, problems = common.gather(label_files.values(), partial(_intensities, codes=codes))
    missing = [au for au in AUS if au not in label_files]
    if missing:
        problems.append(f"{folder.name}: no label file for AU {', '.join(str(au) for au in missing)}")
    if subject not in videos:
        problems.append(f"{folder.name}: has labels but no video")
    if problems:
        raise InputError("\n".join(problems))
    table = _joined(folder.name, tables)
    _check_length(table, videos[subject])
    path = videos[subject].relative_to(root).as_posix()
    return table.with_columns(subject=pl.lit(subject), path=pl.lit(path), index=pl.col("frame") - 1)


def _label_files(folder: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in common.files(folder, (".txt",)):
        match = _LABEL_FILE.fullmatch(path.stem)
        if match and match[1].upper() == folder.name.upper() and int(match[2]) in AUS:
            found[int(match[2])] = path
    return dict(sorted(found.items()))


def _intensities(path: Path, codes: dict[int, int | None]) -> pl.DataFrame:
    cells = common.read_cells(path, header=("frame", "intensity"))
    match = _LABEL_FILE.fullmatch(path.stem)
    assert match
    frames = common.frame_numbers(cells)
    if frames.min() == 0:
        raise InputError(f"{cells.file}: has frame 0; DISFA counts from 1")
    return pl.DataFrame([frames, *common.labels(cells, {int(match[2]): 1}, codes)]).sort("frame")


def _joined(subject: str, tables: list[pl.DataFrame]) -> pl.DataFrame:
    first = tables[0]
    other = [table.columns[1] for table in tables if not table["frame"].equals(first["frame"])]
    if other:
        lengths = ", ".join(f"{table.columns[1]} {table.height}" for table in tables)
        raise InputError(f"{subject}: the label files cover different frames ({lengths})")
    return pl.concat([first, *(table.drop("frame") for table in tables[1:])], how="horizontal")


def _check_length(table: pl.DataFrame, video: Path) -> None:
    last = table["frame"].max()
    length = video_frames(video)
    assert isinstance(last, int)
    if length < last:
        raise InputError(f"{video.parent.name}/{video.name}: {length} frames, but labels up to frame {last}")
