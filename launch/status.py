"""Show the progress of a study, from its files alone, on any machine: see --help."""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("status"))

import dataclasses
import json
import time
from contextlib import suppress

from rich.console import Console
from rich.live import Live

from launch.keys.studies import StatusKeys
from launch.show.display import whole
from launch.show.snapshot import Snapshot, take_snapshot
from study.records.folder import study_root
from study.records.study_trials import StudyTrials

EVERY = 5.0  # seconds between two updates


def main(keys: StatusKeys) -> int:
    """Print the progress once, or update it until Ctrl-C."""
    # StudyTrials needs no torch and no polars, so status starts fast
    store, console = StudyTrials(study_root(keys.runs_root, keys.name)), Console()
    found = take_snapshot(store)
    if keys.json:
        print(json.dumps(_plain(found), indent=1))
    elif keys.watch:
        with suppress(KeyboardInterrupt), Live(whole(found), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(EVERY)
                live.update(whole(take_snapshot(store)), refresh=True)
    else:
        console.print(whole(found))
    return 0


def _plain(found: Snapshot) -> dict[str, object]:
    """The snapshot as plain values, for JSON."""
    return dataclasses.asdict(found) | {"finished": found.finished}
