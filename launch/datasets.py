"""From the keys of a command to an open frame store: the raw tree is found, read and stored, or the store is found."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from data.catalog import dataset, read_table
from data.errors import InputError
from data.files import Progress as Report
from data.folds import fold_names
from data.seeds import seed_for
from data.store import FrameStore, build_store, find_store
from data.synthetic import write_tree

Keys = dict[str, Any]


def fold_scheme(keys: Keys) -> str:
    """How the dataset is divided: as asked, or as published."""
    return str(keys["dataset"]["fold_scheme"] or dataset(keys["dataset"]["name"]).fold_scheme)


def prepare_store(keys: Keys, console: Console) -> FrameStore:
    """The frame store that `keys` ask for: drawn, read and built where needed, with a progress bar for each step."""
    wanted = keys["dataset"]
    name, folder = dataset(wanted["name"]).name, Path(keys["store_root"])
    root = _raw_tree(keys, console)
    if not root.is_dir():
        store = find_store(folder, name, wanted["size"])
        if store is None:
            raise InputError(
                f"no raw tree at {root} and no store of {name} at {wanted['size']} px in {folder}. "
                f"Give data_root=<raw tree>, or set AU_DATA to the folder that holds {name}/."
            )
        return store
    with console.status(f"reading the labels of {name} in {root}"):
        table = read_table(name, root, wanted["options"])
        fold_names(table, fold_scheme(keys))  # a table that cannot be divided is not worth storing
    with progress_bar(console, f"storing {name} at {wanted['size']} px") as report:
        return build_store(table, root, folder, wanted["size"], wanted["alignment"], report)


def draw_tree(out: Path, tree: Keys, console: Console) -> None:
    """Write a synthetic raw tree with a progress bar, or find it there."""
    with progress_bar(console, "drawing faces") as report:
        write_tree(out=out, progress=report, **tree)


def _raw_tree(keys: Keys, console: Console) -> Path:
    """Where the raw frames lie; the synthetic ones are drawn when nobody gives any."""
    name, tree = str(keys["dataset"]["name"]), keys["dataset"]["tree"]
    if keys["data_root"]:
        root = Path(keys["data_root"])
        if not root.is_dir():
            raise InputError(f"data_root={root} is not a folder. Give the raw tree of {name}.")
        return root
    if not tree:
        return Path(os.environ.get("AU_DATA") or "$AU_DATA") / name  # unset, the message shows what is missing
    root = Path(keys["store_root"]) / "raw" / f"{name}-{seed_for(*tree.items()):016x}"
    draw_tree(root, tree, console)
    return root


@contextmanager
def progress_bar(console: Console, text: str) -> Iterator[Report]:
    """A progress bar that appears with the first report, so that a step with nothing to do shows nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console)

    def report(done: int, total: int) -> None:
        if not progress.tasks:
            progress.add_task(text)
            progress.start()
        progress.update(progress.tasks[0].id, completed=done, total=total)

    try:
        yield report
    finally:
        if progress.tasks:  # outside a terminal, `stop` prints an empty line
            progress.stop()
