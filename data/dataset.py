"""What can be known of a dataset: the row that `data/catalog.py` fills in once for each.

Readers get the row of the dataset that they read, so that none of them repeats a fact.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from data.faces.tables import Task
from data.frames import Reading

# Our folds are named by the part they hold out; what other code calls the fold that tests on that part.
FOLD_NUMBERS: dict[str, dict[str, str]] = {
    "part1": {"ME-GraphAU": "3", "AUNCE": "3", "MDHR": "3", "FG-Net": "0", "FMAE": "1", "JAA-Net": "combine_2_3"},
    "part2": {"ME-GraphAU": "2", "AUNCE": "2", "MDHR": "2", "FG-Net": "1", "FMAE": "2", "JAA-Net": "combine_1_3"},
    "part3": {"ME-GraphAU": "1", "AUNCE": "1", "MDHR": "1", "FG-Net": "2", "FMAE": "3", "JAA-Net": "combine_1_2"},
}


@dataclass(frozen=True)
class Expected:
    """A complete copy of one dataset; empty or None where nothing is known. `frames` are coded frames, used or not.

    What a paper or a web page says and nobody has counted is `unconfirmed`: a difference from it proves nothing.
    The last five fields depend on how the dataset is read: `data/doctor/expected.py` fills them in.
    """

    subjects: int
    sequences: int | None = None
    frames: int | None = None
    other_frames: Mapping[int, str] = field(default_factory=dict)  # sets of frames that others use, and who
    unconfirmed: frozenset[str] = frozenset()  # of subjects, sequences, frames
    part_frames: Mapping[str, int] = field(default_factory=dict)
    fully_coded: bool = False  # every AU is coded in every frame
    contiguous: bool = False  # no sequence has a gap
    from_one: int | None = None  # sequences whose first frame is number 1
    lengths: tuple[int, int] | None = None  # frames of the shortest and of the longest sequence
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rates: Mapping[int, float] = field(default_factory=dict)  # percent of the frames in which an AU is active
    left_out: Mapping[str, int] = field(default_factory=dict)  # frames by reason
    left_out_of: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by reason and "subject/sequence"
    hazards: Mapping[str, str] = field(default_factory=dict)  # what is known to be wrong with it, and what to do

    @property
    def names(self) -> tuple[str, ...]:
        """The subjects, as far as their names are known."""
        return tuple(sorted(subject for part in self.parts.values() for subject in part))


@dataclass(frozen=True)
class OwnLandmarks:
    """`folder(root)` finds the landmarks that come with a dataset, `tasks(folder, table)` says how to read them."""

    folder: Callable[[Path], Path]
    tasks: Callable[[Path, pl.DataFrame], Iterator[Task]]


@dataclass(frozen=True)
class ListForm:
    """How the published lists of a dataset's images (`data/readers/lists.py`) name their files and images."""

    prefix: str  # of the file names, lower case
    sequence: str  # regular expression of the folder of an image, with a group for subject and one for sequence
    example: str  # path of an image
    raw_labels: tuple[str, ...]  # folders of the dataset as distributed: where one is, lists are not read
    from_zero: bool = False  # images may count from 0, the label frames count from 1


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """All that is known of one dataset; `read(root, row, **options)` reads the tree as distributed.

    A dataset without AUs has no labels and is not divided: it is only pre-trained on.
    """

    name: str
    read: Callable[..., Reading]
    aus: tuple[int, ...] = ()  # the label set that the detection literature reports on, ascending
    threshold: int | None = None  # lowest intensity of an active AU in published results; None: coded as 0 and 1
    rates: Mapping[int, float] = field(default_factory=dict)  # published share of the frames in which an AU is active
    fold_scheme: str = ""  # parts, official or random<k>: the division when the user gives none
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # subjects of the parts that papers test on
    expected: Expected | None = None  # what `doctor=true` compares a copy with
    untracked: Mapping[str, int] = field(default_factory=dict)  # frames without landmarks, by "subject/sequence"
    badly_tracked: Mapping[str, str] = field(default_factory=dict)  # "first-last ..." frames with wrong landmarks
    landmarks: OwnLandmarks | None = None
    lists: ListForm | None = None
    shares_people_with: tuple[str, ...] = ()  # datasets that show some of the same people
    licence: str = ""  # one line: the owner, and what it allows
    images_are_free: bool = False  # its frames may be shown to anybody

    def bad_spans(self) -> Iterator[tuple[str, int, int]]:
        """Subject, first and last frame of every span of `badly_tracked`."""
        for subject, spans in self.badly_tracked.items():
            for first, last in (span.split("-") for span in spans.split()):
                yield subject, int(first), int(last)
