"""Are the components of the variance found? Studies with known ones are drawn many times.

    python -m tests.benchmarks.components [draws]          default: 2000 draws

Prints a Markdown table. First of fold scores of three folds, normal around a partition's and a seed's own effect: the
root of the mean variance that is found, in points, and the share of 95 % intervals that hold the true standard
deviation. Then of people: the F1 of three detectors on people of the population of `tests.benchmarks.coverage`, whose
true standard deviation is that of the score over draws of people.
"""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from data.seeds import numpy_generator
from study.experiments.variance import Spread, partition_spread, people_spread, seed_spread
from study.scoring.bootstrap import Floats
from tests.benchmarks.coverage import FOLDS, FRAMES, drawn

REPLICATES = 500
CASES = (  # partitions, seeds, sd over partitions, sd over seeds (points)
    (5, 2, 6.5, 2.0),
    (5, 2, 2.0, 2.0),
    (5, 2, 1.0, 3.0),
    (5, 3, 2.0, 2.0),
    (10, 2, 2.0, 2.0),
    (10, 3, 1.0, 3.0),
)


@dataclass(frozen=True)
class Found:
    """A component in many draws: true and found standard deviation in points, and how often the interval holds it."""

    component: str
    case: str
    true: float
    found: float
    covered: float


def _found(component: str, case: str, true: float, spreads: list[Spread]) -> Found:
    found = math.sqrt(np.mean([one.value**2 for one in spreads]))
    return Found(component, case, true, found, float(np.mean([one.low <= true <= one.high for one in spreads])))


def fold_scores(rng: np.random.Generator, partitions: int, seeds: int, sd_partition: float, sd_seed: float) -> Floats:
    """Scores [P, F, S]; a seed in each fold moves their sum, the score of a study, by `sd_seed`."""
    shift = rng.normal(0, sd_partition, (partitions, 1, 1)) / FOLDS
    scores: Floats = shift + rng.normal(0, sd_seed / math.sqrt(FOLDS), (partitions, FOLDS, seeds))
    return scores


def of_scores(draws: int) -> Iterator[Found]:
    """Training seed and partition."""
    for partitions, seeds, sd_partition, sd_seed in CASES:
        rng = numpy_generator("components", partitions, seeds, sd_partition, sd_seed)
        made = [fold_scores(rng, partitions, seeds, sd_partition, sd_seed) for _ in range(draws)]
        case = f"{partitions} partitions, {seeds} seeds, {sd_partition:g} and {sd_seed:g}"
        parts: tuple[tuple[str, float, Callable[[Floats], Spread]], ...] = (
            ("training seed", sd_seed, seed_spread),
            ("partition", sd_partition, partition_spread),
        )
        yield from (_found(name, case, true, [spread(one) for one in made]) for name, true, spread in parts)


def of_people(subjects: int, draws: int) -> Found:
    """People: the bootstrap within the people of one draw, against the scores of all draws."""
    values, spreads = [], []
    for draw in range(draws):
        number = drawn(numpy_generator("components", subjects, draw), subjects, REPLICATES).number("f1")
        values.append(100 * float(number.values[-1]))
        freedom = number.people - number.parts
        variance = 100**2 * float(number.replicates[:, -1].var(ddof=1)) * number.people / freedom
        spreads.append(people_spread(np.array([variance]), freedom))
    return _found("people", f"{subjects} people, {FRAMES} frames each", float(np.std(values, ddof=1)), spreads)


def main(draws: int = 2000) -> None:
    """Print the table."""
    print("| component | case | true sd | found | intervals that hold it, % |")
    print("|---|---|---|---|---|")
    of_each = (of_people(subjects, max(draws // 10, 2)) for subjects in (12, 24, 41))
    for one in (*of_scores(draws), *of_each):
        print(f"| {one.component} | {one.case} | {one.true:.2f} | {one.found:.2f} | {100 * one.covered:.1f} |")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
