"""What a final evaluation costs: the bootstrap of its subjects, and counting the predictions of a large dataset.

    python -m tests.benchmarks.evaluation [bootstrap | scoring ...]          default: both

Prints a Markdown table of CPU seconds and of the most memory that was in use at once, input included, each in a process
of its own. Bootstrap: 12 AUs, 41 subjects in three folds, 3 seeds, 2,000 replicates; every metric, rule and
aggregate. Scoring: 2.6 million frames of 438 subjects, 12 AUs; counts at two rules and the pairs of the exact AUC.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from study.records.predictions import Predictions, label_column, probability_column
from study.records.score_table import FIXED_THRESHOLD
from study.scoring.evaluation import Evaluation, score_table
from study.scoring.tally import tally
from study.scoring.thresholds import fixed_thresholds, rule_thresholds

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
FOLDS = {"part1": 14, "part2": 14, "part3": 13}
LARGE = (2_600_000, 438)  # frames and subjects
Measured = tuple[float, str]


def random_predictions(frames: int, subjects: int, name: str) -> Predictions:
    """A detector of AUC 0.8 or so; a tenth of the labels is not coded."""
    rng = numpy_generator("benchmark", name)
    person = np.sort(rng.integers(0, subjects, frames))
    columns: dict[str, object] = {
        "dataset": pl.repeat("large", frames, eager=True),
        "subject": pl.Series(np.char.add(f"{name}-", np.arange(subjects).astype(str)))[person],
        "sequence": pl.repeat("video", frames, eager=True),
        "frame": np.arange(frames, dtype=np.int32),
        "split": pl.repeat("test", frames, eager=True),
    }
    for au in AUS:
        labels = (rng.random(frames, np.float32) < 0.3).astype(np.int8)
        score = rng.standard_normal(frames, np.float32) + 1.2 * labels
        columns[probability_column(au)] = (1 / (1 + np.exp(-score))).astype(np.float32)
        column = pl.Series(labels)
        columns[label_column(au)] = column.set(pl.Series(rng.random(frames, np.float32) < 0.1), None)
    return Predictions(pl.DataFrame(columns), AUS)


def bootstrap(frames: int = 147_000, replicates: int = 2_000) -> Measured:
    """Seconds for all scores of three folds and three seeds that were counted before."""
    share = frames // sum(FOLDS.values())
    same = {f: {FIXED_THRESHOLD: fixed_thresholds(AUS), "validation": fixed_thresholds(AUS) - 0.1} for f in FOLDS}
    tallies = []
    for _ in FOLDS:  # as many seeds
        parts = {fold: random_predictions(share * people, people, fold) for fold, people in FOLDS.items()}
        tallies.append(tally(parts, same))
        del parts
    begun = time.process_time()
    scores = score_table(Evaluation((tuple(tallies),), replicates=replicates), {"selection": "nested"})
    return time.process_time() - begun, f"{scores.height} numbers, {replicates} replicates"


def scoring(frames: int = LARGE[0], subjects: int = LARGE[1]) -> Measured:
    """Seconds from predictions in memory to thresholds, counts and won pairs."""
    part = random_predictions(frames, subjects, "large")
    before = peak()
    begun = time.process_time()
    found = tally({"": part}, {"": rule_thresholds(part, val=part)})
    seconds = time.process_time() - begun
    coded = found.counts[FIXED_THRESHOLD].sum()
    return seconds, f"{coded:,} coded labels; {before} MB with the input alone"


def peak() -> int:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


TASKS: dict[str, Callable[[], Measured]] = {"bootstrap": bootstrap, "scoring": scoring}


def main(names: list[str]) -> None:
    """One task in this process, several each in its own."""
    if len(names) == 1:
        seconds, remark = TASKS[names[0]]()
        print(f"| {names[0]} | {seconds:.1f} | {peak()} | {remark} |")
        return
    print("| task | CPU seconds | MB | |\n|---|---|---|---|", flush=True)
    for name in names or TASKS:
        subprocess.run([sys.executable, "-m", "tests.benchmarks.evaluation", name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
