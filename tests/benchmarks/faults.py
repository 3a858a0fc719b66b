"""What is said of every fault that a raw tree can have, as a Markdown table.

python -m tests.benchmarks.faults
"""

import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.data.faults import FAULTS
from tests.data.faults.outcomes import Stored, draw, needed, outcome

LINES, WIDTH = 3, 220


def main(folder: Path, wanted: list[str]) -> None:
    """Try and print."""

    @cache
    def undamaged(layout: str, variant: str, scene: bool) -> Stored:
        return draw(folder / f"{layout}-{variant}-{scene}", layout, variant, scene)

    print("| fault | dataset | wrong | lost | what is said |\n|---|---|---|---|---|")
    for name in wanted or FAULTS:
        for layout in FAULTS[name].layouts:
            variant, scene = needed(name, layout)
            found = outcome(undamaged(layout, variant, scene), name, folder / f"{name}-{layout}")
            lines = found.text.splitlines()
            said = " ".join(line.strip(" -") for line in lines[:LINES])
            more = " ..." if len(lines) > LINES or len(said) > WIDTH else ""
            print(f"| {name} | {layout} {variant} | {found.wrong} | {found.lost} | {said[:WIDTH]}{more} |")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(scratch), sys.argv[1:])
