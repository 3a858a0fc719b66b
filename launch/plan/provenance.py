"""Provenance: the code, packages and command behind the results of a study."""

import importlib.metadata
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from data.catalog import CATALOG
from data.errors import InputError
from data.store import FrameStore, named_store
from study.records.origin import ORIGIN, Origin

PACKAGES = ("torch", "torchvision", "ray", "optuna", "hydra-core", "polars", "numpy", "plotly")


def provenance_facts(fingerprint: str, origins: Sequence[Origin] = ()) -> dict[str, str]:
    """Facts about this command and its frames, in the order of the page."""
    return {
        # quoted, so that it can be pasted into a shell
        "command": shlex.join(["python", *sys.argv]),
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "git revision": _revision(),
        "frame store": fingerprint,
        **({ORIGIN: "; ".join(origin.text for origin in origins)} if origins else {}),
        "python": sys.version.split()[0],
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def origin_of(store: FrameStore) -> Origin:
    """Whose faces the store shows: how many people, of how many, real or drawn."""
    name = str(store.table["dataset"][0])
    row = CATALOG.get(name)
    known = row.expected if row is not None else None
    # a number that nobody has counted cannot say that some are missing
    whole = known.subjects if known is not None and "subjects" not in known.unconfirmed else 0
    drawn = True if store.drawn is None and row is not None and row.images_are_free else store.drawn
    return Origin(name, store.table["subject"].n_unique(), whole, drawn)


def origins_in(folder: Path, fingerprints: Sequence[str]) -> tuple[Origin, ...]:
    """The origins of the stores with these fingerprints; none when one of them is not in `folder`."""
    try:
        return tuple(origin_of(named_store(folder, fingerprint)) for fingerprint in fingerprints)
    except InputError:
        return ()


def _revision() -> str:
    """The commit of the code, with `-dirty` if files differ from it; "unknown" outside a checkout."""
    here = Path(__file__).parent
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
