"""Small studies of the four drawn datasets, as launch/transfer.py finds them."""

from pathlib import Path

from rich.console import Console

from data.store import FrameStore
from launch.plan.datasets import prepare_store
from launch.run.command import compose_keys
from tests.conftest import TreeMaker
from tests.launch.commands import SMALL
from tests.study.finals import final_study

FOLDS = {"bp4d": ("parts", "part1", "part2", "part3"), "disfa": ("parts", "part1", "part2", "part3")}
OFFICIAL = ("official", "official")


def frames_of(dataset: str, trees: TreeMaker, folder: Path, *overrides: str) -> FrameStore:
    """The store of a drawn dataset below `folder`."""
    arguments = [f"dataset={dataset}", f"data_root={trees(dataset)}", f"store_root={folder / 'stores'}", *SMALL]
    return prepare_store(compose_keys("prepare", [*arguments, *overrides]), Console(quiet=True))


def study_of(frames: FrameStore, folder: Path, method: str = "bce", seeds: int = 1, epochs: int = 1) -> str:
    """Name of a study in `folder`/runs with a final evaluation on all folds."""
    dataset = str(frames.table["dataset"][0])
    scheme, *folds = FOLDS.get(dataset, OFFICIAL)
    name = f"{dataset}-{method}"
    final_study(folder / "runs" / name, frames, folds, scheme, method, seeds, epochs)
    return name
