"""Tiny hand-made raw trees, and frame tables, for the tests of `data`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from PIL import Image

from data.aus import au_column
from data.catalog import CATALOG
from data.dataset import FOLD_NUMBERS
from data.errors import InputError
from data.frames import Reading, frame_table
from data.seeds import numpy_generator


def refused(read: Callable[..., Reading], root: Path, *parts: str, **options: object) -> str:
    """The message with which `read` refuses `root`; every one of `parts` must be in it."""
    with pytest.raises(InputError) as caught:
        read(root, **options)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (20, 16)) -> np.ndarray:
    """Write a seeded picture of `size` (height, width); returns its pixels before compression."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = numpy_generator("picture", seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def lines(path: Path, *rows: str | Sequence[object]) -> Path:
    """Write a text file, a line per row; a row that is a sequence is joined by commas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [row if isinstance(row, str) else ",".join(str(cell) for cell in row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in text))
    return path


def video(path: Path, frames: int, size: int = 32) -> Path:
    """Write a video whose frame i is evenly grey of level 40 + 10 * i (i modulo 20)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        stream.options = {"qmin": "2", "qmax": "2"}
        for i in range(frames):
            grey = np.full((size, size, 3), 40 + 10 * (i % 20), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


def bp4d_row(frame: int, codes: Mapping[int, object]) -> list[object]:
    """A row of a BP4D label file with 24 AU columns: `codes`, and 0 where not given."""
    return [frame, *(codes.get(au, 0) for au in range(1, 25))]


def bp4d_sequence(
    root: Path,
    name: str = "F001_T1",
    rows: Sequence[Sequence[object]] = (),
    images: Sequence[int | str] = (),
    folder: str = "Sequences(2D+3D)",
    header: Sequence[object] = tuple(range(25)),
) -> Path:
    """Write one BP4D label file and its images; returns the label file."""
    subject, task = name.split("_")
    for number in images:
        picture(root / folder / subject / task / f"{number}.jpg", seed=int(number))
    return lines(root / "AUCoding" / "AU_OCC" / f"{name}.csv", header, *rows)


def bp4d_levels(root: Path, au: int, rows: Sequence[Sequence[object]], name: str = "F001_T1") -> Path:
    """Write one BP4D intensity file of (frame, intensity)."""
    return lines(root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"{name}_AU{au:02d}.csv", *rows)


def disfa_subject(
    root: Path, subject: str = "SN001", intensities: Mapping[int, Sequence[object]] | None = None, frames: int = 4
) -> None:
    """Write the left video of `frames` frames and label files, intensity 0 where not given."""
    video(root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi", frames)
    for au in (*CATALOG["disfa"].aus, 5, 17):
        values = (intensities or {}).get(au, [0] * frames)
        rows = [(frame, value) for frame, value in enumerate(values, start=1)]
        lines(root / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt", *rows)


def gft_subject(root: Path, subject: str = "001A", codes: Mapping[int, Sequence[object]] | None = None) -> None:
    """Write three frames of a GFT subject, code 0 where not given."""
    aus = CATALOG["gft"].aus
    for frame in (1, 2, 3):
        picture(root / "images" / subject / f"{frame}.jpg", seed=frame)
    rows = [[frame, *((codes or {}).get(au, [0] * 3)[frame - 1] for au in aus)] for frame in (1, 2, 3)]
    lines(root / "labels" / f"{subject}.csv", ["frame", *(f"AU{au}" for au in aus)], *rows)


def affwild2_video(
    root: Path, video_name: str, part: str = "Train_Set", rows: int = 3, crops: Sequence[int] = (1, 2, 3)
) -> Path:
    """Write the label file of a video (AU1 is positive in odd rows) and some of its crops."""
    aus = CATALOG["affwild2"].aus
    for number in crops:
        picture(root / "cropped_aligned" / video_name / f"{number:05d}.jpg", seed=number)
    body = [[row % 2, -1, *([0] * (len(aus) - 2))] for row in range(rows)]
    folder = root / "annotations" / "AU_Detection_Challenge" / part
    return lines(folder / f"{video_name}.txt", [f"AU{au}" for au in aus], *body)


def fold_lists(
    root: Path,
    dataset: str,
    subjects: Sequence[str],
    numbers: Sequence[int] = (1, 2),
    labels: Callable[[str, int], str] | None = None,
) -> Path:
    """Write the lists of ME-GraphAU and their images (a name and one image a number); returns the list folder."""
    folder = {"bp4d": "{}/T1", "disfa": "{}"}[dataset]
    suffix = {"bp4d": "jpg", "disfa": "png"}[dataset]
    blank = " ".join("0" * len(CATALOG[dataset].aus))
    of_part: dict[str, list[tuple[str, str]]] = {part: [] for part in FOLD_NUMBERS}
    for subject in subjects:
        part = next(part for part, members in CATALOG[dataset].parts.items() if subject in members)
        for number in numbers:
            path = f"{folder.format(subject)}/{number}.{suffix}"
            picture(root / "img" / path, seed=number)
            of_part[part].append((path, labels(subject, number) if labels else blank))
    for part, names in FOLD_NUMBERS.items():
        others = [row for other, rows in of_part.items() if other != part for row in rows]
        for use, rows in (("test", of_part[part]), ("train", others)):
            write_pair(root / "list", f"{dataset.upper()}_{use}_{{}}_fold{names['AUNCE']}.txt", rows)
    return root / "list"


def write_pair(folder: Path, name: str, rows: Sequence[tuple[str, str]]) -> None:
    """Write a list of image paths without a newline at its end, and that of their labels."""
    lines(folder / name.format("label"), *(label for _, label in rows))
    lines(folder / name.format("img_path"), "").write_text("\n".join(path for path, _ in rows))


def image_table(
    root: Path, subjects: Sequence[str], frames: int, aus: tuple[int, ...] = (1, 12), dataset: str = "bp4d"
) -> pl.DataFrame:
    """A FrameTable of PNG images written below `root`."""
    rows = [(s, frame, f"{s}/{frame:03d}.png") for s in subjects for frame in range(1, frames + 1)]
    for i, (_, _, path) in enumerate(rows):
        picture(root / path, seed=i)
    return label_table(rows, aus, dataset, lambda row, au: (row + au) % 2)


def label_table(
    rows: Sequence[tuple[str, int, str]],
    aus: tuple[int, ...],
    dataset: str,
    label: Callable[[int, int], int | None],
) -> pl.DataFrame:
    """A FrameTable of (subject, frame, path) with `label(row, au)`."""
    table = pl.DataFrame(rows, schema=["subject", "frame", "path"], orient="row")
    labels = [pl.Series(au_column(au), [label(i, au) for i in range(len(rows))], pl.Int8) for au in aus]
    table = table.with_columns(*labels, dataset=pl.lit(dataset), sequence=pl.lit("T1"))
    return frame_table(table, aus)


def subject_table(
    positives: Mapping[str, Sequence[float]],
    frames: int = 20,
    dataset: str = "gft",
    split: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """A FrameTable without files: for each subject the share of positive frames of AU 1, 2, 4..."""
    aus = (1, 2, 4, 6)[: len(next(iter(positives.values())))]
    rows = [(s, frame, f"{s}/{frame}.jpg") for s in positives for frame in range(1, frames + 1)]
    table = label_table(
        rows, aus, dataset, lambda i, au: int((rows[i][1] - 0.5) / frames < positives[rows[i][0]][aus.index(au)])
    )
    if split is None:
        return table
    part = pl.col("subject").replace_strict(split, default=None, return_dtype=pl.String)
    return table.with_columns(split=part)
