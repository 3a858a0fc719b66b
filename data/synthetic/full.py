"""Trees as large as the real datasets: real counts and base rates, tiny pictures of `patterns.pattern`, no faces.

The counts are those of the catalog row; where base rates are published, a whole tree has exactly these.
"""

from dataclasses import replace

import torch

from data.catalog import CATALOG
from data.seeds import numpy_generator
from data.synthetic.actions import at_rarity, rarities
from data.synthetic.layouts import LAYOUTS
from data.synthetic.recordings import Recording, TreePlan


def full_recordings(plan: TreePlan, subjects: list[str]) -> list[Recording]:
    """The recordings of `subjects`, with the lengths that they have in the whole tree."""
    layout = LAYOUTS[plan.layout]
    places = {subject: place for place, subject in enumerate(layout.subjects())}
    found = [
        Recording(plan, subject, sequence, frames, first, places[subject])
        for subject, sequence, frames, first in layout.shapes(numpy_generator("full size", plan.layout, plan.seed))
        if subject in subjects
    ]
    return calibrate(found) if CATALOG[plan.layout].rates else found


def calibrate(recordings: list[Recording]) -> list[Recording]:
    """The recordings with intensities that have the dataset's base rates exactly, up to one frame, over all of them."""
    lengths = [recording.frames for recording in recordings]
    plan = recordings[0].plan
    rarity = torch.cat([rarities(plan.layout, r.frames, plan.seed, r.subject, r.sequence) for r in recordings])
    rank = rarity.argsort(dim=0).argsort(dim=0).double()
    intensity = at_rarity(plan.layout, (rank + 0.5) / len(rank)).split(lengths)
    return [replace(recording, calibrated=part) for recording, part in zip(recordings, intensity, strict=True)]
