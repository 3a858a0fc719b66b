"""The raw trees of the four datasets, file by file as they are distributed.

GFT is the exception: no public reader of its raw files exists, so its layout here is this project's choice:

    images/001A/1.jpg       1-based frame numbers, no padding
    labels/001A.csv         header `frame,AU1,AU2,...`; one row a frame; 0, 1, or 9 for not coded
    train_subjects.txt      one subject a line; likewise test_subjects.txt
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from data.aus import DATASET_AUS
from data.folds import PARTS
from data.synthetic.identity import AUS
from data.synthetic.recordings import Plan, Recording

Tick = Callable[[int], None]  # told the number of frames just written

BP4D_CODED = (*DATASET_AUS["bp4d"], 5, 9, 20)
BP4D_COLUMNS = 28
BP4D_INTENSITY = (6, 10, 12, 14, 17)
DISFA_CODED = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
GFT_CODED = tuple(sorted((*DATASET_AUS["gft"], 5, 7, 9, 17)))
JPEG_QUALITY = 92
FRAME_RATE = 20


def write_bp4d(root: Path, plan: Plan, tick: Tick) -> None:
    """One folder of images and one occurrence table a task; intensities for five AUs."""
    for subject in subject_ids("bp4d")[: plan.subjects]:
        for number in range(1, plan.sequences + 1):
            _bp4d_sequence(root, Recording(plan, subject, f"T{number}", plan.frames), tick)


def _bp4d_sequence(root: Path, recording: Recording, tick: Tick) -> None:
    """Label frames count from 1, images from 0: image N shows label frame N + 1."""
    first, digits = _bp4d_numbering(recording)
    folder = root / "Sequences(2D+3D)" / recording.subject / recording.sequence
    _write_images(folder, recording, [f"{first - 1 + i:0{digits}d}" for i in range(recording.frames)], tick)
    table = np.full((recording.frames, BP4D_COLUMNS + 1), 9)
    table[:, 0] = np.arange(first, first + recording.frames)
    table[:, BP4D_CODED] = recording.occurrence(BP4D_CODED)
    name = f"{recording.subject}_{recording.sequence}"
    header = [str(column) for column in range(BP4D_COLUMNS + 1)]
    _write_table(root / "AUCoding" / "AU_OCC" / f"{name}.csv", table, header)
    for au in BP4D_INTENSITY:
        levels = np.stack([table[:, 0], recording.coded[:, AUS.index(au)]], axis=1)
        _write_table(root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"{name}_AU{au:02d}.csv", levels)


def _bp4d_numbering(recording: Recording) -> tuple[int, int]:
    """First label frame (a third of the sequences start at 1) and the least number of digits in image names."""
    draw = recording.draw("numbering")
    ranges = ((1, 2), (2, 90), (100, 900), (1000, 2500))
    low, high = ranges[draw.choice(len(ranges), p=(0.36, 0.14, 0.22, 0.28))]
    return int(draw.integers(low, high)), int(draw.choice((2, 3, 4)))


def write_disfa(root: Path, plan: Plan, tick: Tick) -> None:
    """One video a subject for each camera; the right one is the left one seen in a mirror."""
    for subject in subject_ids("disfa")[: plan.subjects]:
        recording = Recording(plan, subject, "video", plan.sequences * plan.frames)
        left = root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        right = root / "Video_RightCamera" / f"RightVideo{subject}_Comp.avi"
        _write_videos(left, right, recording, tick)
        for au in DISFA_CODED:
            levels = recording.coded[:, AUS.index(au)]
            rows = np.stack([np.arange(1, recording.frames + 1), levels], axis=1)
            _write_table(root / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt", rows)


def _write_videos(left: Path, right: Path, recording: Recording, tick: Tick) -> None:
    for path in (left, right):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _open_video(left) as left_file, _open_video(right) as right_file:
        files = (left_file, right_file)
        streams = [_mpeg4_stream(file, recording.plan.size) for file in files]
        for batch in recording.images():
            for image in batch:
                for file, stream, view in zip(files, streams, (image, image[:, ::-1]), strict=True):
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(view), format="rgb24")
                    file.mux(stream.encode(frame))
            tick(len(batch))
        for file, stream in zip(files, streams, strict=True):
            file.mux(stream.encode())


def _open_video(path: Path) -> av.container.OutputContainer:
    return av.open(str(path), "w", options={"fflags": "+bitexact"})


def _mpeg4_stream(container: av.container.OutputContainer, size: int) -> av.VideoStream:
    """An encoder that writes the same bytes each time: one thread, no version string."""
    stream = container.add_stream("mpeg4", rate=Fraction(FRAME_RATE))
    stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
    stream.bit_rate = 60 * FRAME_RATE * size * size // 10
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"flags": "+bitexact", "qmin": "2", "qmax": "5"}
    return stream


def write_gft(root: Path, plan: Plan, tick: Tick) -> None:
    """Images, labels with some frames not coded, and the lists of the official parts."""
    subjects = subject_ids("gft")[: plan.subjects]
    for subject in subjects:
        recording = Recording(plan, subject, "video", plan.sequences * plan.frames)
        frames = list(range(1, recording.frames + 1))
        _write_images(root / "images" / subject, recording, [str(frame) for frame in frames], tick)
        labels = recording.occurrence(GFT_CODED)
        labels[_some_rows(recording, "not coded", 0.02)] = 9
        labels[_some_rows(recording, "one AU not coded", 0.01), 0] = 9
        header = ["frame", *(f"AU{au}" for au in GFT_CODED)]
        _write_table(root / "labels" / f"{subject}.csv", np.column_stack([frames, labels]), header)
    test = [subject for index, subject in enumerate(subjects) if index % 6 == 5] or subjects[1:][-1:]
    _write_lines(root / "train_subjects.txt", [subject for subject in subjects if subject not in test])
    _write_lines(root / "test_subjects.txt", test)


def write_affwild2(root: Path, plan: Plan, tick: Tick) -> None:
    """One person a video; `_left` and `_right` are two persons of the same video."""
    aus = DATASET_AUS["affwild2"]
    for index, video in enumerate(subject_ids("affwild2")[: plan.subjects]):
        recording = Recording(plan, video, "video", plan.sequences * plan.frames)
        lost = set(_some_rows(recording, "no face found", 0.01).tolist())
        names = [None if i in lost else f"{i + 1:05d}" for i in range(recording.frames)]
        _write_images(root / "cropped_aligned" / video, recording, names, tick)
        labels = recording.occurrence(aus)
        labels[_some_rows(recording, "invalid", 0.02)] = -1
        part = "Validation_Set" if index % 4 == 3 or (index == 1 and plan.subjects < 4) else "Train_Set"
        folder = root / "6th ABAW Annotations" / "AU_Detection_Challenge" / part
        _write_table(folder / f"{video}.txt", labels, [f"AU{au}" for au in aus])
    for folder in (root / "cropped_aligned", root / "cropped_aligned" / subject_ids("affwild2")[0]):
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def subject_ids(layout: str) -> list[str]:
    """Every subject that `layout` can have, in the order in which they are taken."""
    return {"bp4d": _interleave("bp4d"), "disfa": _interleave("disfa"), "gft": _gft_ids(),
            "affwild2": list(_affwild2_ids(200))}[layout]  # fmt: skip


def _interleave(dataset: str) -> list[str]:
    """Subjects of the published parts in turn, so that the first n of them cover all parts evenly."""
    columns = PARTS[dataset].values()
    longest = max(len(column) for column in columns)
    return [column[row] for row in range(longest) for column in columns if row < len(column)]


def _gft_ids() -> list[str]:
    return [f"{group:03d}{seat}" for group in range(1, 33) for seat in "ABC"]


def _affwild2_ids(count: int) -> Iterator[str]:
    for index in range(count):
        pair, place = divmod(index, 6)
        suffix = {4: "_left", 5: "_right"}.get(place, "")
        number = 10 * pair + min(place, 4) + 1
        yield f"video{number}{suffix}" if place % 2 == 0 or suffix else f"{number}-30-1280x720"


def _some_rows(recording: Recording, purpose: str, share: float) -> np.ndarray:
    """Row numbers, about `share` of the recording and at least one; none if it is shorter than ten frames."""
    count = math.ceil(share * recording.frames) if recording.frames >= 10 else 0
    return recording.draw(purpose).choice(recording.frames, count, replace=False)


def _write_images(folder: Path, recording: Recording, names: list[str | None], tick: Tick) -> None:
    """Write the frames as `<name>.jpg`; a frame whose name is None is left out."""
    folder.mkdir(parents=True)
    frames = iter(names)
    for batch in recording.images():
        for image, name in zip(batch, frames, strict=False):
            if name is not None:
                Image.fromarray(image).save(folder / f"{name}.jpg", quality=JPEG_QUALITY)
        tick(len(batch))


def _write_table(path: Path, rows: np.ndarray, header: list[str] | None = None) -> None:
    lines = [",".join(header)] if header else []
    _write_lines(path, lines + [",".join(map(str, row)) for row in rows.tolist()])


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
