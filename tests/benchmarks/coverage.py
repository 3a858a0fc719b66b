"""Do the intervals cover? Subjects are drawn anew many times, and it is counted how often an interval holds the truth.

    python -m tests.benchmarks.coverage [draws] [subjects ...]          default: 200 draws; 12 24 41 60 subjects

Prints a Markdown table: for the mean over AUs of F1 (at 0.5) and AUC, mean of three folds, the share of draws whose
95 % interval holds the value of the population, for our interval and for plain percentiles, and its mean width. A
population is a detector's scores by subject: every subject has a base rate of its own (log-odds, sd 0.8), and scores
that are shifted (sd 0.5) and apart (1.6, sd 0.5) by amounts of its own; the base rates are those of BP4D.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from model import metrics
from study.evaluation import FIXED, Evaluation, tally
from study.predictions import Predictions, predictions_of
from study.stats import subject_interval
from study.thresholds import fixed_thresholds
from study.wins import won_pairs

RATES = (0.211, 0.171, 0.203, 0.461, 0.549, 0.594, 0.562, 0.466, 0.169, 0.343, 0.165, 0.151)  # BP4D
AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
FOLDS, FRAMES = 3, 60  # frames of a subject
METRICS = ("f1", "auc")


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


def frames_of(rng: np.random.Generator, subjects: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels [subjects, frames, A] of people drawn from the population."""
    people = (subjects, 1, len(AUS))
    rates = np.log(np.divide(RATES, 1 - np.array(RATES))) + rng.normal(0, 0.8, people)
    shift, apart = rng.normal(-0.9, 0.5, people), rng.normal(1.6, 0.5, people)
    labels = rng.random((subjects, frames, len(AUS))) < 1 / (1 + np.exp(-rates))
    scores = shift + apart * labels + rng.normal(0, 1, labels.shape)
    return 1 / (1 + np.exp(-scores)), labels.astype(np.int8)


def truth(people: int = 1_000_000) -> dict[str, float]:
    """The mean over AUs in the population: one frame of each of very many people."""
    probabilities, labels = (each[:, 0] for each in frames_of(numpy_generator("population"), people, 1))
    one = np.zeros(people, np.int64)
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
    return Evaluation((tally(parts, {FIXED: {fold: fixed_thresholds(AUS) for fold in parts}}),), replicates)


def _part(rng: np.random.Generator, fold: str, people: int) -> Predictions:
    probabilities, labels = (each.reshape(-1, len(AUS)) for each in frames_of(rng, people, FRAMES))
    names = [f"{fold}-{person:03d}" for person in range(people) for _ in range(FRAMES)]
    numbers = np.tile(np.arange(FRAMES, dtype=np.int32), people)
    table = pl.DataFrame({"subject": names, "frame": numbers}).with_columns(dataset=pl.lit("x"), sequence=pl.lit("1"))
    return predictions_of(table, probabilities, labels, AUS, "test")


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


def _summary(metric: str, subjects: int, ends: np.ndarray, known: float) -> Coverage:
    inside = (ends[:, ::2] <= known) & (known <= ends[:, 1::2])
    widths = (ends[:, 1::2] - ends[:, ::2]).mean(axis=0)
    ours, percentiles = (float(share) for share in inside.mean(axis=0))
    return Coverage(metric, subjects, len(ends), known, ours, float(widths[0]), percentiles, float(widths[1]))


def main(draws: int = 200, sizes: Sequence[int] = (12, 24, 41, 60)) -> None:
    """Print the table."""
    print("| metric | subjects | draws | truth | covered % | width | percentiles cover % | width |")
    print("|---|---|---|---|---|---|---|---|")
    known = truth()
    for size in sizes:
        for one in coverage(size, draws, known):
            ours = f"{100 * one.covered:.1f} | {100 * one.width:.1f}"
            percentiles = f"{100 * one.percentile_covered:.1f} | {100 * one.percentile_width:.1f}"
            print(f"| {one.metric} | {size} | {draws} | {100 * one.truth:.2f} | {ours} | {percentiles} |", flush=True)


if __name__ == "__main__":
    asked = [int(word) for word in sys.argv[1:]]
    main(asked[0] if asked else 200, asked[1:] or (12, 24, 41, 60))
