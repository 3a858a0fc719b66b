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
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from model import metrics
from study.records.predictions import Predictions, predictions_of
from study.records.score_table import FIXED_THRESHOLD
from study.scoring.evaluation import Evaluation
from study.scoring.exact_auc import won_pairs
from study.scoring.sampled import Sampled, over
from study.scoring.tally import tally
from study.scoring.thresholds import fixed_thresholds

RATES = (0.211, 0.171, 0.203, 0.461, 0.549, 0.594, 0.562, 0.466, 0.169, 0.343, 0.165, 0.151)  # BP4D
AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
FOLDS, FRAMES = 3, 60  # frames of a subject
METRICS = ("f1", "auc")
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
    counted = tally(parts, {fold: {FIXED_THRESHOLD: fixed_thresholds(AUS)} for fold in parts})
    return Evaluation(((counted,),), replicates=replicates)


def _part(rng: np.random.Generator, fold: str, people: int) -> Predictions:
    (probabilities,), labels = frames_of(rng, people, FRAMES)
    return _predictions([f"{fold}-{person:03d}" for person in range(people)], probabilities, labels)


def _predictions(names: Sequence[str], probabilities: np.ndarray, labels: np.ndarray) -> Predictions:
    """Of one detector on `FRAMES` frames of each of these people."""
    frames = np.tile(np.arange(FRAMES, dtype=np.int32), len(names))
    table = pl.DataFrame({"subject": np.repeat(names, FRAMES), "frame": frames})
    table = table.with_columns(dataset=pl.lit("x"), sequence=pl.lit("1"))
    return predictions_of(table, probabilities.reshape(-1, len(AUS)), labels.reshape(-1, len(AUS)), AUS, "test")


def transferred(rng: np.random.Generator, subjects: int) -> tuple[Evaluation, Evaluation, Evaluation]:
    """Three detectors of another dataset on people drawn from the population: on all of them, and part by part.

    And the people's own detectors, a fold each.
    """
    said, labels = frames_of(rng, subjects, FRAMES, (*ELSEWHERE, *OWN))
    names = [f"{person:03d}" for person in range(subjects)]
    parts = {f"part{number}": part for number, part in enumerate(np.array_split(np.arange(subjects), FOLDS), start=1)}
    people = {part: tuple(names[at] for at in members) for part, members in parts.items()}
    fixed, everyone = {FIXED_THRESHOLD: fixed_thresholds(AUS)}, {"": tuple(names)}
    groups = tuple(
        (tally({"": _predictions(names, each, labels)}, {"": fixed}, everyone),)
        for _, each in zip(parts, said, strict=False)
    )
    own = {
        part: _predictions([names[at] for at in members], said[-1][members], labels[members])
        for part, members in parts.items()
    }
    at_home = Evaluation(((tally(own, dict.fromkeys(own, fixed), people),),))
    return Evaluation(groups, stream=("bootstrap", "transfer")), Evaluation(groups, parts=people), at_home


def coverage(subjects: int, draws: int, known: dict[str, float], replicates: int = 1_000) -> list[Coverage]:
    """How often the intervals of a final evaluation of `subjects` people hold what is `known` of the population."""
    ends: dict[str, list[tuple[float, ...]]] = {metric: [] for metric in METRICS}
    for draw in range(draws):
        found = drawn(numpy_generator("coverage", subjects, draw), subjects, replicates)
        for metric in METRICS:
            ends[metric].append(_ends(found.number(metric)))
    return [_summary(metric, subjects, np.array(ends[metric]), known[metric]) for metric in METRICS]


def transfer_coverage(subjects: int, draws: int, own: dict[str, float], there: dict[str, float]) -> list[Coverage]:
    """The same of the intervals of a transfer study, where detectors of another dataset meet `subjects` people."""
    known = {f"transfer {metric}": there[metric] for metric in METRICS} | {"retention f1": there["f1"] / own["f1"]}
    ends: dict[str, list[tuple[float, ...]]] = {name: [] for name in known}
    for draw in range(draws):
        whole, parts, at_home = transferred(numpy_generator("transfer coverage", subjects, draw), subjects)
        numbers = [*map(whole.number, METRICS), over(parts.number("f1"), at_home.number("f1"))]
        for name, number in zip(known, numbers, strict=True):
            ends[name].append(_ends(replace(number, compares=False)))
    return [_summary(name, subjects, np.array(ends[name]), known[name]) for name in known]


def _ends(number: Sampled) -> tuple[float, ...]:
    """The ends of our interval of the mean over AUs, then those of plain percentiles; there is one training run."""
    error = number.error()
    assert error is not None
    return (*error.interval, *np.quantile(number.replicates[:, -1], (0.025, 0.975)))


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
