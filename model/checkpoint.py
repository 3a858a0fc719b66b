"""Checkpoints: a file is complete, checked and its own, or absent; and reading it cannot run code."""

from pathlib import Path
from typing import Any

import torch

from data.checked import check_archive, seal_archive
from data.errors import DamagedError, first_line
from data.files import atomic_path


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` (tensors, numbers, strings, and lists and dicts of them) to `path`, atomically."""
    with atomic_path(path) as temporary:
        # an open file and not a path: given a path, torch hides that the disk is full
        with temporary.open("wb") as file:
            torch.save(state, file)
        seal_archive(temporary, path.stem)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state saved at `path`, on the CPU, or None when there is none; `DamagedError` when it was changed."""
    try:
        # torch compares no checksum
        check_archive(path, path.stem)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except DamagedError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error
    # whatever the parser makes of a file without a seal
    except Exception as error:
        raise DamagedError(f"{path} is damaged: torch cannot read it ({first_line(error)})") from error
    return state


def is_whole(path: Path) -> bool:
    """Whether there is an undamaged checkpoint at `path`."""
    try:
        check_archive(path, path.stem)
    except (FileNotFoundError, NotADirectoryError, DamagedError):
        return False
    return True
