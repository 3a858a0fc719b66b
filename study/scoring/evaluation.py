"""What final detectors are worth on frames that they have not seen, and how much of it is chance.

`tally` turns the predictions of one seed, a detector a fold, into whole numbers by subject. `Evaluation` puts the
seeds together: any metric, under any threshold rule, with the bootstrap of subjects. Two evaluations on the same
frames draw the same subjects, so that the replicates of a difference are paired.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from model import metrics
from study.records.predictions import Predictions
from study.records.score_table import AGGREGATES, BIAS, scores_frame
from study.scoring.bootstrap import (
    REPLICATES,
    Counts,
    Draws,
    Floats,
    Metric,
    Resampled,
    mean,
    reweighted,
    subject_draws,
    subject_interval,
)
from study.scoring.exact_auc import sampled_wins, won_pairs

OF_COUNTS: dict[str, Metric] = {
    "f1": metrics.f1,
    "balanced_accuracy": metrics.balanced_accuracy,
    "mcc": metrics.mcc,
    "accuracy": metrics.accuracy,
    "precision": metrics.precision,
    "recall": metrics.recall,
    "lift": metrics.lift,
    "always_positive": metrics.always_positive_f1,
}
WITHOUT_THRESHOLD = ("auc", "always_positive")
FIXED_THRESHOLD = "0.5"
_SIGNED = ("mcc", "lift")

Thresholds = Mapping[str, Floats]  # rule -> [A]


@dataclass(frozen=True, eq=False)
class Tally:
    """Whole numbers of one seed; the subjects of all folds one after another are the axes of `wins`."""

    aus: tuple[int, ...]
    people: dict[str, tuple[str, ...]]  # fold -> its S subjects
    counts: dict[str, dict[str, Counts]]  # rule -> fold -> [S, A, 4]
    wins: Counts  # [A, S, S], see `study.scoring.exact_auc`

    def classes(self) -> Counts:
        """Active and inactive frames of every subject, [S, A, 2]."""
        cells = np.concatenate([*next(iter(self.counts.values())).values()])
        active, inactive = cells[..., [metrics.TP, metrics.FN]], cells[..., [metrics.FP, metrics.TN]]
        return np.stack([active.sum(-1), inactive.sum(-1)], axis=-1)


def tally(parts: Mapping[str, Predictions], thresholds: Mapping[str, Thresholds]) -> Tally:
    """Count the predictions of each fold under each rule; the folds share their AUs and no subject."""
    (aus,) = {part.aus for part in parts.values()}
    people, numbers = {}, {}
    parts = {fold: parts[fold] for fold in sorted(parts)}
    for fold, part in parts.items():
        people[fold], numbers[fold] = _numbered(part)
    everyone = [person for names in people.values() for person in names]
    assert len(set(everyone)) == len(everyone), "a subject is in two folds"
    said, truth = ({fold: getattr(part, name) for fold, part in parts.items()} for name in ("probabilities", "labels"))
    counts = {
        rule: {
            fold: metrics.count_predictions(said[fold], truth[fold], numbers[fold], thresholds[fold][rule])
            for fold in parts
        }
        for rule in next(iter(thresholds.values()))
    }
    first = np.cumsum([0, *(len(names) for names in people.values())])
    person = np.concatenate([low + numbers[fold] for low, fold in zip(first, parts, strict=False)])
    return Tally(aus, people, counts, _wins([*said.values()], [*truth.values()], person, len(everyone)))


def _numbered(part: Predictions) -> tuple[tuple[str, ...], np.ndarray]:
    """Subjects by name, and the number of each frame's [n]."""
    names = part.frame["subject"].unique().sort()
    return tuple(names), part.frame["subject"].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)


