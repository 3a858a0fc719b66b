"""Do the intervals cover? Subjects are drawn anew many times, and it is counted how often an interval holds the truth.

    python -m tests.benchmarks.coverage [draws] [subjects ...]          default: 200 draws; 12 24 41 60 subjects

Prints a Markdown table: for the mean over AUs of F1 (at 0.5) and AUC, the share of draws whose 95 % interval holds the
value of the population, for our interval and for plain percentiles, and its mean width. First of a final evaluation,
mean of three folds; then of three detectors of another dataset on all people (transfer), and of their F1 over that of
the people's own detectors (retention). A population is the scores of detectors by subject: every subject has a base
rate of its own (log-odds, sd 0.8), and scores that are shifted (sd 0.5) and apart (sd 0.5) by amounts of its own, on
top of what the detector shifts and tells apart; the base rates are those of BP4D.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from model import metrics
from model.metrics import ratio
from study.experiments.cross_dataset.marks import AUC, People, SampledScores, marks, sampled_scores
from study.records.predictions import Predictions, predictions_of
from study.scoring.bootstrap import mean, subject_interval
from study.scoring.evaluation import FIXED_THRESHOLD, Evaluation, tally
from study.scoring.exact_auc import won_pairs
from study.scoring.thresholds import fixed_thresholds

RATES = (0.211, 0.171, 0.203, 0.461, 0.549, 0.594, 0.562, 0.466, 0.169, 0.343, 0.165, 0.151)  # BP4D
AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
FOLDS, FRAMES = 3, 60  # frames of a subject
METRICS = ("f1", "auc")
NAMES = (f"f1 {FIXED_THRESHOLD}", AUC)  # of the same numbers in a transfer study
Detectors = Sequence[tuple[float, float]]
OWN = ((-0.9, 1.6),)  # shift, and how far active frames are apart from the others, of the detector of each fold
ELSEWHERE = ((-1.4, 1.1), (-0.9, 1.0), (-0.6, 0.9))  # the same of three detectors that were trained on other frames


@dataclass(frozen=True)
class Coverage:
    """Share of draws whose interval holds the population's value, and the mean width of the interval."""

    metric: str
    subjects: int
    draws: int
    truth: float
    covered: float
    width: float
    percentile_covered: float
    percentile_width: float


