"""What importance finds where nothing matters, and where one setting does.

    python -m tests.benchmarks.importance [figures=400] [trials=4,8,12,24,50,200]

Eight settings are drawn at random (six numbers, a whole number, a choice of three). On noise: the mean and the 90th
percentile of the largest bar, which a reader without limits would take for a finding; figures with a bar beyond its
limit, which should be 5 %; and bars beyond their limit. Then the power: how often the one setting that matters is
beyond its limit, when the best of its values differ from the worst by so many standard deviations of the noise.
"""

import sys
from collections.abc import Sequence

import numpy as np

from data.seeds import numpy_generator
from study.search.importance import GRID, TrialGroup, importances

EFFECTS = (2.0, 4.0)
NAMES = ("matters", "b", "c", "d", "e", "f", "whole", "choice")
SIZES = (GRID, GRID, GRID, GRID, GRID, GRID, 40, 3)
SHUFFLES = 1000
HEAD = "| trials | largest bar on noise, mean (90th percentile) | figures | bars | power at 2 sd | power at 4 sd |"


def drawn(trials: int, effect: float, number: int) -> TrialGroup:
    """A search at random; the score falls by `effect` from one end of the first setting to the other."""
    rng = numpy_generator("importance benchmark", trials, effect, number)
    places = [rng.integers(0, size, trials) for size in SIZES]
    scores = rng.normal(size=trials) - effect * places[0] / (SIZES[0] - 1)
    return TrialGroup("part1", [*NAMES], scores, places, [*SIZES], [name == "choice" for name in NAMES])


def found(group: TrialGroup) -> tuple[np.ndarray, np.ndarray]:
    """[P] the bar of each setting, and whether it is beyond its limit."""
    [bars], [limits] = importances([group], SHUFFLES)
    return bars / bars.sum(), bars > limits


def row(trials: int, figures: int) -> str:
    """One row of the table."""
    noise = [found(drawn(trials, 0.0, number)) for number in range(figures)]
    largest = [bars.max() for bars, _ in noise]
    beyond = np.array([beyond for _, beyond in noise])
    power = [np.mean([found(drawn(trials, effect, n))[1][0] for n in range(figures // 2)]) for effect in EFFECTS]
    cells = [
        f"{100 * np.mean(largest):.0f} % ({100 * np.quantile(largest, 0.9):.0f} %)",
        *(f"{100 * share:.1f} %" for share in (beyond.any(axis=1).mean(), beyond.mean())),
        *(f"{100 * share:.0f} %" for share in power),
    ]
    return f"| {trials} | {' | '.join(cells)} |"


def main(words: Sequence[str]) -> None:
    """Print the table."""
    given = dict(word.split("=") for word in words)
    print(f"{HEAD}\n|{' --- |' * HEAD.count(' | ')} --- |")
    for trials in map(int, given.get("trials", "4,8,12,24,50,200").split(",")):
        print(row(trials, int(given.get("figures", 400))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
