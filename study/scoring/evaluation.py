"""What detectors are worth on frames that they have not seen, and how much of it is chance.

An `Evaluation` is the one way from whole numbers by subject to a score: any metric, under any rule of thresholds, of
every AU and of their mean, with the bootstrap of subjects and the spread over seeds. Two evaluations of the same people
draw the same ones, so that the replicates of a difference are paired.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from model import metrics
from model.metrics import Score
from study.records.score_table import AGGREGATES, BIAS, FIXED_THRESHOLD, METRICS, scores_frame
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
)
from study.scoring.exact_auc import sampled_wins
from study.scoring.sampled import Sampled, ScoreRow, minus, sampled_rows, with_mean
from study.scoring.tally import People, Tally, tallies_of_cubes

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
_SIGNED = ("mcc", "lift")
TEST = ("bootstrap", "test")  # the name of the draws of the people of test parts


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Detectors on the same people, in groups of tallies: the seeds of a selection, or those of each training fold.

    A score is the mean over the tallies of a group, then over groups, then over parts. The people of each part are
    drawn anew in every replicate; the detectors and their thresholds stay what they are.
    """

    groups: tuple[tuple[Tally, ...], ...]
    parts: People = field(default_factory=dict)  # those of the tallies, unless given
    stream: tuple[str | int, ...] = TEST
    replicates: int = REPLICATES
    _summed: dict[str, list[Resampled]] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        first = self.groups[0][0]
        assert all((one.aus, one.people) == (first.aus, first.people) for group in self.groups for one in group)

    @property
    def aus(self) -> tuple[int, ...]:
        """AUs in the order of all axes A."""
        return self.groups[0][0].aus

    @property
    def people(self) -> People:
        """Who is drawn together."""
        return self.parts or self.groups[0][0].people

    @property
    def rules(self) -> tuple[str, ...]:
        """Threshold rules that were counted."""
        return tuple(self.groups[0][0].counts)

    def has(self, metric: str, rule: str = FIXED_THRESHOLD) -> bool:
        """Whether the tallies tell this number."""
        return self.groups[0][0].wins is not None if metric == "auc" else rule in self.rules

    def number(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Sampled:
        """The metric of every AU and of their mean, in every replicate, and as each seed alone gives it."""
        drawn = self.draws(metric, rule, aggregate)
        return Sampled(
            aus=self.aus,
            values=with_mean(drawn.point),
            replicates=with_mean(drawn.replicates),
            by_seed=with_mean(self.by_seed(metric, rule, aggregate)),
            people=sum(map(len, self.people.values())),
            parts=len(self.people),
            seeds=max(map(len, self.groups)),
            within=(-1.0, 1.0) if metric in _SIGNED else (0.0, 1.0),
        )

    def draws(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Draws:
        """The metric per AU, and in every replicate."""
        function = _function(metric)
        parts = self._resampled(metric, rule, aggregate)
        if aggregate == "pooled":
            return parts[0].pooled(function)
        found = [part.mean_of_folds(function) for part in parts]
        point, replicates = ([getattr(one, name) for one in found] for name in ("point", "replicates"))
        return Draws(mean(np.stack(point), 0), mean(np.stack(replicates), 0))

    def by_seed(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Floats:
        """The metric that each seed alone gives, [K, A]; [0, A] where seeds are missing somewhere."""
        if not self._complete:
            return np.empty((0, len(self.aus)))
        function = _function(metric)
        parts = [part.by_seed(function, aggregate == "pooled") for part in self._resampled(metric, rule, aggregate)]
        return mean(np.stack(parts), 0)

    @cached_property
    def _complete(self) -> bool:
        """Whether every group has every seed, with frames in every part."""
        classes = [one.classes() for group in self.groups for one in group]
        return len({*map(len, self.groups)}) == 1 and all(
            frames[place].any() for frames in classes for place in self._places.values()
        )

    @cached_property
    def _places(self) -> dict[str, np.ndarray]:
        """The people of each part on the axis S."""
        order = {name: at for at, name in enumerate(n for names in self.groups[0][0].people.values() for n in names)}
        return {part: np.array([order[name] for name in names], np.int64) for part, names in self.people.items()}

    @cached_property
    def _weights(self) -> dict[str, Floats]:
        sizes = {part: len(names) for part, names in self.people.items()}
        return subject_draws(sizes, numpy_generator(*self.stream), self.replicates)

    def _resampled(self, metric: str, rule: str, aggregate: str) -> list[Resampled]:
        """For each part, or for all people together, the sums of each group that the metric reads."""
        what = f"{'pairs' if metric == 'auc' else rule} {aggregate}"
        if what not in self._summed:
            places, weights = [*self._places.values()], [*self._weights.values()]
            if aggregate == "pooled":
                places, weights = [np.concatenate(places)], [np.hstack(weights)]
            several = zip(places, weights, strict=True)
            sums = _pairs if metric == "auc" else _counts
            self._summed[what] = [sums(self.groups, rule, *one) for one in several]
        return self._summed[what]


def _function(metric: str) -> Metric:
    return _share_won if metric == "auc" else OF_COUNTS[metric]


def _counts(groups: Sequence[Sequence[Tally]], rule: str, place: np.ndarray, weights: Floats) -> Resampled:
    cubes = {str(at): np.stack([one.counts[rule][place] for one in group]) for at, group in enumerate(groups)}
    return reweighted(cubes, dict.fromkeys(cubes, weights))


def _pairs(groups: Sequence[Sequence[Tally]], rule: str, place: np.ndarray, weights: Floats) -> Resampled:
    """Pairs of the people at `place`, won and all, both twice: as observed [K, A, 2], and resampled [R, K, A, 2]."""
    observed, drawn = {}, {}
    for at, group in enumerate(groups):
        once = np.ones((1, len(place)))
        observed[str(at)] = _pair_sums(group, place, once)[0].astype(np.int64)
        drawn[str(at)] = _pair_sums(group, place, weights)
    return Resampled(observed, drawn)


def _pair_sums(group: Sequence[Tally], place: np.ndarray, weights: Floats) -> Floats:
    """Won and all pairs, both twice, for weights [R, S] of the subjects at `place`: [R, K, A, 2]."""
    sums = np.empty((len(weights), len(group), len(group[0].aus), 2))
    for seed, one in enumerate(group):
        frames = np.tensordot(weights, one.classes()[place].astype(float), axes=1)  # [R, A, 2]
        sums[:, seed, :, 1] = 2 * frames.prod(axis=-1)
        assert one.wins is not None
        for at, wins in enumerate(one.wins):
            sums[:, seed, at, 0] = sampled_wins(wins[np.ix_(place, place)], weights)
    return sums


def _share_won(pairs: np.ndarray) -> np.ndarray:
    return metrics.ratio(pairs[..., 0], pairs[..., 1])


def evaluation_of_cubes(
    cubes: Mapping[str, Counts], aus: tuple[int, ...], stream: tuple[str | int, ...] = TEST
) -> Evaluation:
    """The evaluation of counts [K, S, A, 4] of each fold at threshold 0.5, which tell no AUC."""
    return Evaluation((tallies_of_cubes(cubes, aus),), stream=stream)


def evaluation_of_scores(scores: Iterable[tuple[str, int, Score]]) -> Evaluation:
    """The same from (fold, seed, score) of each detector, in whatever order they come."""
    ordered = sorted(scores, key=lambda one: one[:2])
    folds: dict[str, list[Counts]] = {}
    for fold, _, score in ordered:
        folds.setdefault(fold, []).append(score.counts)
    return evaluation_of_cubes({fold: np.stack(counts) for fold, counts in folds.items()}, ordered[0][2].aus)


def score_table(
    evaluation: Evaluation,
    names: Mapping[str, object],
    columns: Sequence[tuple[str, str]] = (),
    aggregates: Sequence[str] = AGGREGATES,
) -> pl.DataFrame:
    """Rows of each (metric, rule) of `columns`, of all that there are unless given; `names` say what they are of."""
    return _table(evaluation.number, names, columns or [*_columns(evaluation)], aggregates)


def bias_table(oracle: Evaluation, nested: Evaluation, names: Mapping[str, object]) -> pl.DataFrame:
    """Scores of `oracle` less those of `nested` on the same frames, in paired replicates, and over the same AUs."""
    assert (oracle.aus, oracle.people) == (nested.aus, nested.people)
    names = {**names, "selection": BIAS, "against": "nested"}
    return _table(lambda *of: minus(oracle.number(*of), nested.number(*of)), names, [*_columns(oracle)], AGGREGATES)


def _table(
    number: Callable[[str, str, str], Sampled],
    names: Mapping[str, object],
    columns: Sequence[tuple[str, str]],
    aggregates: Sequence[str],
) -> pl.DataFrame:
    rows: list[ScoreRow] = []
    for metric, rule in columns:
        for aggregate in aggregates:
            named = {**names, "rule": rule, "metric": metric, "aggregate": aggregate}
            rows += sampled_rows(number(metric, rule, aggregate), named)
    return scores_frame(rows)


def _columns(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """Every metric under every rule that it reads."""
    if evaluation.has("auc"):
        yield "auc", FIXED_THRESHOLD
    yield "always_positive", FIXED_THRESHOLD
    for metric in METRICS:
        if metric not in WITHOUT_THRESHOLD:
            yield from ((metric, rule) for rule in evaluation.rules)
