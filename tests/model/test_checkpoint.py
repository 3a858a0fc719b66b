from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from data.errors import DamagedError
from model.checkpoint import is_whole, load_checkpoint, save_checkpoint


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
    with pytest.raises(DamagedError, match="Weights only load failed"):
        load_checkpoint(path)


WEIGHTS = torch.arange(300.0)
STATE = {"w": WEIGHTS, "epoch": 3}


def changes(content: bytes) -> Iterator[bytes]:
    """Single bits, cuts, a block of zeros, nothing, and something after the end."""
    for at in (*range(0, len(content), 61), *range(len(content) - 110, len(content))):
        yield content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
    for length in (0, 1, 22, len(content) // 2, len(content) - 1):
        yield content[:length]
    yield content[:200] + bytes(200) + content[400:]
    yield content + b"\n"


def test_every_change_of_a_checkpoint_is_found(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(STATE, path)
    assert is_whole(path)
    for changed in changes(path.read_bytes()):
        path.write_bytes(changed)
        with pytest.raises(DamagedError, match=r"checkpoint\.pt is damaged"):
            load_checkpoint(path)
        assert not is_whole(path)


def test_a_checkpoint_under_the_name_of_another_is_found(tmp_path: Path) -> None:
    save_checkpoint(STATE, tmp_path / "one.pt")
    (tmp_path / "one.pt").rename(tmp_path / "other.pt")
    with pytest.raises(DamagedError, match="it holds one, not other"):
        load_checkpoint(tmp_path / "other.pt")


def test_torch_reads_a_checkpoint_by_itself(tmp_path: Path) -> None:
    save_checkpoint(STATE, tmp_path / "one.pt")
    assert torch.equal(torch.load(tmp_path / "one.pt", weights_only=True)["w"], WEIGHTS)


def test_a_checkpoint_without_a_seal_is_read_unless_its_parts_changed(tmp_path: Path) -> None:
    path = tmp_path / "former.pt"
    torch.save(STATE, path)
    loaded = load_checkpoint(path)
    assert loaded is not None
    assert loaded["epoch"] == 3
    content = path.read_bytes()
    at = content.index(WEIGHTS.numpy().tobytes())
    path.write_bytes(content[:at] + b"\1" + content[at + 1 :])
    with pytest.raises(DamagedError, match=r"the checksum of its part .* is wrong"):
        load_checkpoint(path)
    path.write_bytes(content[:-30])
    with pytest.raises(DamagedError, match="its end is missing"):
        load_checkpoint(path)