def frames_of(
    rng: np.random.Generator, subjects: int, frames: int, detectors: Detectors = OWN
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [D, subjects, frames, A] and labels [subjects, frames, A] of people drawn from the population."""
    people = (subjects, 1, len(AUS))
    rates = np.log(np.divide(RATES, 1 - np.array(RATES))) + rng.normal(0, 0.8, people)
    shift, apart = rng.normal(0, 0.5, people), rng.normal(0, 0.5, people)
    labels = rng.random((subjects, frames, len(AUS))) < 1 / (1 + np.exp(-rates))
    each = [own + shift + (far + apart) * labels + rng.normal(0, 1, labels.shape) for own, far in detectors]
    return 1 / (1 + np.exp(-np.stack(each))), labels.astype(np.int8)


def truth(detectors: Detectors = OWN, people: int = 1_000_000) -> dict[str, float]:
    """The mean over detectors and AUs in the population: one frame of each of very many people."""
    said, labels = frames_of(numpy_generator("population"), people, 1, detectors)
    found = [_truth_of(probabilities[:, 0], labels[:, 0]) for probabilities in said]
    return {metric: float(np.mean([one[metric] for one in found])) for metric in METRICS}


def _truth_of(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    people, one = len(labels), np.zeros(len(labels), np.int64)
    counts = metrics.count_predictions(probabilities, labels, one, fixed_thresholds(AUS))[0]
    areas = [
        won_pairs(probabilities[:, at], labels[:, at] == 1, one, 1)[0, 0] / 2 / active / (people - active)
        for at, active in enumerate(labels.sum(axis=0, dtype=np.int64))
    ]
    return {"f1": float(metrics.f1(counts).mean()), "auc": float(np.mean(areas))}


def drawn(rng: np.random.Generator, subjects: int, replicates: int) -> Evaluation:
    """The final evaluation of a detector a fold on people drawn from the population."""
    parts = {
        f"part{number}": _part(rng, f"part{number}", len(people))
        for number, people in enumerate(np.array_split(np.arange(subjects), FOLDS), start=1)
    }
    return Evaluation((tally(parts, {fold: {FIXED_THRESHOLD: fixed_thresholds(AUS)} for fold in parts}),), replicates)


def _part(rng: np.random.Generator, fold: str, people: int) -> Predictions:
    (probabilities,), labels = frames_of(rng, people, FRAMES)
    return _predictions([f"{fold}-{person:03d}" for person in range(people)], probabilities, labels)


def _predictions(names: Sequence[str], probabilities: np.ndarray, labels: np.ndarray) -> Predictions:
    """Of one detector on `FRAMES` frames of each of these people."""
    frames = np.tile(np.arange(FRAMES, dtype=np.int32), len(names))
    table = pl.DataFrame({"subject": np.repeat(names, FRAMES), "frame": frames})
    table = table.with_columns(dataset=pl.lit("x"), sequence=pl.lit("1"))
    return predictions_of(table, probabilities.reshape(-1, len(AUS)), labels.reshape(-1, len(AUS)), AUS, "test")


def transferred(rng: np.random.Generator, subjects: int) -> tuple[SampledScores, SampledScores]:
    """Three detectors of another dataset on people drawn from the population, and the people's own, a fold each."""
    said, labels = frames_of(rng, subjects, FRAMES, (*ELSEWHERE, *OWN))
    names = [f"{person:03d}" for person in range(subjects)]
    parts = {f"part{number}": part for number, part in enumerate(np.array_split(np.arange(subjects), FOLDS), start=1)}
    people = People(tuple(names), {part: tuple(names[at] for at in members) for part, members in parts.items()})
    fixed = {FIXED_THRESHOLD: fixed_thresholds(AUS)}
    visiting = [
        marks(part, _predictions(names, each, labels), people, fixed) for part, each in zip(parts, said, strict=False)
    ]
    own = [
        marks(part, _predictions([names[at] for at in members], said[-1][members], labels[members]), people, fixed)
        for part, members in parts.items()
    ]
    return sampled_scores(AUS, visiting, people, own=False), sampled_scores(AUS, own, people, own=True)


def coverage(subjects: int, draws: int, known: dict[str, float], replicates: int = 1_000) -> list[Coverage]:
    """How often the intervals of a final evaluation of `subjects` people hold what is `known` of the population."""
    ends: dict[str, list[tuple[float, ...]]] = {metric: [] for metric in METRICS}
    for draw in range(draws):
        found = drawn(numpy_generator("coverage", subjects, draw), subjects, replicates)
        for metric in METRICS:
            value, sampled = found.draws(metric).overall()
            percentiles = np.quantile(sampled, (0.025, 0.975))
            ends[metric].append((*subject_interval(value, sampled, subjects, FOLDS), *percentiles))
    return [_summary(metric, subjects, np.array(ends[metric]), known[metric]) for metric in METRICS]


def transfer_coverage(subjects: int, draws: int, own: dict[str, float], there: dict[str, float]) -> list[Coverage]:
    """The same of the intervals of a transfer study, where detectors of another dataset meet `subjects` people."""
    known = {f"transfer {metric}": there[metric] for metric in METRICS} | {"retention f1": there["f1"] / own["f1"]}
    ends: dict[str, list[tuple[float, ...]]] = {name: [] for name in known}
    for draw in range(draws):
        visiting, at_home = transferred(numpy_generator("transfer coverage", subjects, draw), subjects)
        assert visiting.whole
        assert visiting.parts
        assert at_home.parts
        whole = {metric: mean(visiting.whole[name], 1) for metric, name in zip(METRICS, NAMES, strict=True)}
        kept = ratio(mean(visiting.parts[NAMES[0]], 1), mean(at_home.parts[NAMES[0]], 1))
        for name, sampled, folds in zip(known, (*whole.values(), kept), (1, 1, FOLDS), strict=True):
            percentiles = np.quantile(sampled[1:], (0.025, 0.975))
            ends[name].append((*subject_interval(float(sampled[0]), sampled[1:], subjects, folds), *percentiles))
    return [_summary(name, subjects, np.array(ends[name]), known[name]) for name in known]


def _summary(metric: str, subjects: int, ends: np.ndarray, known: float) -> Coverage:
    inside = (ends[:, ::2] <= known) & (known <= ends[:, 1::2])
    widths = (ends[:, 1::2] - ends[:, ::2]).mean(axis=0)
    ours, percentiles = (float(share) for share in inside.mean(axis=0))
    return Coverage(metric, subjects, len(ends), known, ours, float(widths[0]), percentiles, float(widths[1]))


def main(draws: int = 200, sizes: Sequence[int] = (12, 24, 41, 60)) -> None:
    """Print the table."""
    print("| metric | subjects | draws | truth | covered % | width | percentiles cover % | width |")
    print("|---|---|---|---|---|---|---|---|")
    known, elsewhere = truth(), truth(ELSEWHERE)
    for size in sizes:
        for one in (*coverage(size, draws, known), *transfer_coverage(size, draws, known, elsewhere)):
            ours = f"{100 * one.covered:.1f} | {100 * one.width:.1f}"
            percentiles = f"{100 * one.percentile_covered:.1f} | {100 * one.percentile_width:.1f}"
            print(f"| {one.metric} | {size} | {draws} | {100 * one.truth:.2f} | {ours} | {percentiles} |", flush=True)


if __name__ == "__main__":
    asked = [int(word) for word in sys.argv[1:]]
    main(asked[0] if asked else 200, asked[1:] or (12, 24, 41, 60))
