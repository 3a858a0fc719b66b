"""Tally: the counts of detectors by subject, from which every score and interval is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from model import metrics
from study.records.predictions import Predictions
from study.records.score_table import FIXED_THRESHOLD
from study.scoring.bootstrap import Counts, Floats
from study.scoring.exact_auc import won_pairs

Thresholds = Mapping[str, Floats]  # rule -> [A]
People = Mapping[str, tuple[str, ...]]  # part -> its subjects


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of one detector, or of the detectors of one seed, one for each fold; S are the subjects of all parts."""

    aus: tuple[int, ...]
    people: People
    counts: Mapping[str, Counts]  # rule -> [S, A, 4]
    wins: Counts | None = None  # [A, S, S], see `study.scoring.exact_auc`; None when only counts were saved

    def classes(self) -> Counts:
        """Number of active and inactive frames of every subject, [S, A, 2]."""
        cells = next(iter(self.counts.values()))
        active, inactive = cells[..., [metrics.TP, metrics.FN]], cells[..., [metrics.FP, metrics.TN]]
        return np.stack([active.sum(-1), inactive.sum(-1)], axis=-1)


def tally(
    parts: Mapping[str, Predictions], thresholds: Mapping[str, Thresholds], people: People | None = None
) -> Tally:
    """Count the predictions of each part (fold) at the thresholds of each rule; parts have no subject in common.

    `people` may include subjects without frames; by default they are those of the predictions.
    """
    (aus,) = {part.aus for part in parts.values()}
    parts = {name: parts[name] for name in sorted(parts)}
    people = people or {name: tuple(part.frame["subject"].unique().sort()) for name, part in parts.items()}
    everyone = [person for names in people.values() for person in names]
    # a subject in two parts would be counted twice
    assert len({*everyone}) == len(everyone), "a subject is in two folds"
    order = pl.Enum(everyone)
    person = {
        name: part.frame["subject"].cast(order).to_physical().to_numpy().astype(np.int64)
        for name, part in parts.items()
    }
    rules = next(iter(thresholds.values()))
    said, truth = ({name: getattr(part, of) for name, part in parts.items()} for of in ("probabilities", "labels"))
    counts = {rule: np.zeros((len(everyone), len(aus), 4), np.int64) for rule in rules}
    for name in parts:
        for rule, cells in counts.items():
            found = metrics.count_predictions(said[name], truth[name], person[name], thresholds[name][rule])
            # `found` ends with the last subject that has a frame
            cells[: len(found)] += found
    wins = _wins([*said.values()], [*truth.values()], np.concatenate([*person.values()]), len(everyone))
    return Tally(aus, people, counts, wins)


def _wins(said: Sequence[np.ndarray], truth: Sequence[np.ndarray], person: np.ndarray, subjects: int) -> Counts:
    """Won pairs [A, S, S] of probabilities and labels [n, A] of each part."""
    found = []
    for at in range(said[0].shape[1]):  # one AU at a time bounds the memory
        probabilities, labels = (np.concatenate([matrix[:, at] for matrix in matrices]) for matrices in (said, truth))
        coded = labels >= 0
        found.append(won_pairs(probabilities[coded], labels[coded] == 1, person[coded], subjects))
    return np.array(found).reshape(len(found), subjects, subjects)


def tallies_of_cubes(cubes: Mapping[str, Counts], aus: tuple[int, ...]) -> tuple[Tally, ...]:
    """One tally for each seed from counts [K, S, A, 4] of each fold at threshold 0.5.

    Subjects are numbered. A fold may have fewer seeds than others: its counts are then 0, and its scores undefined.
    """
    people = {fold: tuple(f"{fold}/{number}" for number in range(cube.shape[1])) for fold, cube in cubes.items()}
    found = []
    for seed in range(max(len(cube) for cube in cubes.values())):
        by_fold = [cube[seed] if seed < len(cube) else np.zeros_like(cube[0]) for cube in cubes.values()]
        found.append(Tally(aus, people, {FIXED_THRESHOLD: np.concatenate(by_fold)}))
    return tuple(found)
