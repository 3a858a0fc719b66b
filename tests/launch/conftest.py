"""What the tests of the commands share."""

import os
from typing import Any

import pytest
import torch


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`machine(cores, gpus)` makes this machine look like that."""

    def make(cores: int, gpus: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    return make
