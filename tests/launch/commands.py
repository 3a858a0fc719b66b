"""Runs a command as its script does, but in this process."""

from pathlib import Path

from launch.run.command import run_command

# the frames of the trees in tests/conftest.py are face crops
SMALL = ("dataset.size=32", "dataset.crop=24", "dataset.alignment=precropped")


def run(command: str, *arguments: str) -> int:
    """Exit code of `python launch/<command>.py <arguments>`."""
    return run_command(command, arguments)


def sweep_arguments(tree: Path, folder: Path, dataset: str = "bp4d") -> list[str]:
    """A sweep that would take seconds."""
    places = [f"data_root={tree}", f"store_root={folder / 'stores'}", f"runs_root={folder / 'runs'}"]
    quick = ["trials=3", "epochs=2", "optim.batch_size=8", "head.dim=4", "probe.epochs=2"]
    return [f"dataset={dataset}", *places, *SMALL, *quick]
