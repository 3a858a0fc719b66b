"""GFT. No public reader of its raw files exists, so this layout is this project's choice:

images/001A/1.jpg       1-based frame numbers, no padding
labels/001A.csv         header `frame,AU1,AU2,...`; one row a frame; 0, 1, or 9 (variant codes: 999) for not coded
train_subjects.txt      one subject a line; likewise test_subjects.txt
"""

from pathlib import Path

import numpy as np

from data.catalog import GFT
from data.synthetic.layouts._files import Tick, write_images, write_lines, write_table
from data.synthetic.layouts._shapes import Shape, videos
from data.synthetic.recordings import Recording, TreePlan, some_rows

_CODED = tuple(sorted((*GFT.aus, 5, 7, 9, 17)))
NOT_CODED = {"": 9, "codes": 999}


def subjects() -> list[str]:
    """Groups of three people."""
    return [f"{group:03d}{seat}" for group in range(1, 33) for seat in "ABC"]


def shapes(draw: np.random.Generator) -> list[Shape]:
    """One recording a subject, all of the same length."""
    assert GFT.expected
    assert GFT.expected.frames
    return videos(subjects(), [GFT.expected.frames // GFT.expected.subjects] * GFT.expected.subjects)


def recordings(plan: TreePlan, subjects: list[str]) -> list[Recording]:
    """One a subject."""
    return [Recording(plan, subject, "video", plan.sequences * plan.frames) for subject in subjects]


def write(root: Path, recordings: list[Recording], tick: Tick) -> None:
    """Images, labels with some frames not coded, and the lists of the official parts."""
    subjects = [recording.subject for recording in recordings]
    for recording in recordings:
        _subject(root, recording, tick)
    # every sixth subject, as 18 of 96; of few subjects the last
    test = [subject for index, subject in enumerate(subjects) if index % 6 == 5] or subjects[1:][-1:]
    write_lines(root / "train_subjects.txt", [subject for subject in subjects if subject not in test])
    write_lines(root / "test_subjects.txt", test)


def _subject(root: Path, recording: Recording, tick: Tick) -> None:
    names = [str(frame) for frame in recording.numbers]
    write_images(root / "images" / recording.subject, recording, names, tick)
    labels = recording.occurrence(_CODED)
    uncoded = NOT_CODED[recording.plan.variant]
    labels[some_rows(recording, "not coded", 0.02)] = uncoded
    labels[some_rows(recording, "one AU not coded", 0.01), 0] = uncoded
    header = ["frame", *(f"AU{au}" for au in _CODED)]
    write_table(root / "labels" / f"{recording.subject}.csv", np.column_stack([recording.numbers, labels]), header)