def _wins(said: Sequence[np.ndarray], truth: Sequence[np.ndarray], person: np.ndarray, subjects: int) -> Counts:
    """Won pairs [A, S, S] of probabilities and labels [n, A] of each fold."""
    found = []
    for at in range(said[0].shape[1]):  # one AU at a time bounds the memory
        probabilities, labels = (np.concatenate([matrix[:, at] for matrix in matrices]) for matrices in (said, truth))
        coded = labels >= 0
        found.append(won_pairs(probabilities[coded], labels[coded] == 1, person[coded], subjects))
    return np.array(found)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Detectors of one selection, a tally a seed; all seeds scored the same frames."""

    tallies: tuple[Tally, ...]
    replicates: int = REPLICATES
    _summed: dict[str, Resampled] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        first = self.tallies[0]
        assert all((tally.aus, tally.people) == (first.aus, first.people) for tally in self.tallies)

    @property
    def aus(self) -> tuple[int, ...]:
        """AUs in the order of all axes A."""
        return self.tallies[0].aus

    @property
    def rules(self) -> tuple[str, ...]:
        """Threshold rules that were counted."""
        return tuple(self.tallies[0].counts)

    @property
    def subjects(self) -> dict[str, int]:
        """Number of subjects in each fold."""
        return {fold: len(names) for fold, names in self.tallies[0].people.items()}

    @cached_property
    def _weights(self) -> dict[str, Floats]:
        return subject_draws(self.subjects, numpy_generator("bootstrap", "test"), self.replicates)

    def draws(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Draws:
        """The metric per AU, and in every replicate."""
        numbers, function = self._numbers(metric, rule, aggregate)
        return numbers.pooled(function) if aggregate == "pooled" else numbers.mean_of_folds(function)

    def by_seed(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Floats:
        """The metric that each seed alone gives, [K, A]."""
        numbers, function = self._numbers(metric, rule, aggregate)
        return numbers.by_seed(function, pooled=aggregate == "pooled")

    def _numbers(self, metric: str, rule: str, aggregate: str) -> tuple[Resampled, Metric]:
        if metric != "auc":
            if rule not in self._summed:
                self._summed[rule] = self._counts(rule)
            return self._summed[rule], OF_COUNTS[metric]
        name = f"pairs {aggregate}"
        if name not in self._summed:
            self._summed[name] = self._pairs(aggregate)
        return self._summed[name], _share_won

    def _counts(self, rule: str) -> Resampled:
        cubes = {fold: np.stack([tally.counts[rule][fold] for tally in self.tallies]) for fold in self.subjects}
        return reweighted(cubes, self._weights)

    def _pairs(self, aggregate: str) -> Resampled:
        """Pairs won, and all pairs (both twice), in each fold, or among the frames of all folds."""
        if aggregate == "pooled":
            return _resampled_pairs({"": slice(None)}, {"": np.hstack([*self._weights.values()])}, self.tallies)
        ends = np.cumsum([*self.subjects.values()])
        places = {
            fold: slice(int(end) - number, int(end))
            for (fold, number), end in zip(self.subjects.items(), ends, strict=True)
        }
        return _resampled_pairs(places, self._weights, self.tallies)

    def numbers(self, metric: str, rule: str, aggregate: str) -> "Numbers":
        """The metric with its replicates, and the one that each seed alone gives."""
        return self.draws(metric, rule, aggregate), self.by_seed(metric, rule, aggregate)

    def scores(self, selection: str) -> pl.DataFrame:
        """Every metric, rule, aggregate and AU: rows of `study.records.score_table.SCORES`."""
        return _table(self, selection, self.numbers)


Numbers = tuple[Draws, Floats]


def bias(oracle: Evaluation, nested: Evaluation) -> pl.DataFrame:
    """Scores of `oracle` less those of `nested` on the same frames, in paired replicates, and over the same AUs."""
    assert (oracle.aus, oracle.subjects) == (nested.aus, nested.subjects)

    def difference(metric: str, rule: str, aggregate: str) -> Numbers:
        (one, one_by), (other, other_by) = (each.numbers(metric, rule, aggregate) for each in (oracle, nested))
        return Draws(one.point - other.point, one.replicates - other.replicates), one_by - other_by

    return _table(oracle, BIAS, difference)


def _table(evaluation: Evaluation, selection: str, numbers: Callable[[str, str, str], Numbers]) -> pl.DataFrame:
    rows: list[dict[str, object]] = []
    for metric, rule in _columns(evaluation.rules):
        within = (-1.0, 1.0) if metric in _SIGNED or selection == BIAS else (0.0, 1.0)
        for aggregate in AGGREGATES:
            names = {"selection": selection, "rule": rule, "metric": metric, "aggregate": aggregate}
            rows += [names | row for row in rows_of(evaluation, *numbers(metric, rule, aggregate), within)]
    return scores_frame(rows)


def _columns(rules: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from ((metric, FIXED_THRESHOLD) for metric in WITHOUT_THRESHOLD)
    yield from ((metric, rule) for metric in OF_COUNTS if metric not in WITHOUT_THRESHOLD for rule in rules)


def evaluate(
    parts: Mapping[str, Sequence[Predictions]],
    thresholds: Mapping[str, Sequence[Thresholds]],
    selection: str,
    replicates: int = REPLICATES,
) -> pl.DataFrame:
    """Scores of the detectors of each fold, one a seed, at the thresholds [A] of each fold, seed and rule."""
    (seeds,) = {len(predictions) for predictions in parts.values()}
    tallies = tuple(
        tally(
            {fold: predictions[seed] for fold, predictions in parts.items()},
            {fold: rules[seed] for fold, rules in thresholds.items()},
        )
        for seed in range(seeds)
    )
    return Evaluation(tallies, replicates).scores(selection)


def rows_of(
    evaluation: Evaluation, draws: Draws, by_seed: Floats, within: tuple[float, float]
) -> list[dict[str, object]]:
    """AU by AU, then the mean over AUs: value, its interval inside the metric's range, spread over several seeds."""
    people = sum(evaluation.subjects.values()), len(evaluation.subjects)
    overall, replicates = draws.overall()
    values = [*zip((*evaluation.aus, None), (*draws.point, overall), (*draws.replicates.T, replicates), strict=True)]
    spread = np.full(len(values), np.nan) if len(by_seed) < 2 else _spread(by_seed)
    rows: list[dict[str, object]] = []
    for (au, value, drawn), seed_sd in zip(values, spread, strict=True):
        low, high = np.clip(subject_interval(value, drawn, *people), *within)
        rows.append({"au": au, "value": value, "low": low, "high": high, "seed_sd": seed_sd})
    return rows


