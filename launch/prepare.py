"""Build the frame store of a dataset from its raw tree, or compare the tree with what is known of it: see --help."""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("prepare"))

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.doctor.checks import Check, examine
from data.doctor.expected import expected
from data.doctor.sheet import check_sheet, contact_sheet
from data.doctor.stores import examine_store
from data.errors import InputError
from data.folds import fold_number_table
from data.frames import aus_of
from data.same_people import twin_lines
from data.store import FrameStore
from launch.keys.frames import PrepareKeys
from launch.plan.datasets import (
    check_labelled,
    dataset_problems,
    find_faces,
    fold_scheme,
    prepare_store,
    raw_tree,
    read_tree,
    store_settings,
)

_STYLES = {"ok": "green", "note": "yellow", "wrong": "bold red"}
_WIDTH = 160  # of the table, when the output is no terminal


def main(keys: PrepareKeys) -> int:
    """Build the store and print what is in it; with doctor=true only examine the raw tree."""
    console = Console()
    if keys.sheet:
        check_sheet(Path(keys.sheet))
    if keys.sheet and keys.doctor:
        raise InputError("doctor=true builds no store, so sheet= has nothing to show. Give one of them.")
    # the doctor never builds a store: a wrong tree must not cost hours first
    if keys.doctor:
        return doctor(keys, console)
    store = prepare_store(keys, console, keys.rebuild)
    _describe(store)
    if keys.sheet:
        contact_sheet(store, Path(keys.sheet))
        print(f"contact sheet: {keys.sheet}")
    return 0


def _describe(store: FrameStore) -> None:
    """Print the contents and the folder of a store."""
    table = store.table
    subjects, sequences = table["subject"].n_unique(), table.select("subject", "sequence").n_unique()
    coded = f"AUs {list(aus_of(table))}" if aus_of(table) else "no labels"
    print(f"{len(store)} frames of {subjects} subjects in {sequences} sequences, {coded}")
    for line in twin_lines(store):
        print(f"note: one person under two names? {line}")
    print(f"frame store: {store.path}")


def doctor(keys: PrepareKeys, console: Console) -> int:
    """Examine the raw tree without building anything; 1 when results would differ from published ones."""
    check_labelled(keys.dataset.name)
    wanted = keys.dataset
    root = raw_tree(keys, console)
    if not root.is_dir():
        raise InputError(f"doctor=true examines a raw tree, but there is none at {root}. Give data_root=<raw tree>.")
    reading = read_tree(keys.dataset, root, console)
    faces = find_faces(keys, reading, root, console)
    known = expected(wanted.name, wanted.options, wanted.alignment)
    checks = examine(reading, faces, fold_scheme(keys.dataset), known)
    checks += examine_store(faces, root, Path(keys.store_root), store_settings(keys.dataset))
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(check_table(checks))
    if fold_scheme(keys.dataset) == "parts":
        console.print(fold_table())
    counts = Counter(check.verdict for check in checks)
    console.print(f"{wanted.name}: {counts['wrong']} wrong, {counts['note']} to note, {counts['ok']} ok")
    return 1 if counts["wrong"] else 0


def check_table(checks: Iterable[Check]) -> Table:
    """One row for each check."""
    table = Table("what", "expected", "found", "verdict", "what to do", box=None, header_style="dim", pad_edge=False)
    for check in checks:
        cells = (check.what, check.expected, check.found)
        table.add_row(*map(Text, cells), Text(check.verdict, _STYLES[check.verdict]), Text(check.advice))
    return table


def fold_table() -> Table:
    """The number that other code bases give to the fold that tests on each published part."""
    numbers = fold_number_table()
    heads = ("our fold, tested on", *numbers.columns[1:])
    table = Table(*heads, box=None, header_style="dim", pad_edge=False, title="fold numbers")
    for row in numbers.iter_rows():
        table.add_row(*row)
    return table


check = dataset_problems
