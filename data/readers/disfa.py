"""DISFA: `ActionUnit_Labels/SN001/SN001_au1.txt` (lines `frame,intensity`, from 1) and one video per subject.

Two cameras, whose folders and files differ in spelling (`Videos_LeftCamera`, `Video_RightCamera`, `_comp`,
`_Comp`). Intensity 0 to 5; a label is intensity >= `threshold`.
"""

import re
from functools import partial
from pathlib import Path

import polars as pl

from data.aus import au_column, intensity_column
from data.dataset import Dataset
from data.errors import InputError, raise_all
from data.frames import Reading, excluded_frames, frame_table
from data.readers import _common as common
from data.readers._images import video_lengths

CAMERAS = ("left", "right")
THRESHOLDS = (1, 2)
FRAME_SETS = ("all", "tracked")
_LEVELS: dict[int, int | None] = {level: level for level in range(6)}
DISFA_LABELS = (r"ActionUnit_Labels",)
_SUBJECT = re.compile(r"SN[0-9]{3}", re.IGNORECASE)
_LABEL_FILE = re.compile(r"(SN[0-9]{3})_au0*([0-9]{1,2})", re.IGNORECASE)


def read(root: Path, row: Dataset, camera: str = "left", threshold: int = 2, frame_set: str = "all") -> Reading:
    """Frames of a DISFA tree: one camera, positive where intensity >= `threshold` (1 or 2).

    The `tracked` frames are those whose landmarks are usable, as JAA-Net and its successors take them.
    """
    _check(camera, threshold, frame_set)
    subjects, videos, problems = _locate(root, camera)
    lengths, unreadable = video_lengths(videos.values())
    read_subject = partial(_subject, root=root, aus=row.aus, videos=videos, lengths=lengths)
    tables, more = common.read_all(subjects, read_subject)
    raise_all(f"{common.printable(root)} cannot be read as {row.name}:", [*problems, *unreadable, *more])
    rows = pl.concat(tables).with_columns(dataset=pl.lit(row.name), sequence=pl.lit(camera))
    # here and not in the label files: intensities are kept beside the labels, for other thresholds
    positive = [(pl.col(intensity_column(au)) >= threshold).cast(pl.Int8).alias(au_column(au)) for au in row.aus]
    kept, excluded = _tracked(rows.with_columns(positive), row, frame_set)
    return Reading(frame_table(kept, row.aus), excluded)


def _check(camera: object, threshold: object, frame_set: object) -> None:
    problems = []
    if camera not in CAMERAS:
        problems.append(f"camera={camera!r}; allowed: {', '.join(CAMERAS)}")
    if isinstance(threshold, bool) or threshold not in THRESHOLDS:
        problems.append(f"threshold={threshold!r}; allowed: 1, 2 (the literature mostly uses 2)")
    if frame_set not in FRAME_SETS:
        problems.append(f"frame_set={frame_set!r}; allowed: {', '.join(FRAME_SETS)}")
    raise_all("options of DISFA:", problems)


def _locate(root: Path, camera: str) -> tuple[list[Path], dict[str, Path], list[str]]:
    labels = common.resolve(root, *DISFA_LABELS)
    folder = common.resolve(root, rf"Videos?_{camera}Camera")
    subjects = [p for p in common.folders(labels) if _SUBJECT.fullmatch(p.name)] if labels else []
    if not subjects or not folder:
        side = camera.capitalize()
        raise common.not_found(
            root,
            (
                "ActionUnit_Labels/SN001/SN001_au1.txt" + (" (found)" if subjects else ""),
                f"Videos_{side}Camera/ or Video_{side}Camera/ with {side}VideoSN001_comp.avi",
                "or list/DISFA_test_img_path_fold1.txt and its like, with img/SN001/<frame>.png",
            ),
        )
    return subjects, *_videos(folder, camera)


