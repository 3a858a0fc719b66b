"""Where the frames of BP4D lie, images `F001/T1/<number>.jpg` or videos `2F01_T1.avi`, and how they are numbered."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.errors import InputError
from data.readers import _common as common
from data.readers._images import SEQUENCE_KEY, Images, attach_images, missing_images, numbered_images, video_lengths

IMAGE_FOLDERS = (r"Sequences\(2D\+3D\)", r"BP4D-training")
# The numbers of the raw recordings that are tasks T1 to T8.
RAW_TASKS = {"01": "T1", "03": "T2", "07": "T3", "08": "T4", "09": "T5", "10": "T6", "11": "T7", "13": "T8"}
_SUBJECT = re.compile(r"[FM][0-9]{3}", re.IGNORECASE)
_TASK = re.compile(r"T[0-9]+", re.IGNORECASE)
_VIDEO = re.compile(r"2?([FM])([0-9]{2,3})_(T[0-9]+|[0-9]{2})", re.IGNORECASE)
OPTION = "dataset.options.image_offset"


@dataclass(frozen=True, eq=False)
class Located:
    """The coded frames with `path` and, for videos, `index`; `hint` goes into the heading of an error."""

    rows: pl.DataFrame
    problems: list[str]
    notes: list[str]
    hint: str = ""


def locate_frames(root: Path, coded: pl.DataFrame, image_offset: int) -> Located:
    """Find the image, or the frame of a video, of every coded frame."""
    wanted = set(coded.select(SEQUENCE_KEY).unique().iter_rows())
    folders = list(_sequence_folders(common.resolve(root, *IMAGE_FOLDERS) or root))
    videos = {key: paths for key, paths in _videos(root).items() if key in wanted}
    if not folders and not videos:
        raise frames_not_found(root, labels_found=True)
    images = numbered_images(root, (folder for folder in folders if folder[:2] in wanted))
    if unlabelled := [f"{subject}/{task}" for subject, task, _ in folders if (subject, task) not in wanted]:
        images.notes.append(f"images without a label file: {common.listed(unlabelled)}")
    if images.table.is_empty() and videos:  # where both are, images need no decoding
        return _from_videos(root, coded, videos, image_offset)
    return _from_images(coded, images, len(videos), image_offset)


def frames_not_found(root: Path, labels_found: bool) -> InputError:
    """The error for a tree without label files, images or videos."""
    return common.not_found(
        root,
        (
            "AUCoding/AU_OCC/F001_T1.csv or AU_OCC/F001_T1.csv" + (" (found)" if labels_found else ""),
            "Sequences(2D+3D)/F001/T1/ or BP4D-training/F001/T1/ or F001/T1/",
            "or videos named 2F01_T1.avi, F001_T1.avi or 2F01_01.avi, at most two folders deep",
            "or list/BP4D_test_img_path_fold1.txt and its like, with img/F001/T1/<frame>.jpg",
        ),
    )


def _sequence_folders(image_root: Path) -> Iterator[tuple[str, str, Path]]:
    for subject in common.folders(image_root):
        if _SUBJECT.fullmatch(subject.name):
            for sequence in common.folders(subject):
                yield subject.name.upper(), sequence.name.upper(), sequence


def _from_images(coded: pl.DataFrame, images: Images, videos: int, image_offset: int) -> Located:
    rows = attach_images(coded, images.table, image_offset)
    missing = missing_images(rows, image_offset)
    wrong, notes = _check_offset(image_offsets(coded, images.table), image_offset)
    if videos:
        notes.append(f"{videos} videos were found beside the images and are not used")
    # so that the error can name the offset that fits
    tried = {offset: attach_images(coded, images.table, offset)["path"] for offset in (0, -1, 1) if missing}
    fits = [offset for offset, paths in tried.items() if not paths.null_count()]
    hint = f" (with {OPTION}={fits[0]} every coded frame would have an image)" if fits else ""
    return Located(rows, [*wrong, *images.problems, *missing], [*notes, *images.notes], hint)


def image_offsets(coded: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """The `offset` image number - label frame that the numbers in each folder imply; null where they imply none.

    As many images as coded frames, both without a gap: they are the same frames. Otherwise the folder holds the whole
    recording, which starts at label frame 1: image 0 or image 1, whichever is the first.
    """
    number = pl.col("number")
    numbers = images.group_by(SEQUENCE_KEY).agg(first=number.min(), last=number.max(), images=number.n_unique())
    frames = coded.group_by(SEQUENCE_KEY).agg(start=pl.min("frame"), end=pl.max("frame"), frames=pl.len())
    whole = pl.col("last") - pl.col("first") + 1 == pl.col("images")
    whole &= pl.col("end") - pl.col("start") + 1 == pl.col("frames")
    offset = (
        pl.when(whole & (pl.col("images") == pl.col("frames")))
        .then(pl.col("first") - pl.col("start"))
        .when(pl.col("first").is_in([0, 1]))
        .then(pl.col("first") - 1)
    )
    return numbers.join(frames, on=SEQUENCE_KEY).select(*SEQUENCE_KEY, offset=offset).sort(SEQUENCE_KEY)


def _check_offset(found: pl.DataFrame, image_offset: int) -> tuple[list[str], list[str]]:
    """Problems and notes: the offset that the folders imply, compared with the one that was given."""
    told = found.drop_nulls("offset").with_columns(name=pl.concat_str(SEQUENCE_KEY, separator="/"))
    by_offset = {
        int(offset): names
        for offset, names in told.group_by("offset").agg("name").sort(pl.col("name").list.len(), "offset").iter_rows()
    }
    if not by_offset:
        return [], [f"image_offset={image_offset} could not be checked: no folder shows where its numbers start"]
    if list(by_offset) == [image_offset]:
        return [], [f"image_offset={image_offset} confirmed by {told.height} of {found.height} folders"]
    says = [
        f"the images of {len(names)} of {found.height} folders are numbered for {OPTION}={offset}: "
        f"{common.listed(names)}"
        for offset, names in reversed(by_offset.items())
    ]
    if len(by_offset) > 1:
        return [
            f"image_offset={image_offset}: the folders disagree; rename their images so that all count alike",
            *says,
        ], []
    return [f"image_offset={image_offset} contradicts the files; give {OPTION}={next(iter(by_offset))}", *says], []


def _videos(root: Path) -> dict[tuple[str, str], list[Path]]:
    """Videos of each (subject, sequence) in `root` and at most two folders below it."""
    found: dict[tuple[str, str], list[Path]] = {}
    for folder in [root, *_below(root, depth=2)]:
        for path in common.files(folder, common.VIDEO_SUFFIXES):
            match = _VIDEO.fullmatch(path.stem)
            task = RAW_TASKS.get(match[3], match[3].upper()) if match else ""
            if match and _TASK.fullmatch(task):
                found.setdefault((f"{match[1].upper()}{int(match[2]):03d}", task), []).append(path)
    return found


def _below(folder: Path, depth: int) -> Iterator[Path]:
    for path in common.folders(folder):
        if not _TASK.fullmatch(path.name):  # that folder holds the images of a sequence, which are many
            yield path
            if depth > 1:
                yield from _below(path, depth - 1)


def _from_videos(
    root: Path, coded: pl.DataFrame, videos: dict[tuple[str, str], list[Path]], image_offset: int
) -> Located:
    names = {key: [path.relative_to(root).as_posix() for path in paths] for key, paths in sorted(videos.items())}
    problems = [f"{'/'.join(key)}: more than one video: {', '.join(n)}" for key, n in names.items() if len(n) > 1]
    lengths, unreadable = video_lengths([paths[0] for paths in videos.values()])
    known = [(*key, names[key][0], lengths.get(videos[key][0])) for key in names]
    schema = {**dict.fromkeys([*SEQUENCE_KEY, "path"], pl.String), "length": pl.Int64}
    table = pl.DataFrame(known, schema=schema, orient="row")
    rows = coded.join(table, on=SEQUENCE_KEY, how="left", maintain_order="left")
    rows = rows.with_columns(index=pl.col("frame") + image_offset)
    problems += [*unreadable, *_outside(rows)]
    note = f"the frames come from {len(names)} videos, whose first frame is label frame {-image_offset}"
    return Located(rows.drop("length"), problems, [note])


def _outside(rows: pl.DataFrame) -> Iterator[str]:
    """A problem for each sequence without a video, or with labels outside of it."""
    spans = rows.group_by(*SEQUENCE_KEY, "path", "length").agg(first=pl.min("index"), last=pl.max("index"))
    for row in spans.sort(SEQUENCE_KEY).iter_rows(named=True):
        name = f"{row['subject']}/{row['sequence']}"
        if row["path"] is None:
            yield f"{name}: has labels but no video"
        elif row["first"] < 0 or (row["length"] is not None and row["last"] >= row["length"]):
            yield (
                f"{row['path']}: {row['length']} frames, but the labels of {name} are of its frames "
                f"{row['first'] + 1} to {row['last'] + 1}; compare {OPTION}"
            )
