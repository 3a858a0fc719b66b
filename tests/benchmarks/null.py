"""Do two equal methods differ? Each kind of comparison that prints a p-value, on people and training runs drawn anew.

    python -m tests.benchmarks.null [repeats] [kind ...]       default: 1000 repeats (a fifth of them for power), all

Prints a Markdown table: of so many studies of two methods with one distribution of training runs, the share with
p < 0.05 when only people are resampled and with ours, how often our intervals of one method's score and of the
difference hold the truth, and the share with p < 0.05 when one method is truly 2 or 5 points better. `seed sd` is what
a study would see: the standard deviation over seeds of the mean F1 of one fold.

- final: detectors of three folds, each on its test people, as in a comparison of studies, an ablation and a regret;
- rare: the same, on the rarest third of the AUs;
- transfer: the detectors of three training folds, each on all people;
- external: the detectors of three folds against one detector that is compared as it is;
- auc: as final, but of the exact AUC, from the probabilities of 40 frames a person.

Every person has base rates (log-odds, sd 0.7) and a difficulty (sd 0.5) of its own, every training run a shift of all
AUs and of each, and every run meets every person in its own way (sd 0.3).
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np
from scipy.special import ndtr

from data.seeds import numpy_generator
from study.records.score_table import FIXED_THRESHOLD
from study.scoring.bootstrap import Counts, standard_error
from study.scoring.evaluation import Evaluation
from study.scoring.exact_auc import won_pairs
from study.scoring.sampled import Sampled, minus
from study.scoring.significance import against_zero
from study.scoring.tally import Tally, tallies_of_cubes

RATES = (0.5, 0.4, 0.3, 0.2, 0.15, 0.1)
AUS = (12, 6, 4, 17, 1, 2)
RARE = (1, 2)
FOLDS, FRAMES, REPLICATES = 3, 300, 200
PICTURES = 40  # frames of a person with probabilities
KINDS = ("final", "rare", "transfer", "external", "auc")
SEEDS, PEOPLE = (2, 3, 5), (12, 24, 41)
SHIFTS = (0.0, 0.05, 0.1, 0.2)  # sd of the shift of a training run, log-odds
GAINS = (0.02, 0.05)


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    kind: str
    seeds: int
    people: int
    shift: float


def logistic(x: np.ndarray) -> np.ndarray:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-x)))


@dataclass(frozen=True, eq=False)
class People:
    """Active frames [S, A] of `FRAMES`, and how easy each AU is on each person, log-odds [S, A]."""

    active: np.ndarray
    ease: np.ndarray


def people_of(rng: np.random.Generator, number: int) -> People:
    """People drawn from the population."""
    rates = np.log(np.divide(RATES, 1 - np.array(RATES))) + rng.normal(0, 0.7, (number, len(AUS)))
    return People(rng.binomial(FRAMES, logistic(rates)), rng.normal(0, 0.5, (number, len(AUS))))


def shifts_of(rng: np.random.Generator, runs: int, shift: float) -> np.ndarray:
    """What training moves each run by, log-odds [K, 1, A]."""
    return rng.normal(0, shift, (runs, 1, 1)) + rng.normal(0, 0.7 * shift, (runs, 1, len(AUS)))


def rates_of(
    rng: np.random.Generator, people: People, trained: np.ndarray, gain: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and share of false alarms [K, S, A] of training runs with the shifts `trained` [K, 1, A]."""
    size = (len(trained), *people.active.shape)
    found = logistic(0.8 + gain + people.ease + trained + rng.normal(0, 0.3, size))
    return found, logistic(-1.8 - gain - 0.5 * people.ease - trained + rng.normal(0, 0.3, size))


def counts_of(rng: np.random.Generator, people: People, runs: int, shift: float, gain: float = 0.0) -> Counts:
    """Counts [K, S, A, 4] of training runs."""
    found, alarms = rates_of(rng, people, shifts_of(rng, runs, shift), gain)
    active, inactive = (np.broadcast_to(one, found.shape) for one in (people.active, FRAMES - people.active))
    tp, fp = rng.binomial(active, found), rng.binomial(inactive, alarms)
    return np.stack([tp, fp, active - tp, inactive - fp], axis=-1).astype(np.int64)


@cache
def truth(kind: str, shift: float, gain: float) -> float:
    """The mean over AUs in the population, and over training runs: of F1, or of the AUC."""
    return _true_auc(shift, gain) if kind == "auc" else _true_f1(shift, gain, RARE if kind == "rare" else AUS)


