"""CPU seconds, user and system, of the commands that must answer at once.

python -m tests.benchmarks.start [rounds=5]
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.benchmarks._timing import timed_rounds
from tests.study.make import fill, opened

ROOT = Path(__file__).parents[2]


def cpu_seconds() -> float:
    """Of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def commands(study: Path) -> list[list[str]]:
    """Help, a misspelt key, the name of no study; and looks at a study that is there."""
    named = [f"runs_root={study.parent}", f"name={study.name}"]
    asked = [["sweep", "--help"], ["sweep", "tirals=3"], ["final", "name=nothing"]]
    return [*asked, ["status", *named], ["stop", *named]]


def run(words: list[str]) -> int:
    """Exit code of a command."""
    command, *given = words
    return subprocess.run([sys.executable, f"launch/{command}.py", *given], cwd=ROOT, capture_output=True).returncode


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        study = opened(Path(folder, "study"))
        fill(study)
        steps = {f"launch/{words[0]}.py {words[1].split('=/')[0]}": words for words in commands(study.root)}
        codes = {name: run(words) for name, words in steps.items()}
        taken = timed_rounds({name: partial(run, words) for name, words in steps.items()}, rounds, cpu_seconds)
    print("| command | CPU seconds | exit code |\n|---|---|---|")
    for name, seconds in taken.items():
        print(f"| {name} | {statistics.median(seconds):.2f} | {codes[name]} |")


if __name__ == "__main__":
    main(int(dict(word.split("=") for word in sys.argv[1:]).get("rounds", 5)))
