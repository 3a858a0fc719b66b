"""Trees as large as the real datasets: real counts and base rates, tiny pictures of `patterns.pattern`, no faces.

BP4D and DISFA have the published counts (see data/expected.py) and, taken whole, their published base rates exactly.
The counts of GFT are those of its web page. Those of Aff-Wild2 (541 label files, 2,627,632 rows) are quoted from the
literature and not verified; how its rows are spread over the files is a guess.
"""

from dataclasses import replace

import numpy as np
import torch

from data.folds import PARTS
from data.seeds import numpy_generator
from data.synthetic.actions import at_rarity, rarities
from data.synthetic.layouts import AFFWILD2_VIDEOS, subject_ids
from data.synthetic.recordings import Plan, Recording

Shape = tuple[str, str, int, int]  # subject, sequence, frames, label number of the first one

BP4D_FRAMES = {"part1": 50_631, "part2": 50_182, "part3": 46_034}
BP4D_TASKS = 8
BP4D_LENGTHS = (90, 768)
BP4D_FROM_ONE = 118  # sequences whose coded segment starts at label frame 1
BP4D_LATEST = 2_500
DISFA_FRAMES = 4_845
DISFA_SHORTER = "SN010"  # by one frame
GFT_FRAMES = 1_800
AFFWILD2_ROWS = 2_627_632
AFFWILD2_LENGTHS = (300, 9_400)
CALIBRATED = ("bp4d", "disfa")


def full_recordings(plan: Plan, subjects: list[str]) -> list[Recording]:
    """The recordings of `subjects`, with the lengths that they have in the whole tree."""
    found = [
        Recording(plan, subject, sequence, frames, first, subject_ids(plan.layout).index(subject))
        for subject, sequence, frames, first in _shapes(plan)
        if subject in subjects
    ]
    return calibrate(found) if plan.layout in CALIBRATED else found


def calibrate(recordings: list[Recording]) -> list[Recording]:
    """The recordings with intensities that have the dataset's base rates exactly, up to one frame, over all of them."""
    lengths = [recording.frames for recording in recordings]
    plan = recordings[0].plan
    rarity = torch.cat([rarities(plan.layout, r.frames, plan.seed, r.subject, r.sequence) for r in recordings])
    rank = rarity.argsort(dim=0).argsort(dim=0).double()
    intensity = at_rarity(plan.layout, (rank + 0.5) / len(rank)).split(lengths)
    return [replace(recording, calibrated=part) for recording, part in zip(recordings, intensity, strict=True)]


def _shapes(plan: Plan) -> list[Shape]:
    draw = numpy_generator("full size", plan.layout, plan.seed)
    if plan.layout == "bp4d":
        return _bp4d_shapes(draw)
    ids = subject_ids(plan.layout)
    if plan.layout == "affwild2":
        lengths = _lengths(AFFWILD2_VIDEOS, AFFWILD2_ROWS, AFFWILD2_LENGTHS, draw)
    elif plan.layout == "gft":
        lengths = [GFT_FRAMES] * len(ids)
    else:
        lengths = [DISFA_FRAMES - (subject == DISFA_SHORTER) for subject in ids]
    return [(subject, "video", frames, 1) for subject, frames in zip(ids, lengths, strict=True)]


def _bp4d_shapes(draw: np.random.Generator) -> list[Shape]:
    tasks = [f"T{number}" for number in range(1, BP4D_TASKS + 1)]
    frames: dict[str, list[int]] = {}
    for part, subjects in PARTS["bp4d"].items():
        lengths = _lengths(len(subjects) * BP4D_TASKS, BP4D_FRAMES[part], BP4D_LENGTHS, draw)
        frames |= {s: lengths[i * BP4D_TASKS : (i + 1) * BP4D_TASKS] for i, s in enumerate(subjects)}
    places = [(subject, task) for subject in subject_ids("bp4d") for task in range(BP4D_TASKS)]
    starts = draw.integers(2, BP4D_LATEST, len(places))
    starts[draw.choice(len(places), BP4D_FROM_ONE, replace=False)] = 1
    return [(s, tasks[task], frames[s][task], int(first)) for (s, task), first in zip(places, starts, strict=True)]


def _lengths(count: int, total: int, ends: tuple[int, int], draw: np.random.Generator) -> list[int]:
    """`count` whole numbers between `ends`, both of which occur, that add up to `total`."""
    lengths = draw.integers(ends[0], ends[1] + 1, count)
    lengths[:2] = ends
    while gap := total - int(lengths.sum()):
        step = 1 if gap > 0 else -1
        free = np.flatnonzero(lengths[2:] != ends[step > 0]) + 2
        lengths[draw.permutation(free)[: abs(gap)]] += step
    return [int(length) for length in draw.permutation(lengths)]