def _spread(by_seed: Floats) -> Floats:
    """Standard deviation over seeds [K, A] of each AU, and of the mean over AUs: [A + 1]."""
    return np.asarray(np.hstack([by_seed, mean(by_seed, 1)[:, None]]).std(axis=0, ddof=1))


def _share_won(pairs: np.ndarray) -> np.ndarray:
    return metrics.ratio(pairs[..., 0], pairs[..., 1])


def _resampled_pairs(places: Mapping[str, slice], weights: Mapping[str, Floats], tallies: Sequence[Tally]) -> Resampled:
    """Pairs of the subjects at each of `places` of the axis S: as observed [K, A, 2], and resampled [R, K, A, 2]."""
    observed, drawn = {}, {}
    for fold, place in places.items():
        once = np.ones((1, weights[fold].shape[1]))
        observed[fold] = _pair_sums(tallies, place, once)[0].astype(np.int64)
        drawn[fold] = _pair_sums(tallies, place, weights[fold])
    return Resampled(observed, drawn)


def _pair_sums(tallies: Sequence[Tally], place: slice, weights: Floats) -> Floats:
    """Won and all pairs, both twice, for weights [R, S] of the subjects at `place`: [R, K, A, 2]."""
    sums = np.empty((len(weights), len(tallies), len(tallies[0].aus), 2))
    for seed, one in enumerate(tallies):
        frames = np.tensordot(weights, one.classes()[place].astype(float), axes=1)  # [R, A, 2]
        sums[:, seed, :, 1] = 2 * frames.prod(axis=-1)
        for at, wins in enumerate(one.wins):
            sums[:, seed, at, 0] = sampled_wins(wins[place, place], weights)
    return sums
