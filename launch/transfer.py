"""Score the final detectors of each study on the dataset of every other: see --help."""

import sys
from itertools import permutations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.errors import InputError
from data.store import open_store
from launch.cli import Settings, run_command
from launch.datasets import progress_bar
from launch.display import percent
from launch.preflight import searched_study
from study.store import StudyStore
from study.transfer import Pair, compare, final_results, transfer


def main(keys: Settings) -> int:
    """Score what is missing and print one row for each pair of studies."""
    if len(set(keys["studies"])) < 2:
        raise InputError(f"studies={keys['studies']}; at least two names, e.g. studies=[bp4d-aunce,disfa-aunce]")
    stores = [searched_study({**keys, "name": name}) for name in keys["studies"]]
    for store in stores:
        final_results(store)
    console = Console()
    table = Table("detectors of", "on frames of", "AUs", "F1", "always-positive", "own detectors there", box=None)
    for source, target in permutations(stores, 2):
        pair = _pair(source, target, keys["device"], console)
        aus = " ".join(map(str, pair.aus))
        scores = [percent(value) for value in (pair.f1, pair.always_positive, pair.own)]
        table.add_row(source.root.name, target.root.name, aus, *scores)
    console.print(table)
    return 0


def _pair(source: StudyStore, target: StudyStore, device: str, console: Console) -> Pair:
    frames = open_store(Path(target.study()["store"]))
    results, scores = final_results(source), []
    with progress_bar(console, f"{source.root.name} on {target.root.name}") as report:
        for number, result in enumerate(results, start=1):
            scores.append(transfer(source, result, frames, device))
            report(number, len(results))
    return compare(scores, final_results(target))


if __name__ == "__main__":
    sys.exit(run_command("transfer", main))
