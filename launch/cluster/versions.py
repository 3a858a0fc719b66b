"""Versions that must be the same on the head and on all workers, so that every trial runs the same code."""

import hashlib
import importlib.metadata
import platform
from pathlib import Path

_PACKAGES = ("ray", "torch", "torchvision", "numpy", "polars", "optuna")
_OURS = ("data", "model", "study", "launch")
CODE = "code of this repository"


def versions() -> dict[str, str]:
    """Versions of the packages that trials use, and a digest of our own code."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        CODE: code_digest(Path(__file__).parents[2]),
    }


def code_digest(root: Path) -> str:
    """Digest of our Python files below `root`, with uncommitted changes."""
    digest = hashlib.sha256()
    for path in sorted(path for name in _OURS for path in (root / name).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]


def version_differences(here: dict[str, str], head: dict[str, str]) -> list[str]:
    """One line for each version that differs from the head."""
    names = sorted({*here, *head})
    return [
        f"{name} is {here.get(name, 'missing')} here, {head.get(name, 'missing')} on the head"
        for name in names
        if here.get(name) != head.get(name)
    ]
