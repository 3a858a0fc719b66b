import pickle
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from model.checkpoint import load_checkpoint, save_checkpoint


class Stranger:
    """An object that loading a checkpoint must not create."""


def test_a_saved_state_is_loaded_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "made" / "checkpoint.pt"
    assert load_checkpoint(path) is None
    state = {"model": {"w": torch.arange(3.0)}, "history": [{"epoch": 1, "loss": 0.1}], "value": -float("inf")}
    save_checkpoint(state, path)
    loaded = load_checkpoint(path)
    assert loaded is not None
    assert torch.equal(loaded["model"]["w"], torch.arange(3.0))
    assert (loaded["history"], loaded["value"]) == (state["history"], state["value"])
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_crash_while_saving_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint({"epoch": 1}, path)
    save = torch.save

    def crash(state: Any, target: BinaryIO) -> None:
        save(state, target)
        target.truncate(100)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint({"epoch": 2}, path)
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_reading_runs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint({"epoch": Stranger()}, path)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load_checkpoint(path)