def _true_auc(shift: float, gain: float) -> float:
    """Scores of active frames are normal around `apart`: of two frames, the difference decides (binormal model)."""
    # of frames of one or of different people, every active frame has its own person's `apart`
    rng = numpy_generator("population", shift)
    people, scores = people_of(rng, 20_000), []
    half = rng.normal(0, 2 * shift, (60, len(AUS)))
    for trained in np.concatenate([half, -half]):
        apart = 1.2 + gain + people.ease + trained + rng.normal(0, 0.3, people.ease.shape)
        scores.append(((people.active * ndtr(apart / np.sqrt(2))).sum(axis=0) / people.active.sum(axis=0)).mean())
    return float(np.mean(scores))


def _true_f1(shift: float, gain: float, aus: tuple[int, ...]) -> float:
    rng, at = numpy_generator("population", shift), [AUS.index(au) for au in aus]
    people, scores = people_of(rng, 20_000), []
    half = shifts_of(rng, 60, shift)
    # each shift with its opposite: else the truth itself would be off by the mean of the shifts
    for trained in np.concatenate([half, -half]):
        found, alarms = (rates[0] for rates in rates_of(rng, people, trained[None], gain))
        tp, fp = (people.active * found).sum(axis=0), ((FRAMES - people.active) * alarms).sum(axis=0)
        scores.append((2 * tp / (tp + fp + people.active.sum(axis=0)))[at].mean())
    return float(np.mean(scores))


@cache
def better_by(points: float, kind: str, shift: float, base: float) -> float:
    """The gain with which runs of this `shift` are truly so many points better than runs of the shift `base`."""
    wanted = truth(kind, base, 0.0) + points
    low, high = -1.0, 1.5
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if truth(kind, shift, middle) < wanted else (low, middle)
    return (low + high) / 2


def pair_of(rng: np.random.Generator, asked: Setting, gain: float) -> tuple[Evaluation, Evaluation]:
    """Two methods on the same people; the first has `gain`."""
    if asked.kind == "transfer":
        people = people_of(rng, asked.people)
        return _visitors(rng, people, asked, gain), _visitors(rng, people, asked, 0.0)
    parts = {f"part{number}": people_of(rng, len(one)) for number, one in enumerate(_folds(asked.people))}
    if asked.kind == "auc":
        return _ranking(rng, parts, asked, (gain, 0.0))
    ours = _own({fold: counts_of(rng, people, asked.seeds, asked.shift, gain) for fold, people in parts.items()})
    if asked.kind == "external":
        same = better_by(0.0, asked.kind, 0.0, asked.shift)
        other = {fold: counts_of(rng, people, 1, 0.0, same) for fold, people in parts.items()}
        return ours, Evaluation((tallies_of_cubes(other, AUS),), replicates=REPLICATES, as_is=True)
    return ours, _own({fold: counts_of(rng, people, asked.seeds, asked.shift) for fold, people in parts.items()})


def _folds(people: int) -> list[np.ndarray]:
    return np.array_split(np.arange(people), FOLDS)


def _own(cubes: Mapping[str, Counts]) -> Evaluation:
    return Evaluation((tallies_of_cubes(cubes, AUS),), replicates=REPLICATES)


def _visitors(rng: np.random.Generator, people: People, asked: Setting, gain: float) -> Evaluation:
    everyone = {"": tuple(map(str, range(asked.people)))}
    groups = tuple(
        tuple(
            Tally(AUS, everyone, {FIXED_THRESHOLD: counts})
            for counts in counts_of(rng, people, asked.seeds, asked.shift, gain)
        )
        for _ in range(FOLDS)
    )
    return Evaluation(groups, replicates=REPLICATES)


def _ranking(
    rng: np.random.Generator, parts: Mapping[str, People], asked: Setting, gains: tuple[float, float]
) -> tuple[Evaluation, Evaluation]:
    """Two methods whose runs tell active frames more or less apart."""
    labels = {fold: rng.random((PICTURES, *one.active.shape)) < one.active / FRAMES for fold, one in parts.items()}
    found = []
    for gain in gains:
        runs = [
            {fold: _said(rng, parts[fold], labels[fold], asked.shift, gain) for fold in parts}
            for _ in range(asked.seeds)
        ]
        found.append(Evaluation((tuple(_ranked(run, labels) for run in runs),), replicates=REPLICATES))
    return found[0], found[1]


