"""Other folders beside a study that have something to say of it: transfer, regret and stress studies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from data.errors import InputError
from study.experiments.cross_dataset.transfer import Transfer, read_transfer
from study.experiments.hyperparameter_transfer import REGRET_SCHEMA
from study.experiments.robustness import CURVES_SCHEMA
from study.records.store import StudyStore
from study.records.study_spec import StudySpec

Content = TypeVar("Content")


@dataclass(frozen=True)
class Neighbours:
    """What was found, with the names of the folders; `problems` says of what could not be read, and why."""

    transfers: list[tuple[str, Transfer]] = field(default_factory=list)
    stress: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    regret: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def neighbours(root: Path, name: str, dataset: str) -> Neighbours:
    """In the folder of `root`: transfer and regret studies that name the study, stress studies on its dataset."""
    found = Neighbours()
    if not root.parent.is_dir():
        return found
    for folder in sorted(path for path in root.parent.iterdir() if path.is_dir()):
        store = StudyStore(folder)
        if (folder / "transfer.json").exists():
            transfers = list(_read(read_transfer, folder, found.problems))
            found.transfers.extend((folder.name, one) for one in transfers if name in one.table["study"])
        if store.curves_path.exists():
            asked = list(_read(_spec, folder, found.problems))
            if asked and asked[0].dataset == dataset:
                frames = _read(_table(CURVES_SCHEMA), store.curves_path, found.problems)
                found.stress.extend((folder.name, frame) for frame in frames)
        if store.regret_path.exists():
            frames = _read(_table(REGRET_SCHEMA), store.regret_path, found.problems)
            found.regret.extend((folder.name, frame) for frame in frames if _names(frame) & {name, dataset})
    return found


def _read(read: Callable[[Path], Content], path: Path, problems: list[str]) -> Iterator[Content]:
    """What `read` makes of `path`; nothing, and a line in `problems`, where it cannot."""
    try:
        yield read(path)
    except (InputError, OSError, pl.exceptions.PolarsError) as error:
        problems.append(f"{path} was left out: {error}")


def _spec(folder: Path) -> StudySpec:
    return StudyStore(folder).spec()


def _table(schema: dict[str, type[pl.DataType]]) -> Callable[[Path], pl.DataFrame]:
    return lambda path: pl.read_parquet(path).select(pl.col(name).cast(kind) for name, kind in schema.items())


def _names(frame: pl.DataFrame) -> set[str]:
    return {*frame["source"], *frame["target"]}
