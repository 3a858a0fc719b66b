"""From the keys of a command to an open frame store: read and store the raw tree, or open the store."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from data.build import build_store
from data.catalog import CATALOG, dataset, read_dataset
from data.errors import InputError, complaints, raise_all
from data.faces.align import Faces, locate
from data.faces.landmarks import find_landmarks
from data.files import Progress as Report
from data.files import check_writable
from data.folds import fold_names
from data.frames import Reading
from data.parallel import cores
from data.schemes import SCHEMES, partition_number
from data.seeds import seed_for
from data.settings import AlignSettings, StoreSettings
from data.store import FrameStore, find_store, open_store, store_path, stores_of
from data.synthetic import write_tree
from launch.keys.frames import DatasetKeys, StoreKeys

ALIGN_KEYS = (
    "The keys are dataset.alignment (name), dataset.landmarks, dataset.face_model (model) and dataset.margin, "
    "e.g. dataset.alignment=haar."
)
NO_LANDMARKS = (
    "If the images are face crops already, as those beside the lists of ME-GraphAU or JAA-Net: "
    "dataset.alignment=precropped. Otherwise dataset.landmarks=<folder, parquet or CSV of landmarks made elsewhere>, "
    "or let faces be found: dataset.alignment=haar, or dataset.alignment=yunet dataset.face_model=<its .onnx file>."
)


def fold_scheme(wanted: DatasetKeys) -> str:
    """The fold scheme: the user's, or the published one of the dataset."""
    scheme = wanted.fold_scheme or dataset(wanted.name).fold_scheme
    if partition_number(scheme):
        raise InputError(f"dataset.fold_scheme={scheme} is made by launch/final.py partitions=; allowed: {SCHEMES}")
    return scheme


def prepare_store(keys: StoreKeys, console: Console, rebuild: bool = False) -> FrameStore:
    """The frame store of `keys`, built if it does not exist, with a progress bar for each step.

    If the raw tree is available, raw files that changed after the store was built are an `InputError`. With `rebuild`
    an existing store is replaced.
    """
    settings, folder, root = store_settings(keys.dataset), Path(keys.store_root), raw_tree(keys, console)
    if not root.is_dir():
        if rebuild:
            raise InputError(f"rebuild=true needs the raw tree; there is none at {root}. Give data_root=<raw tree>.")
        return _store_without_tree(keys, root)
    reading = read_tree(keys.dataset, root, console)
    if dataset(keys.dataset.name).aus:
        fold_names(reading.table, fold_scheme(keys.dataset))  # fail before the slow part if it cannot be divided
    faces = find_faces(keys, reading, root, console)
    # the name contains the fingerprint: another alignment or size is another folder
    path = store_path(faces, folder, settings)
    found = path.exists() and not rebuild
    others = [other.name for other in stores_of(folder, path.name.split("-")[0], settings.size) if other != path]
    if others and not path.exists():
        names = ", ".join(others)
        console.print(f"note: {folder} also holds {names}, with other labels, faces or settings", highlight=False)
    with progress_bar(console, f"storing {keys.dataset.name} at {settings.size} px") as report:
        store = build_store(faces, root, folder, settings, processes(keys.processes), report, rebuild)
    if found:
        store.check_sources(root)
    if keys.dataset.videos_of:
        store.say_videos_of(keys.dataset.videos_of)
    _say(store.excluded, (*reading.notes, *faces.notes), console)
    return store


def check_labelled(name: str) -> None:
    """Raise `InputError` for a dataset without labels."""
    if not dataset(name).aus:
        raise InputError(f"dataset={name} has no labels: pre-train on it, dataset=<another> pretrain.stores=[{name}]")


def dataset_problems(keys: StoreKeys) -> list[str]:
    """Problems of the dataset's keys that can be found before it is read."""
    return complaints(
        partial(align_settings, keys.dataset),
        partial(store_settings, keys.dataset),
        partial(check_videos_of, keys.dataset),
    )


def check_videos_of(wanted: DatasetKeys) -> None:
    """`InputError` unless `dataset.videos_of` names a dataset of people."""
    named = {name for row in CATALOG.values() for name in (row.name, *row.shares_people_with)} - {"videos"}
    if wanted.videos_of and wanted.videos_of not in named:
        raise InputError(
            f"dataset.videos_of={wanted.videos_of!r}; allowed: {', '.join(sorted(named))}. Leave it out for videos of "
            "other people: frames that a store shares with another one are found by their pictures"
        )


