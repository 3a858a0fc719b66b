"""Build the frame store of a dataset from its raw tree: see --help."""

import sys

from rich.console import Console

from data.frames import aus_of
from launch.cli import Settings, run_command
from launch.datasets import prepare_store


def main(keys: Settings) -> int:
    """Build the store and say what is in it."""
    store = prepare_store(keys, Console())
    table = store.table
    subjects, sequences = table["subject"].n_unique(), table.select("subject", "sequence").n_unique()
    print(f"{len(store)} frames of {subjects} subjects in {sequences} sequences, AUs {list(aus_of(table))}")
    print(f"frame store: {store.path}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command("prepare", main))
