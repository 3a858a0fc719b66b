"""BP4D: images or videos, one occurrence table a task and intensities of five AUs; or published lists with crops."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from data.catalog import BP4D
from data.synthetic.identity import AUS
from data.synthetic.layouts._files import Tick, write_images, write_table, write_videos
from data.synthetic.layouts._lists import Listed, list_lines, write_fold_lists, write_part_lists
from data.synthetic.layouts._points import write_bp4d_points
from data.synthetic.layouts._shapes import Shape, in_turn, lengths
from data.synthetic.recordings import Recording, TreePlan, some_rows

_CODED = (*BP4D.aus, 5, 9, 20)
_COLUMNS = 28
_INTENSITY = (6, 10, 12, 14, 17)
TASKS = 8
_IMAGES = {"": "Sequences(2D+3D)", "plain": "", "fera": "BP4D-training"}
_OCCURRENCE = {"fera": "AU_OCC"}
_INTENSITIES = {"fera": "AU Intensity Codes3.0"}
FLAGGED = ("plain", "fera", "videos")  # variants whose last column says whether the face is occluded
VIDEO_TASKS = {"T1": "01", "T2": "03", "T3": "07", "T4": "08", "T5": "09", "T6": "10", "T7": "11", "T8": "13"}
LATEST = 10  # label frame with which the coded segment of a video starts at most
STARTS = ((1, 2), (2, 90), (100, 900), (1000, 2500))


LATEST_FULL = 2_500  # and that of any sequence of a tree of full size


def subjects() -> list[str]:
    """Those of the published parts."""
    return in_turn(BP4D.parts)


def shapes(draw: np.random.Generator) -> list[Shape]:
    """Eight tasks a subject, as many frames a part and as many sequences from label frame 1 as are published."""
    whole = BP4D.expected
    assert whole
    assert whole.lengths
    frames: dict[str, list[int]] = {}
    for part, people in BP4D.parts.items():
        drawn = lengths(len(people) * TASKS, whole.part_frames[part], whole.lengths, draw)
        frames |= {subject: drawn[i * TASKS : (i + 1) * TASKS] for i, subject in enumerate(people)}
    places = [(subject, task) for subject in subjects() for task in range(TASKS)]
    starts = draw.integers(2, LATEST_FULL, len(places))
    starts[draw.choice(len(places), whole.from_one, replace=False)] = 1
    return [
        (subject, f"T{task + 1}", frames[subject][task], int(first))
        for (subject, task), first in zip(places, starts, strict=True)
    ]


def recordings(plan: TreePlan, subjects: list[str]) -> list[Recording]:
    """A third of the sequences start at label frame 1; videos do, whatever part of them is coded."""
    found = [
        Recording(plan, subject, f"T{number}", plan.frames)
        for subject in subjects
        for number in range(1, plan.sequences + 1)
    ]
    if plan.variant == "videos":
        return [replace(recording, frames=recording.frames + _lead(recording)) for recording in found]
    return [replace(recording, first=_numbering(recording)[0]) for recording in found]


def write(root: Path, recordings: list[Recording], tick: Tick) -> None:
    """The tree of the variant that the recordings' plan names."""
    variant = recordings[0].plan.variant
    if variant == "lists":
        frames = _crops(root / "img", "", 0, recordings, tick)
        write_fold_lists(root / "list", BP4D, frames)
    elif variant == "jaa":
        frames = _crops(root / "imgs", "BP4D/", 4, recordings, tick)
        write_part_lists(root / "list", BP4D, frames)
    else:
        for recording in recordings:
            _sequence(root, recording, tick)


def _sequence(root: Path, recording: Recording, tick: Tick) -> None:
    """Label frames count from 1, images from 0: image N shows label frame N + 1; a video starts at frame 1."""
    variant = recording.plan.variant
    coded = slice(None)
    if variant == "videos":
        coded = slice(_lead(recording), None)
        gender, number = recording.subject[0], recording.subject[2:]
        name = f"2{gender}{number}_{VIDEO_TASKS[recording.sequence]}.avi"
        write_videos([root / "2D Videos" / name], recording, tick)
    else:
        digits = _numbering(recording)[1]
        folder = root / _IMAGES[variant] / recording.subject / recording.sequence
        write_images(folder, recording, [f"{number - 1:0{digits}d}" for number in recording.numbers], tick)
    _tables(root, recording, coded)
    if recording.plan.scene:
        write_bp4d_points(root / "2DFeatures" / f"{recording.subject}_{recording.sequence}.mat", recording)


def _tables(root: Path, recording: Recording, coded: slice) -> None:
    variant, name = recording.plan.variant, f"{recording.subject}_{recording.sequence}"
    table = np.full((recording.frames, _COLUMNS + 1), 9)  # real tables have whole columns that are not coded
    table[:, 0] = recording.numbers
    table[:, _CODED] = recording.occurrence(_CODED)
    if variant in FLAGGED or recording.plan.full:
        table[:, -1] = 0
    if variant in FLAGGED:
        table[some_rows(recording, "occluded", 0.02), -1] = 1
    header = [str(column) for column in range(_COLUMNS + 1)]
    write_table(root / _OCCURRENCE.get(variant, "AUCoding/AU_OCC") / f"{name}.csv", table[coded], header)
    for au in _INTENSITY:
        levels = np.stack([table[:, 0], recording.coded[:, AUS.index(au)]], axis=1)
        folder = root / _INTENSITIES.get(variant, "AUCoding/AU_INT") / f"AU{au:02d}"
        write_table(folder / f"{name}_AU{au:02d}.csv", levels[coded])


def _numbering(recording: Recording) -> tuple[int, int]:
    """First label frame and the least number of digits in image names."""
    draw = recording.draw("numbering")
    low, high = STARTS[draw.choice(len(STARTS), p=(0.36, 0.14, 0.22, 0.28))]
    return int(draw.integers(low, high)), int(draw.choice((2, 3, 4)))


def _lead(recording: Recording) -> int:
    """How many frames of a video come before the coded ones."""
    return min(_numbering(recording)[0], LATEST) - 1


def _crops(root: Path, prefix: str, digits: int, recordings: list[Recording], tick: Tick) -> Listed:
    """Crops named by label frame; returns their paths below `root` and their labels."""
    frames: Listed = {}
    for recording in recordings:
        folder = f"{prefix}{recording.subject}/{recording.sequence}"
        # lists that people share were made from renamed images: their numbers are those of the labels
        names = [f"{number:0{digits}d}" for number in recording.numbers]
        write_images(root / folder, recording, names, tick)
        labels = recording.occurrence(BP4D.aus)
        paths = [f"{folder}/{name}.jpg" for name in names]
        frames.setdefault(recording.subject, []).extend(list_lines(paths, labels))
    return frames
