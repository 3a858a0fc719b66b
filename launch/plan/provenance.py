"""Provenance: the code, packages and command behind the results of a study."""

import importlib.metadata
import shlex
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("torch", "torchvision", "ray", "optuna", "hydra-core", "polars", "numpy", "plotly")


def provenance_facts(fingerprint: str) -> dict[str, str]:
    """Facts about this command, in the order of the page."""
    return {
        # quoted, so that it can be pasted into a shell
        "command": shlex.join(["python", *sys.argv]),
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "git revision": _revision(),
        "frame store": fingerprint,
        "python": sys.version.split()[0],
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _revision() -> str:
    """The commit of the code, with `-dirty` if files differ from it; "unknown" outside a checkout."""
    here = Path(__file__).parent
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