def read_tree(wanted: DatasetKeys, root: Path, console: Console) -> Reading:
    """The labels of the raw tree at `root`."""
    with console.status(f"reading the labels of {wanted.name} in {root}"):
        return read_dataset(wanted.name, root, wanted.options)


def find_faces(keys: StoreKeys, reading: Reading, root: Path, console: Console) -> Faces:
    """The place of the face in every frame, found by `dataset.alignment`."""
    settings = align_settings(keys.dataset)
    if settings.name != "precropped":
        check_writable(face_cache(keys.store_root))
    # fail with advice before the frames are read
    if settings.name in ("landmarks", "box") and not settings.landmarks:
        try:
            find_landmarks(keys.dataset.name, root)
        except InputError as error:
            raise InputError(f"{error}\n{NO_LANDMARKS}") from error
    with progress_bar(console, "finding faces") as report:
        return locate(reading, root, settings, face_cache(keys.store_root), processes(keys.processes), report)


def align_settings(wanted: DatasetKeys) -> AlignSettings:
    """How faces are found."""
    try:
        return AlignSettings(wanted.alignment, wanted.landmarks, wanted.face_model, wanted.margin)
    except InputError as error:
        raise InputError(f"{error}\n{ALIGN_KEYS}") from error


def store_settings(wanted: DatasetKeys) -> StoreSettings:
    """How frames are stored."""
    return StoreSettings(wanted.size, wanted.codec, wanted.quality)


def face_cache(store_root: str) -> Path:
    """The folder for faces found by a face detector."""
    return Path(store_root) / "faces"


def processes(wanted: int) -> int:
    """Number of processes; 0 means one per CPU core."""
    return wanted or cores()


def draw_tree(out: Path, tree: Mapping[str, Any], console: Console) -> None:
    """Write a synthetic raw tree with a progress bar, unless it exists."""
    with progress_bar(console, "drawing faces") as report:
        write_tree(out=out, progress=report, **tree)


def raw_tree(keys: StoreKeys, console: Console) -> Path:
    """The folder of the raw tree, which may not exist; synthetic data are drawn if no tree is given."""
    name, tree = keys.dataset.name, keys.dataset.tree
    if keys.data_root:
        root = Path(keys.data_root)
        if not root.is_dir():
            raise InputError(f"data_root={root} is not a folder. Give the raw tree of {name}.")
        return root
    if not tree:
        return Path(os.environ.get("AU_DATA") or "$AU_DATA") / name  # if unset, "$AU_DATA" appears in the message
    # the hash of all settings in the name: other settings draw another tree
    root = Path(keys.store_root) / "raw" / f"{name}-{seed_for(*tree.items()):016x}"
    draw_tree(root, tree, console)
    return root


def unlabelled_stores(names: Iterable[str], folder: Path, size: int) -> list[FrameStore]:
    """The stores of `pretrain.stores`, which names datasets or folders in `folder`; frames of `size` pixels."""
    found, problems = [], []
    for name in names:
        try:
            store = find_store(folder, name, size) if name in CATALOG else open_store(folder / Path(name).name)
            if store is None:
                raise InputError(
                    f"no store of {name} at {size} px: launch/prepare.py dataset={name} dataset.size={size}"
                )
            found.append(store)
        except InputError as error:
            problems.append(f"pretrain.stores: {error}")
    raise_all(f"stores for pre-training must be in {folder}:", problems)
    return found


def _store_without_tree(keys: StoreKeys, root: Path) -> FrameStore:
    name, size, folder = keys.dataset.name, keys.dataset.size, Path(keys.store_root)
    store = find_store(folder, name, size)
    if store is None:
        raise InputError(
            f"no raw tree at {root} and no store of {name} at {size} px in {folder}. "
            f"Give data_root=<raw tree>, or set AU_DATA to the folder that holds {name}/."
        )
    return store


def _say(excluded: pl.DataFrame, notes: tuple[str, ...], console: Console) -> None:
    """Print which frames were left out, and the notes of the reader."""
    for reason, count in excluded.group_by("reason").len().sort("reason").iter_rows():
        console.print(f"left out: {count:,} frames ({reason})", highlight=False, markup=False)
    for note in dict.fromkeys(notes):
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress_bar(console: Console, text: str) -> Iterator[Report]:
    """A progress bar that appears with the first report, so that a step without work shows nothing."""
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
