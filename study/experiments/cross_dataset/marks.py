"""What the detectors of a study get right on a target, subject by subject, and how sure that is.

A score is that of every detector by itself, then the mean over the seeds of a fold, then over folds; detectors are
never joined into one. Its interval is over the people of the target: each replicate draws them anew and scores all
detectors, of all studies, on the same draw. Detectors and thresholds are not drawn, they stay what they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.seeds import numpy_generator
from model.metrics import FN, FP, TN, TP, always_positive_f1, count_predictions, f1, ratio
from study.records.predictions import Predictions
from study.scoring.bootstrap import REPLICATES, Counts, Floats, mean, subject_draws, subject_weights
from study.scoring.exact_auc import sampled_wins, won_pairs

AUC, ALWAYS = "auc", "always_positive"  # beside "f1 <rule>", the numbers of a detector
Sampled = dict[str, Floats]  # number -> [1 + R, A]: as observed, then in every replicate


@dataclass(frozen=True, eq=False)
class People:
    """The people of a target, numbered, and the draws of them."""

    names: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]  # whom each fold of the target's own studies tests on

    def numbers(self, subjects: np.ndarray) -> np.ndarray:
        """The number of each of `subjects` [n]."""
        return np.searchsorted(np.array(self.names, dtype=str), subjects.astype(str))

    def drawn(self) -> Floats:
        """How often each is drawn, [1 + R, S]; in the first row once."""
        return _with_observed(subject_weights(len(self.names), numpy_generator("bootstrap", "transfer")))

    def drawn_by_part(self) -> dict[str, Floats]:
        """The same of each part by itself, [1 + R, S], 0 for all that are not in it; see `study.scoring.evaluation`."""
        sizes = {part: len(members) for part, members in self.parts.items()}
        found = {}
        for part, draws in subject_draws(sizes, numpy_generator("bootstrap", "test")).items():
            found[part] = np.zeros((1 + REPLICATES, len(self.names)))
            found[part][:, [self.names.index(name) for name in self.parts[part]]] = _with_observed(draws)
        return found


def _with_observed(weights: Floats) -> Floats:
    return np.vstack([np.ones(weights.shape[1]), weights])


@dataclass(frozen=True, eq=False)
class Marks:
    """One detector on frames of a target, in whole numbers by subject."""

    fold: str
    counts: Mapping[str, Counts]  # threshold rule -> [S, A, 4]
    wins: Counts  # [A, S, S], see `study.scoring.exact_auc`

    def sampled(self, weights: Floats) -> Sampled:
        """Its numbers [1 + R, A] for draws of the people [1 + R, S]."""
        found = {}
        for rule, counts in self.counts.items():
            drawn = np.tensordot(weights, counts.astype(float), axes=(1, 0))
            found[f"f1 {rule}"] = f1(drawn)
        found[ALWAYS] = always_positive_f1(drawn)
        active, inactive = drawn[..., TP] + drawn[..., FN], drawn[..., FP] + drawn[..., TN]
        won = np.stack([sampled_wins(wins, weights) for wins in self.wins], axis=1)
        return found | {AUC: ratio(won, 2 * active * inactive)}


def marks(fold: str, found: Predictions, people: People, thresholds: Mapping[str, Floats]) -> Marks:
    """Count the predictions of one detector at the thresholds [A] of every rule, where the AU is coded."""
    probabilities, labels, person = found.probabilities, found.labels, people.numbers(found.subjects)
    size = len(people.names)
    counts = {
        rule: _padded(count_predictions(probabilities, labels, person, at), size) for rule, at in thresholds.items()
    }
    wins = []
    for column in range(len(found.aus)):
        coded = labels[:, column] >= 0
        wins.append(won_pairs(probabilities[coded, column], labels[coded, column] == 1, person[coded], size))
    return Marks(fold, counts, np.array(wins).reshape(len(found.aus), size, size))


def _padded(counts: Counts, subjects: int) -> Counts:
    """Counts [S, A, 4] of all subjects; the last of them may have no frame."""
    return np.pad(counts, ((0, subjects - len(counts)), (0, 0), (0, 0)))


@dataclass(frozen=True, eq=False)
class SampledScores:
    """A study on a target: over all of its people, and fold by fold over those whom its own detectors test on."""

    aus: tuple[int, ...]
    whole: Sampled | None  # None on its own dataset, where every detector was trained on others of the people
    parts: Sampled | None  # None where no study of the target says what its parts are


def sampled_scores(aus: tuple[int, ...], detectors: Iterable[Marks], people: People, own: bool) -> SampledScores:
    """The mean over detectors; with `own`, each detector has marks only of the people that its fold tests on."""
    whole, parts = people.drawn(), people.drawn_by_part()
    everywhere: dict[str, list[Sampled]] = {}
    by_part: dict[str, dict[str, list[Sampled]]] = {part: {} for part in parts}
    for one in detectors:
        if not own:
            everywhere.setdefault(one.fold, []).append(one.sampled(whole))
        for part, weights in parts.items():
            if not own or part == one.fold:
                by_part[part].setdefault(one.fold, []).append(one.sampled(weights))
    means = [_mean_of_folds(folds) for folds in by_part.values() if folds]
    return SampledScores(aus, _mean_of_folds(everywhere) if everywhere else None, _mean(means) if means else None)


def _mean_of_folds(folds: Mapping[str, list[Sampled]]) -> Sampled:
    return _mean([_mean(seeds) for seeds in folds.values()])


def _mean(several: Sequence[Sampled]) -> Sampled:
    """Mean of each number over those for which it is defined."""
    return {name: mean(np.stack([one[name] for one in several]), 0) for name in several[0]}
