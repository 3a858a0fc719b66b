"""What a complete copy of a dataset holds when it is read in a given way: `data/doctor/checks.py` compares with it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from data.catalog import CATALOG
from data.dataset import Dataset, Expected


def expected(dataset: str, options: Mapping[str, object], alignment: str) -> Expected | None:
    """What is known about `dataset` as read with `options` and cropped by `alignment`; None for drawn faces."""
    row = CATALOG.get(dataset)
    if row is None or row.expected is None:
        return None
    # published base rates hold for the published threshold alone
    published = options.get("threshold", row.threshold) == row.threshold
    rates = {au: round(100 * rate, 1) for au, rate in row.rates.items()} if published else {}
    known = replace(row.expected, parts=row.parts, rates=rates)
    if row.untracked and alignment == "landmarks":
        lost = {"no landmarks": sum(row.untracked.values())}
        known = replace(known, left_out=lost, left_out_of={"no landmarks": row.untracked})
    return _with_bad_landmarks(known, row, options, alignment) if row.badly_tracked else known


def _with_bad_landmarks(known: Expected, row: Dataset, options: Mapping[str, object], alignment: str) -> Expected:
    bad: Counter[str] = Counter()
    for subject, first, last in row.bad_spans():
        bad[subject] += last - first + 1
    if options.get("frame_set") == "tracked":
        return replace(known, left_out={"bad landmarks": bad.total()})
    if alignment not in ("landmarks", "box"):  # other faces do not come from these landmarks
        return known
    ((subject, most),) = bad.most_common(1)
    hazard = f"the landmarks of {row.name} miss the face in {bad.total():,} frames, {most:,} of them of {subject}"
    return replace(known, hazards={hazard: "dataset.options.frame_set=tracked leaves them out"})
