"""DISFA: one video a subject for each camera, intensities in one file an AU; or published lists with crops."""

from pathlib import Path

import numpy as np

from data.catalog import DISFA
from data.synthetic.identity import AUS
from data.synthetic.layouts._files import Tick, write_images, write_table, write_videos
from data.synthetic.layouts._lists import Listed, list_lines, write_fold_lists
from data.synthetic.layouts._points import write_disfa_points
from data.synthetic.layouts._shapes import Shape, in_turn, videos
from data.synthetic.recordings import Recording, TreePlan

_CODED = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
_SUBJECTS = sorted(subject for part in DISFA.parts.values() for subject in part)
SHORTER = "SN010"  # by one frame


def subjects() -> list[str]:
    """Those of the published parts."""
    return in_turn(DISFA.parts)


def shapes(draw: np.random.Generator) -> list[Shape]:
    """One recording a subject, of one length but for one of them."""
    assert DISFA.expected
    assert DISFA.expected.lengths
    shortest, longest = DISFA.expected.lengths
    return videos(subjects(), [shortest if subject == SHORTER else longest for subject in subjects()])


def recordings(plan: TreePlan, subjects: list[str]) -> list[Recording]:
    """One a subject."""
    return [Recording(plan, subject, "video", plan.sequences * plan.frames) for subject in subjects]


def write(root: Path, recordings: list[Recording], tick: Tick) -> None:
    """The tree of the variant that the recordings' plan names."""
    if recordings[0].plan.variant == "lists":
        frames: Listed = {}
        for recording in recordings:
            frames[recording.subject] = _crops(root / "img", recording, tick)
        write_fold_lists(root / "list", DISFA, frames)
    else:
        for recording in recordings:
            _subject(root, recording, tick)


def _subject(root: Path, recording: Recording, tick: Tick) -> None:
    """The right camera sees what the left one sees, in a mirror."""
    subject, other = recording.subject, recording.plan.variant == "spellings"
    left = f"Videos_LeftCamera/LeftVideo{subject}_comp.avi"
    right = f"Video_RightCamera/RightVideo{subject}_Comp.avi"
    if other:
        left, right = f"video_leftcamera/leftvideo{subject}_Comp.AVI", f"Videos_rightCamera/Rightvideo{subject}.avi"
    write_videos([root / left, root / right], recording, tick)
    for au in _CODED:
        rows = np.stack([recording.numbers, recording.coded[:, AUS.index(au)]], axis=1)
        name = f"actionunit_labels/{subject}/{subject}_AU{au:02d}.txt" if other else (
            f"ActionUnit_Labels/{subject}/{subject}_au{au}.txt"
        )  # fmt: skip
        write_table(root / name, rows)
    if recording.plan.scene:
        folder = root / "Landmark_Points" / subject / "tmp_frame_lm"
        # a third of the subjects have files that are named in another way and count from 1
        write_disfa_points(folder, recording, from_one=_SUBJECTS.index(subject) % 3 == 2)


def _crops(root: Path, recording: Recording, tick: Tick) -> list[tuple[str, str]]:
    """Crops named from 0; the list pairs them with the label lines, which count from 1."""
    names = [str(number - 1) for number in recording.numbers]
    write_images(root / recording.subject, recording, names, tick, ".png")
    paths = [f"{recording.subject}/{name}.png" for name in names]
    return list_lines(paths, recording.occurrence(DISFA.aus))