def _videos(folder: Path, camera: str) -> tuple[dict[str, Path], list[str]]:
    name = re.compile(rf"{camera}Video(SN[0-9]{{3}})(_comp)?", re.IGNORECASE)
    videos: dict[str, Path] = {}
    problems = []
    for path in common.files(folder, common.VIDEO_SUFFIXES):
        if match := name.fullmatch(path.stem):
            subject = match[1].upper()
            if subject in videos:
                problems.append(f"{folder.name}: two videos of {subject}: {videos[subject].name}, {path.name}")
            videos[subject] = path
    return videos, problems


def _subject(
    folder: Path, root: Path, aus: tuple[int, ...], videos: dict[str, Path], lengths: dict[Path, int]
) -> pl.DataFrame:
    """Frame, intensities, path and index of one subject."""
    subject = folder.name.upper()
    label_files, problems = _label_files(folder, aus)
    tables, more = common.read_all(label_files.values(), _intensities)
    if missing := [au for au in aus if au not in label_files]:
        more.append(f"{folder.name}: no label file for AU {', '.join(str(au) for au in missing)}")
    if subject not in videos:
        more.append(f"{folder.name}: has labels but no video")
    if problems or more:
        raise InputError("\n".join([*problems, *more]))
    table = _joined(folder.name, tables)
    _check_length(table, videos[subject], lengths)
    path = videos[subject].relative_to(root).as_posix()
    return table.with_columns(
        subject=pl.lit(subject), path=pl.lit(path), index=pl.col("frame") - 1
    )  # labels count from 1


def _label_files(folder: Path, aus: tuple[int, ...]) -> tuple[dict[int, Path], list[str]]:
    found: dict[int, Path] = {}
    problems = []
    for path in common.files(folder, (".txt",)):
        match = _LABEL_FILE.fullmatch(path.stem)
        # files of AUs that are not used may be missing or damaged
        if match and match[1].upper() == folder.name.upper() and int(match[2]) in aus:
            if int(match[2]) in found:
                problems.append(f"{folder.name}: {found[int(match[2])].name} and {path.name} are of the same AU")
            found[int(match[2])] = path
    return dict(sorted(found.items())), problems


def _intensities(path: Path) -> pl.DataFrame:
    cells = common.read_cells(path, header=("frame", "intensity"))
    match = _LABEL_FILE.fullmatch(path.stem)
    assert match
    frames = common.frame_numbers(cells)
    if frames.min() == 0:  # every label would be on the next picture
        raise InputError(f"{cells.file}: has frame 0; DISFA counts from 1")
    levels = common.coded(cells, 1, _LEVELS).alias(intensity_column(int(match[2])))
    return pl.DataFrame([frames, levels]).sort("frame")


def _joined(subject: str, tables: list[pl.DataFrame]) -> pl.DataFrame:
    first = tables[0]
    if any(not table["frame"].equals(first["frame"]) for table in tables):
        lengths = ", ".join(f"{table.columns[1].replace('intensity_', 'au')} {table.height}" for table in tables)
        raise InputError(f"{subject}: the label files cover different frames ({lengths})")
    return pl.concat([first, *(table.drop("frame") for table in tables[1:])], how="horizontal")


def _check_length(table: pl.DataFrame, video: Path, lengths: dict[Path, int]) -> None:
    last = table["frame"].max()
    assert isinstance(last, int)
    if lengths.get(video, last) < last:  # some videos are a few frames longer than their labels
        raise InputError(f"{video.parent.name}/{video.name}: {lengths[video]} frames, but labels up to frame {last}")


def _tracked(rows: pl.DataFrame, row: Dataset, frame_set: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of `frame_set`, and those that it leaves out."""
    if frame_set == "all":
        return rows, excluded_frames(rows.clear(), "bad landmarks")
    bad = pl.any_horizontal(
        (pl.col("subject") == subject) & pl.col("frame").is_between(first, last)
        for subject, first, last in row.bad_spans()
    )
    return rows.filter(~bad), excluded_frames(rows.filter(bad), "bad landmarks")
