"""What all tests share: raw trees small enough to draw in a moment."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data.synthetic import write_tree

TreeMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> TreeMaker:
    """`trees(layout)` draws a raw tree of that layout once; it must not be changed."""
    made: dict[str, Path] = {}

    def make(layout: str) -> Path:
        if layout not in made:
            made[layout] = tmp_path_factory.mktemp("trees") / layout
            write_tree(layout, made[layout], subjects=6, sequences=1, frames=12, size=32)
        return made[layout]

    return make


@pytest.fixture
def copied_tree(trees: TreeMaker, tmp_path: Path) -> TreeMaker:
    """`copied_tree(layout)` is a raw tree of its own, to be broken."""
    return lambda layout: Path(shutil.copytree(trees(layout), tmp_path / "raw" / layout))
