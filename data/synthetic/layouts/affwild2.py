"""Aff-Wild2 in the forms of five ABAW challenges: text files of labels, and crops where a face was found."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.catalog import AFFWILD2
from data.synthetic.layouts._files import Tick, write_images, write_table
from data.synthetic.layouts._shapes import Shape, lengths, videos
from data.synthetic.recordings import Recording, TreePlan, some_rows


@dataclass(frozen=True)
class Annotations:
    """Where a challenge keeps its labels, and what it codes."""

    folder: str
    train: str = "Train_Set"
    aus: tuple[int, ...] = AFFWILD2.aus


ANNOTATIONS = {
    "": Annotations("6th ABAW Annotations/AU_Detection_Challenge"),
    "abaw1": Annotations("annotations/AU_Set", "Training_Set", (1, 2, 4, 6, 12, 15, 20, 25)),
    "abaw2": Annotations("annotations/AU_Set"),
    "abaw3": Annotations("3rd_ABAW_Annotations/AU_Detection_Challenge"),
    "abaw8": Annotations("8th ABAW Annotations/AU_Detection_Challenge"),
}


# Quoted from the literature and not verified, for the labels of the test videos are not public.
# How the rows are spread over the videos is a guess.
_VIDEOS, _ROWS, _LENGTHS = 541, 2_627_632, (300, 9_400)


def subjects() -> list[str]:
    """Names of both kinds that are in use, and videos of two persons."""
    return [_video_name(index) for index in range(_VIDEOS)]


def _video_name(index: int) -> str:
    group, place = divmod(index, 6)
    suffix = {4: "_left", 5: "_right"}.get(place, "")
    number = 10 * group + min(place, 4) + 1
    return f"video{number}{suffix}" if place % 2 == 0 or suffix else f"{number}-30-1280x720"


def shapes(draw: np.random.Generator) -> list[Shape]:
    """One recording a video."""
    return videos(subjects(), lengths(_VIDEOS, _ROWS, _LENGTHS, draw))


def recordings(plan: TreePlan, subjects: list[str]) -> list[Recording]:
    """One person a video; `_left` and `_right` are two persons of the same video."""
    return [Recording(plan, video, "video", plan.sequences * plan.frames) for video in subjects]


def write(root: Path, recordings: list[Recording], tick: Tick) -> None:
    """Crops and labels, and the litter of a file manager."""
    for index, recording in enumerate(recordings):
        validates = index % 4 == 3 or (index == 1 and len(recordings) < 4)
        _video(root, recording, validates, tick)
    for folder in (root / "cropped_aligned", root / "cropped_aligned" / recordings[0].subject):
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def _video(root: Path, recording: Recording, validates: bool, tick: Tick) -> None:
    kept = ANNOTATIONS[recording.plan.variant]
    lost = set(some_rows(recording, "no face found", 0.01).tolist())
    names = [None if i in lost else f"{number:05d}" for i, number in enumerate(recording.numbers)]
    write_images(root / "cropped_aligned" / recording.subject, recording, names, tick)
    labels = recording.occurrence(kept.aus)
    labels[some_rows(recording, "invalid", 0.02)] = -1
    folder = root / kept.folder / ("Validation_Set" if validates else kept.train)
    write_table(folder / f"{recording.subject}.txt", labels, [f"AU{au}" for au in kept.aus])
