"""Write faces with known AUs as the raw tree of a dataset: see --help."""

import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from launch.keys.frames import SynthesizeKeys
from launch.plan.datasets import draw_tree
from launch.run.command import run_command


def main(keys: SynthesizeKeys) -> int:
    """Draw the tree."""
    tree = {name: value for name, value in asdict(keys).items() if name != "out"}
    draw_tree(Path(keys.out), tree, Console())
    print(f"{keys.layout} tree: {keys.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command("synthesize", main))
