"""One recording of one synthetic subject: what is coded, and its frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from data.seeds import generator, numpy_generator
from data.synthetic.actions import ACTIVE_AT, codes, flip, intensities
from data.synthetic.identity import AUS, Traits, identity, repeat
from data.synthetic.render import render
from data.synthetic.style import STYLES, looks, poses

BATCH = 8  # fixed: how frames are grouped must not change a tree


@dataclass(frozen=True)
class Plan:
    """The arguments of `write_tree`; `size` in pixels."""

    layout: str
    subjects: int
    sequences: int
    frames: int
    seed: int
    label_noise: float
    size: int


@dataclass(frozen=True)
class Recording:
    """`frames` frames of `subject`; every draw is named by layout, seed, subject and sequence."""

    plan: Plan
    subject: str
    sequence: str
    frames: int

    @cached_property
    def intensity(self) -> Tensor:
        """[frames, A] continuous, what the face shows."""
        return intensities(self.plan.layout, self.frames, self.plan.seed, self.subject, self.sequence)

    @cached_property
    def coded(self) -> np.ndarray:
        """[frames, A] whole intensities as written to label files, label noise included."""
        plan = self.plan
        return flip(codes(self.intensity), plan.layout, plan.label_noise, *self._names)

    def occurrence(self, aus: tuple[int, ...]) -> np.ndarray:
        """[frames, len(aus)] 0 or 1."""
        active = self.coded >= ACTIVE_AT[self.plan.layout]
        return active[:, [AUS.index(au) for au in aus]].astype(np.int64)

    def draw(self, purpose: str) -> np.random.Generator:
        """A numpy generator for a detail of the files, e.g. which rows are not coded."""
        return numpy_generator(purpose, *self._names)

    def images(self) -> Iterator[np.ndarray]:
        """The frames in order, in batches [n, size, size, 3] uint8."""
        plan, style = self.plan, STYLES[self.plan.layout]
        who = identity(plan.layout, plan.seed, self.subject)
        pose = poses(style, self.frames, generator("pose", *self._names))
        look = looks(style, self.frames, generator("look", *self._names))
        for first in range(0, self.frames, BATCH):
            part = slice(first, first + BATCH)
            action = self.intensity[part]
            yield render(repeat(who, len(action)), action, _cut(pose, part), _cut(look, part), plan.size)

    @property
    def _names(self) -> tuple[object, ...]:
        return self.plan.layout, self.plan.seed, self.subject, self.sequence


def _cut(traits: Traits, part: slice) -> Traits:
    return {name: values[part] for name, values in traits.items()}
