"""Checkpoints: a file is complete or absent, and reading it cannot run code."""

from pathlib import Path
from typing import Any

import torch

from data.files import atomic_path


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` (tensors, numbers, strings, and lists and dicts of them) to `path`, atomically."""
    # an open file and not a path: given a path, torch hides that the disk is full
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state saved at `path`, on the CPU, or None when there is none."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
