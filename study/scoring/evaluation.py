"""Evaluation: the one way from counts by subject to scores with intervals.

Any metric, at any threshold rule, of every AU and of their mean, with the subject bootstrap and the spread over seeds.
Two evaluations of the same subjects draw the same subjects in each replicate, so differences are paired.
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
from study.scoring.sampled import Sampled, ScoreRow, minus, runs_with_mean, sampled_rows, with_mean
from study.scoring.tally import People, Tally, tallies_of_cubes
from study.scoring.training import Runs, strata

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
TEST = ("bootstrap", "test")  # random stream that draws the subjects of test parts


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Tallies of detectors on the same subjects, in groups: the seeds of a selection, or of each training fold.

    A score is the mean over the tallies of a group, then over groups, then over parts. Every replicate draws the
    subjects of each part again; detectors and thresholds stay the same.
    """

    groups: tuple[tuple[Tally, ...], ...]
    parts: People = field(default_factory=dict)  # subjects by part; by default those of the tallies
    stream: tuple[str | int, ...] = TEST
    as_is: bool = False  # one detector that is compared as it is, not as one of many possible training runs
    replicates: int = REPLICATES
    # many metrics read the same sums, which take most of the time
    _summed: dict[str, list[Resampled]] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        first = self.groups[0][0]
        assert all((one.aus, one.people) == (first.aus, first.people) for group in self.groups for one in group)

    @property
    def aus(self) -> tuple[int, ...]:
        """AUs in the order of the axis A."""
        return self.groups[0][0].aus

    @property
    def people(self) -> People:
        """Subjects by part; the bootstrap draws within parts."""
        return self.parts or self.groups[0][0].people

    @property
    def rules(self) -> tuple[str, ...]:
        """Threshold rules that were counted."""
        return tuple(self.groups[0][0].counts)

    def has(self, metric: str, rule: str = FIXED_THRESHOLD) -> bool:
        """Whether the tallies have what this metric needs."""
        return self.groups[0][0].wins is not None if metric == "auc" else rule in self.rules

    def number(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Sampled:
        """The metric of every AU and of their mean: value, replicates, and value of each seed alone."""
        drawn = self.draws(metric, rule, aggregate)
        return Sampled(
            aus=self.aus,
            values=with_mean(drawn.point),
            replicates=with_mean(drawn.replicates),
            by_seed=with_mean(self.by_seed(metric, rule, aggregate)),
            trained=() if self.as_is else (self._runs(metric, rule, aggregate),),
            people=sum(map(len, self.people.values())),
            parts=len(self.people),
            seeds=self._seeds,
            within=(-1.0, 1.0) if metric in _SIGNED else (0.0, 1.0),
        )

    def _runs(self, metric: str, rule: str, aggregate: str) -> Runs:
        """What each training run adds to `draws`. A detector of a selection belongs to one part, others to all."""
        function, parts = _function(metric), self._resampled(metric, rule, aggregate)
        observed = _padded([[function(counts) for counts in part.observed.values()] for part in parts])
        drawn = _padded([[function(counts) for counts in part.drawn.values()] for part in parts])
        return runs_with_mean(Runs(*(strata(values, spanning=bool(self.parts)) for values in (observed, drawn))))

    @cached_property
    def _seeds(self) -> int:
        """Training runs of the fold with the fewest."""
        parts = self._places.values()
        counted = [sum(bool(one.classes()[place].any()) for one in group) for group in self.groups for place in parts]
        return min(filter(None, counted), default=0)

    def draws(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Draws:
        """The metric of every AU: value and replicates."""
        function = _function(metric)
        parts = self._resampled(metric, rule, aggregate)
        if aggregate == "pooled":
            return parts[0].pooled(function)
        found = [part.mean_of_folds(function) for part in parts]
        point, replicates = ([getattr(one, name) for one in found] for name in ("point", "replicates"))
        return Draws(mean(np.stack(point), 0), mean(np.stack(replicates), 0))

    def by_seed(self, metric: str, rule: str = FIXED_THRESHOLD, aggregate: str = "folds") -> Floats:
        """The metric of each seed alone, [K, A]; [0, A] if a group lacks a seed."""
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
        """Indices on the axis S of the subjects of each part."""
        order = {name: at for at, name in enumerate(n for names in self.groups[0][0].people.values() for n in names)}
        return {part: np.array([order[name] for name in names], np.int64) for part, names in self.people.items()}

    @cached_property
    def _weights(self) -> dict[str, Floats]:
        sizes = {part: len(names) for part, names in self.people.items()}
        # a fixed seed: the same subjects for all evaluations, so that differences are paired
        return subject_draws(sizes, numpy_generator(*self.stream), self.replicates)

    def _resampled(self, metric: str, rule: str, aggregate: str) -> list[Resampled]:
        """The sums that the metric needs, for each part, or for all subjects together (pooled)."""
        what = f"{'pairs' if metric == 'auc' else rule} {aggregate}"
        if what not in self._summed:
            places, weights = [*self._places.values()], [*self._weights.values()]
            if aggregate == "pooled":
                places, weights = [np.concatenate(places)], [np.hstack(weights)]
            several = zip(places, weights, strict=True)
            sums = _pairs if metric == "auc" else _counts
            self._summed[what] = [sums(self.groups, rule, *one) for one in several]
        return self._summed[what]


def _padded(parts: Sequence[Sequence[Floats]]) -> Floats:
    """Values [..., K, A] of each part and group as one array [..., P, G, K, A]; NaN where a group lacks a seed."""
    most = max(values.shape[-2] for groups in parts for values in groups)

    def filled(values: Floats) -> Floats:
        lacking = np.full((*values.shape[:-2], most - values.shape[-2], values.shape[-1]), np.nan)
        return np.concatenate([values, lacking], axis=-2)

    return np.stack([np.stack([filled(values) for values in groups], axis=-3) for groups in parts], axis=-4)


def _function(metric: str) -> Metric:
    return _share_won if metric == "auc" else OF_COUNTS[metric]


def _counts(groups: Sequence[Sequence[Tally]], rule: str, place: np.ndarray, weights: Floats) -> Resampled:
    cubes = {str(at): np.stack([one.counts[rule][place] for one in group]) for at, group in enumerate(groups)}
    return reweighted(cubes, dict.fromkeys(cubes, weights))


def _pairs(groups: Sequence[Sequence[Tally]], rule: str, place: np.ndarray, weights: Floats) -> Resampled:
    """Twice the won pairs, and all pairs, of the subjects at `place`: observed [K, A, 2], resampled [R, K, A, 2]."""
    observed, drawn = {}, {}
    for at, group in enumerate(groups):
        once = np.ones((1, len(place)))
        # whole numbers: each weight is 1
        observed[str(at)] = _pair_sums(group, place, once)[0].astype(np.int64)
        drawn[str(at)] = _pair_sums(group, place, weights)
    return Resampled(observed, drawn)


def _pair_sums(group: Sequence[Tally], place: np.ndarray, weights: Floats) -> Floats:
    """Twice the won pairs and twice all pairs [R, K, A, 2], with weights [R, S] of the subjects at `place`."""
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
    """The evaluation of counts [K, S, A, 4] of each fold at threshold 0.5; it has no AUC."""
    return Evaluation((tallies_of_cubes(cubes, aus),), stream=stream)


def evaluation_of_scores(scores: Iterable[tuple[str, int, Score]]) -> Evaluation:
    """The evaluation of (fold, seed, score) of each detector, in any order; it has no AUC."""
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
    """Rows of each (metric, rule) in `columns`, by default all; `names` are further columns, the same in all rows."""
    return _table(evaluation.number, names, columns or [*_columns(evaluation)], aggregates)


def bias_table(oracle: Evaluation, nested: Evaluation, names: Mapping[str, object]) -> pl.DataFrame:
    """Scores of `oracle` minus those of `nested`, in paired replicates."""
    assert (oracle.aus, oracle.people) == (nested.aus, nested.people)
    names = {**names, "selection": BIAS, "against": "nested"}
    # the same configuration may be the best both by validation and on test
    return _table(
        lambda *of: minus(oracle.number(*of), nested.number(*of), same_runs=True),
        names,
        [*_columns(oracle)],
        AGGREGATES,
    )


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
    """Each metric with each rule that applies to it."""
    if evaluation.has("auc"):
        yield "auc", FIXED_THRESHOLD
    yield "always_positive", FIXED_THRESHOLD
    for metric in METRICS:
        if metric not in WITHOUT_THRESHOLD:
            yield from ((metric, rule) for rule in evaluation.rules)
