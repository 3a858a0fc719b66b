"""Exact AUC: the share of pairs of an active and an inactive frame that are in the right order ("won").

The matrix U of won pairs between subjects gives the AUC of every bootstrap sample: with P active and N inactive frames
of each subject, and a sample that draws subject s `w[s]` times, AUC = w' U w / (2 (w' P) (w' N)).
"""

import numpy as np

from study.scoring.bootstrap import Counts, Floats

WINDOW = 32  # pairs within blocks of this many frames are compared one by one, pairs of blocks by counts
BLOCKS = 4096  # blocks in memory at once


def won_pairs(probabilities: np.ndarray, active: np.ndarray, person: np.ndarray, subjects: int) -> Counts:
    """Twice the number of won pairs of an active frame of subject s and an inactive frame of subject t, int64 [S, S].

    Of each frame [n]: probability, whether it is active, number of the subject. A tie counts half.
    """
    if not len(probabilities):
        return np.zeros((subjects, subjects), np.int64)
    # sorted once, O(n log n); comparing all pairs would be O(n^2)
    order = np.argsort(probabilities, kind="stable")
    ordered, active, person = probabilities[order], active[order], person[order].astype(np.int32)
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    block, mixed = _blocks(first)
    wins = _between_blocks(block, active, person, subjects)
    return wins + _within_blocks(np.cumsum(first, dtype=np.int32), block, mixed, active, person, subjects)


def _blocks(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The block of each frame [n], and whether that block has several values; `first` marks the first frame of a value.

    Frames with the same value are in one block; a block with several values is shorter than two windows.
    """
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=len(first))
    window, large = starts // WINDOW, sizes > WINDOW
    opens = np.ones(len(starts), dtype=bool)
    opens[1:] = (window[1:] != window[:-1]) | large[1:]
    block = np.cumsum(opens) - 1
    several = np.bincount(block) > 1
    return np.repeat(block, sizes), np.repeat(several[block], sizes)


def _between_blocks(block: np.ndarray, active: np.ndarray, person: np.ndarray, subjects: int) -> Counts:
    """Twice the won pairs [S, S], as if all frames of a block were tied."""
    total, below = np.zeros((subjects, subjects)), np.zeros(subjects)
    for low in range(0, int(block[-1]) + 1, BLOCKS):
        rows = slice(*np.searchsorted(block, [low, low + BLOCKS]))
        place = (block[rows] - low) * subjects + person[rows]
        up, down = (
            np.bincount(place[active[rows] == is_active], minlength=BLOCKS * subjects).reshape(BLOCKS, subjects)
            for is_active in (True, False)
        )
        lower = below + np.cumsum(down, axis=0) - down
        total += up.T.astype(float) @ (2 * lower + down)  # float64 holds these whole numbers, and multiplies fast
        below += down.sum(axis=0)
    return total.astype(np.int64)


def _within_blocks(
    rank: np.ndarray, block: np.ndarray, mixed: np.ndarray, active: np.ndarray, person: np.ndarray, subjects: int
) -> Counts:
    """The correction [S, S] for frames of a block that are not tied: 1 for a won pair, -1 for a lost one."""
    total = np.zeros(subjects * subjects, np.int64)
    block = np.where(mixed, block, -1 - np.arange(len(block))).astype(np.int32)  # where all are tied, no pair counts
    for apart in range(1, 2 * WINDOW):
        together = block[apart:] == block[:-apart]
        if not together.any():
            break
        lower = np.flatnonzero(together & (active[apart:] != active[:-apart]))
        lower = lower[rank[lower] != rank[lower + apart]]
        won = active[lower + apart]
        for up, down, worth in ((lower[won] + apart, lower[won], 1), (lower[~won], lower[~won] + apart, -1)):
            total += worth * np.bincount(person[up] * subjects + person[down], minlength=subjects**2)
    return total.reshape(subjects, subjects)


def sampled_wins(wins: Counts, weights: Floats) -> Floats:
    """`w' U w` [R] for the won pairs U [S, S] and weights [R, S]."""
    return np.asarray(((weights @ wins.astype(float)) * weights).sum(axis=1))
