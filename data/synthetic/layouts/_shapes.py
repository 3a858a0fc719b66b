"""How long the recordings of a tree of full size are."""

from collections.abc import Mapping

import numpy as np

Shape = tuple[str, str, int, int]  # subject, sequence, frames, label number of the first one


def in_turn(parts: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Subjects of the published parts in turn, so that the first n of them cover all parts evenly."""
    columns = parts.values()
    longest = max(len(column) for column in columns)
    return [column[row] for row in range(longest) for column in columns if row < len(column)]


def videos(subjects: list[str], lengths: list[int]) -> list[Shape]:
    """One recording a subject, numbered from 1."""
    return [(subject, "video", frames, 1) for subject, frames in zip(subjects, lengths, strict=True)]


def lengths(count: int, total: int, ends: tuple[int, int], draw: np.random.Generator) -> list[int]:
    """`count` whole numbers between `ends`, both of which occur, that add up to `total`."""
    drawn = draw.integers(ends[0], ends[1] + 1, count)
    drawn[:2] = ends
    while gap := total - int(drawn.sum()):
        step = 1 if gap > 0 else -1
        free = np.flatnonzero(drawn[2:] != ends[step > 0]) + 2
        drawn[draw.permutation(free)[: abs(gap)]] += step
    return [int(length) for length in draw.permutation(drawn)]
