"""Draw faces with known AUs, as the raw tree of a dataset: see --help."""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("synthesize"))

from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from launch.keys.frames import SynthesizeKeys
from launch.plan.datasets import draw_tree


def main(keys: SynthesizeKeys) -> int:
    """Draw the tree."""
    tree = {name: value for name, value in asdict(keys).items() if name != "out"}
    draw_tree(Path(keys.out), tree, Console())
    print(f"{keys.layout} tree: {keys.out}")
    return 0