def _said(rng: np.random.Generator, people: People, labels: np.ndarray, shift: float, gain: float) -> np.ndarray:
    """Scores [PICTURES, S, A] of one run."""
    apart = 1.2 + gain + people.ease + rng.normal(0, 2 * shift, len(AUS)) + rng.normal(0, 0.3, people.ease.shape)
    return np.asarray(apart * labels + rng.normal(0, 1, labels.shape))


def _ranked(said: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> Tally:
    """The won pairs of one run on each fold, and labels as counts."""
    sizes = {fold: one.shape[1] for fold, one in said.items()}
    people = {fold: tuple(f"{fold}/{person}" for person in range(size)) for fold, size in sizes.items()}
    total, at, wins, active = sum(sizes.values()), 0, np.zeros((len(AUS),) + 2 * (sum(sizes.values()),), np.int64), []
    for fold, size in sizes.items():
        person = np.tile(np.arange(size), PICTURES)
        for au in range(len(AUS)):
            found = won_pairs(said[fold][..., au].ravel(), labels[fold][..., au].ravel(), person, size)
            wins[au, at : at + size, at : at + size] = found
        active.append(labels[fold].sum(axis=0))
        at += size
    tp, none = np.concatenate(active), np.zeros((total, len(AUS)), np.int64)
    return Tally(AUS, people, {FIXED_THRESHOLD: np.stack([tp, none, none, PICTURES - tp], axis=-1)}, wins)


@dataclass(frozen=True)
class Repeat:
    """What one study says: false for people alone, ours; whether two intervals hold the truth; the spread of seeds."""

    people_alone: bool
    ours: bool
    score_held: bool
    difference_held: bool
    seed_variance: float


def repeat(asked: Setting, points: float, number: int) -> Repeat:
    """One study of two methods, of which the first is truly better by `points`."""
    rng = numpy_generator("null", *map(str, vars(asked).values()), str(points), number)
    gain = better_by(points, asked.kind, asked.shift, asked.shift) if points else 0.0
    metric, aus = ("auc" if asked.kind == "auc" else "f1"), (RARE if asked.kind == "rare" else AUS)
    ours, theirs = (one.number(metric).on(aus) for one in pair_of(rng, asked, gain))
    difference = minus(ours, theirs)
    value, error = float(difference.values[-1]), difference.error()
    alone = standard_error(value, difference.replicates[:, -1], asked.people, difference.parts)
    low, high = error.interval if error else (np.nan, np.nan)
    return Repeat(
        people_alone=against_zero(value, alone).p < 0.05,
        ours=against_zero(value, error).p < 0.05,
        score_held=_held(ours, truth(asked.kind, asked.shift, gain)),
        difference_held=bool(low <= points <= high),
        seed_variance=float(np.nanvar(ours.trained[0].observed[..., -1] * FOLDS, axis=1, ddof=1).mean()),
    )


def _held(number: Sampled, true: float) -> bool:
    error = number.error()
    return error is not None and error.interval[0] <= true <= error.interval[1]


def row(asked: Setting, repeats: int) -> str:
    """One line of the table."""
    equal = [repeat(asked, 0.0, number) for number in range(repeats)]
    better = [[repeat(asked, points, number) for number in range(repeats // 5)] for points in GAINS]
    cells = [_share([getattr(one, name) for one in equal]) for name in ("people_alone", "ours")]
    cells += [_share([getattr(one, name) for one in equal]) for name in ("score_held", "difference_held")]
    cells += [_share([one.ours for one in found]) for found in better]
    sd = 100 * np.sqrt(np.mean([one.seed_variance for one in equal]))
    return " | ".join(["", asked.kind, str(asked.seeds), str(asked.people), f"{sd:.1f}", *cells, ""]).strip()


def _share(found: list[bool]) -> str:
    return f"{100 * np.mean(found):.1f}"


def main(repeats: int = 1000, kinds: Sequence[str] = KINDS) -> None:
    """Print the table."""
    heads = ("kind", "seeds", "people", "seed sd", "p < .05, people alone %", "ours %", "score held %")
    print("|", " | ".join([*heads, "difference held %", "power at 2 points %", "at 5 %"]), "|")
    print("|---" * 10 + "|")
    with ProcessPoolExecutor() as pool:
        asked = [Setting(*one) for one in product(kinds, SEEDS, PEOPLE, SHIFTS)]
        for line in pool.map(partial(row, repeats=repeats), asked):
            print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:] or KINDS)
