"""Show how far a study is, from its files alone, on any machine: see --help."""

import sys

from rich.console import Console

from launch.cli import Settings, run_command
from launch.display import Display
from launch.preflight import study_store


def main(keys: Settings) -> int:
    """Print the table that the running command shows."""
    store = study_store(keys)
    study = store.study()
    console = Console()
    stage = "final" if "variants" in study else "sweep"
    console.print(Display(store, stage, study["trials"], study["epochs"], console).render())
    return 0


if __name__ == "__main__":
    sys.exit(run_command("status", main))
