"""What each dataset holds as distributed: the numbers that `data/doctor/checks.py` holds a copy against.

Counted from the label lists that ME-GraphAU, AUNCE, MDHR and JAA-Net publish, which agree with each other. What only a
paper or a web page says, and nobody counted, is `unconfirmed`: a difference from it proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from data.folds import PARTS

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Expected:
    """One dataset; empty or None where nothing is known. `frames` are coded frames, before any is left out."""

    subjects: int
    sequences: int | None = None
    frames: int | None = None
    other_frames: Mapping[int, str] = field(default_factory=dict)  # sets of frames that others use, and who
    unconfirmed: frozenset[str] = frozenset()  # of subjects, sequences, frames
    names: tuple[str, ...] = ()  # of the subjects
    part_frames: Counts = field(default_factory=dict)
    rates: Mapping[int, float] = field(default_factory=dict)  # percent of the frames in which an AU is active
    fully_coded: bool = False  # every AU is coded in every frame
    contiguous: bool = False  # no sequence has a gap
    from_one: int | None = None  # sequences whose first frame is number 1
    lengths: tuple[int, int] | None = None  # frames of the shortest and of the longest sequence
    left_out: Mapping[str, int] = field(default_factory=dict)  # frames by reason
    left_out_of: Mapping[str, Counts] = field(default_factory=dict)  # by reason and "subject/sequence"
    hazards: Mapping[str, str] = field(default_factory=dict)  # what is known to be wrong with it, and what to do


def _names(dataset: str) -> tuple[str, ...]:
    return tuple(sorted(subject for part in PARTS[dataset].values() for subject in part))


def _by_au(aus: str, rates: str) -> dict[int, float]:
    return {int(au): float(rate) for au, rate in zip(aus.split(), rates.split(), strict=True)}


_BP4D_UNTRACKED = {  # coded frames for which BP4D has no landmarks; the list of JAA-Net lacks exactly these
    "F017/T3": 131,
    "F021/T3": 5,
    "F023/T6": 30,
    "M003/T5": 2,
    "M003/T7": 76,
    "M009/T4": 11,
    "M010/T6": 16,
}

_BP4D = Expected(
    subjects=41,
    sequences=328,
    frames=146_847,
    other_frames={146_576: "JAA-Net leaves out those without landmarks"},
    names=_names("bp4d"),
    part_frames={"part1": 50_631, "part2": 50_182, "part3": 46_034},
    rates=_by_au("1 2 4 6 7 10 12 14 15 17 23 24", "21.1 17.1 20.3 46.1 54.9 59.4 56.2 46.6 16.9 34.3 16.5 15.1"),
    fully_coded=True,
    contiguous=True,
    from_one=118,
    lengths=(90, 768),
)
_DISFA = Expected(
    subjects=27,
    sequences=27,
    frames=130_814,
    other_frames={126_144: "JAA-Net, AC2D and AU-Net leave out those with bad landmarks"},
    names=_names("disfa"),
    part_frames={"part1": 43_604, "part2": 43_605, "part3": 43_605},
    rates=_by_au("1 2 4 6 9 12 25 26", "5.0 4.3 15.2 7.9 4.2 12.9 27.7 8.8"),  # of intensity >= 2
    fully_coded=True,
    contiguous=True,
    from_one=27,
    lengths=(4844, 4845),
)
_DISFA_BADLY_TRACKED = 4_670
_GFT = Expected(subjects=96, sequences=96, frames=172_800, unconfirmed=frozenset({"sequences", "frames"}))
_AFFWILD2 = Expected(subjects=400, sequences=400, unconfirmed=frozenset({"subjects", "sequences"}))  # 295 + 105 videos


def expected(dataset: str, options: Mapping[str, object], alignment: str) -> Expected | None:
    """What is known about `dataset` as read with `options` and cropped by `alignment`; None for drawn faces."""
    if dataset == "bp4d" and alignment == "landmarks":
        lost = {"no landmarks": sum(_BP4D_UNTRACKED.values())}
        return replace(_BP4D, left_out=lost, left_out_of={"no landmarks": _BP4D_UNTRACKED})
    if dataset == "disfa":
        return _disfa(options, alignment)
    return {"bp4d": _BP4D, "gft": _GFT, "affwild2": _AFFWILD2}.get(dataset)


def _disfa(options: Mapping[str, object], alignment: str) -> Expected:
    known = _DISFA if options.get("threshold", 2) == 2 else replace(_DISFA, rates={})
    if options.get("frame_set") == "tracked":
        return replace(known, left_out={"bad landmarks": _DISFA_BADLY_TRACKED})
    hazard = f"the landmarks of DISFA miss the face in {_DISFA_BADLY_TRACKED:,} frames"
    advice = "dataset.options.frame_set=tracked leaves them out; 63 % of SN021 among them"
    return replace(known, hazards={hazard: advice}) if alignment in ("landmarks", "box") else known
