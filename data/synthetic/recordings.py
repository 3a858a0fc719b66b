"""One recording of one synthetic subject: what is coded, and its frames."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from data.seeds import generator, numpy_generator
from data.synthetic.actions import ACTIVE_AT, codes, flip, intensities
from data.synthetic.identity import AUS, Traits, identity, repeat
from data.synthetic.landmarks import landmarks
from data.synthetic.patterns import pattern
from data.synthetic.render import render
from data.synthetic.scene import move, paste, placements
from data.synthetic.style import STYLES, looks, poses

BATCH = 8  # fixed: how frames are grouped must not change a tree
FULL_BATCH = 256


@dataclass(frozen=True)
class TreePlan:
    """The arguments of `write_tree`; `size` in pixels. With `full`, `sequences` and `frames` are 0."""

    layout: str
    subjects: int
    sequences: int
    frames: int
    seed: int
    label_noise: float
    size: int
    variant: str = ""
    fault: str = ""
    scene: bool = False
    full: bool = False


@dataclass(frozen=True, eq=False)
class Recording:
    """`frames` frames of `subject`; every draw is named by layout, seed, subject and sequence.

    `first` is the label number of the first frame. `marker` goes into the pictures of a tree of full size, and
    `calibrated` [frames, A] replaces the intensities there.
    """

    plan: TreePlan
    subject: str
    sequence: str
    frames: int
    first: int = 1
    marker: int = 0
    calibrated: Tensor | None = None

    @cached_property
    def intensity(self) -> Tensor:
        """[frames, A] continuous, what the face shows."""
        if self.calibrated is not None:
            return self.calibrated
        return intensities(self.plan.layout, self.frames, self.plan.seed, self.subject, self.sequence)

    @cached_property
    def coded(self) -> np.ndarray:
        """[frames, A] whole intensities as written to label files, label noise included."""
        plan = self.plan
        # the face shows the true intensity: noise is in the labels alone
        return flip(codes(self.intensity), plan.layout, plan.label_noise, *self._names).astype(np.int8)

    def occurrence(self, aus: tuple[int, ...]) -> np.ndarray:
        """[frames, len(aus)] 0 or 1."""
        active = self.coded >= ACTIVE_AT[self.plan.layout]
        return active[:, [AUS.index(au) for au in aus]].astype(np.int64)

    @property
    def numbers(self) -> range:
        """The label number of each frame."""
        return range(self.first, self.first + self.frames)

    def draw(self, purpose: str) -> np.random.Generator:
        """A numpy generator for a detail of the files, e.g. which rows are not coded."""
        return numpy_generator(purpose, *self._names)

    def images(self) -> Iterator[np.ndarray]:
        """The frames in order, in batches [n, height, width, 3] uint8."""
        return self._patterns() if self.plan.full else self._faces()

    def landmarks(self) -> np.ndarray:
        """[frames, 68, 2] points of the face, iBUG order, in pixels of the images."""
        who = repeat(self._who, self.frames)
        points = landmarks(who, self.intensity, self._pose, self._look, self.plan.size)
        return move(points, self._placement) if self.plan.scene else points

    def _patterns(self) -> Iterator[np.ndarray]:
        for start in range(0, self.frames, FULL_BATCH):
            numbers = self.numbers[start : start + FULL_BATCH]
            yield np.stack([pattern(number, self.marker, self.plan.size) for number in numbers])

    def _faces(self) -> Iterator[np.ndarray]:
        pose, look = self._pose, self._look
        for first in range(0, self.frames, BATCH):
            part = slice(first, first + BATCH)
            action = self.intensity[part]
            shown = _cut(look, part)
            crops = render(repeat(self._who, len(action)), action, _cut(pose, part), shown, self.plan.size)
            yield paste(crops, self._placement[part], shown) if self.plan.scene else crops

    @cached_property
    def _who(self) -> Traits:
        return identity(self.plan.layout, self.plan.seed, self.subject)

    @cached_property
    def _pose(self) -> Traits:
        return poses(STYLES[self.plan.layout], self.frames, generator("pose", *self._names))

    @cached_property
    def _look(self) -> Traits:
        return looks(STYLES[self.plan.layout], self.frames, generator("look", *self._names))

    @cached_property
    def _placement(self) -> Tensor:
        return placements(self.frames, self.plan.size, generator("scene", *self._names))

    @property
    def _names(self) -> tuple[object, ...]:
        return self.plan.layout, self.plan.seed, self.subject, self.sequence


def some_rows(recording: Recording, purpose: str, share: float) -> np.ndarray:
    """Row numbers, about `share` of the recording and at least one; none if it is shorter than ten frames."""
    # a recording of few frames, as tests draw, keeps all of them
    count = math.ceil(share * recording.frames) if recording.frames >= 10 else 0
    return recording.draw(purpose).choice(recording.frames, count, replace=False)


def _cut(traits: Traits, part: slice) -> Traits:
    return {name: values[part] for name, values in traits.items()}
