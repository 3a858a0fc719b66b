"""Related studies in the same folder: transfer, hyper-parameter transfer and robustness studies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl

from data.errors import InputError
from study.experiments.cross_dataset.transfer import Transfer, read_transfer
from study.experiments.hyperparameter_transfer import regret_matrix
from study.experiments.robustness import curves_of
from study.records.score_files import read_scores
from study.records.store import StudyStore
from study.records.study_spec import ROBUSTNESS, StudySpec

Content = TypeVar("Content")


@dataclass(frozen=True)
class Neighbours:
    """Related studies with the names of their folders; `problems` has a line for each folder that cannot be read."""

    transfers: list[tuple[str, Transfer]] = field(default_factory=list)
    stress: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    regret: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def neighbours(root: Path, name: str, dataset: str) -> Neighbours:
    """Studies in the folder of `root` that include the study `name`; robustness studies if they are on `dataset`."""
    found = Neighbours()
    # a store in a notebook may have no folder at all
    if not root.parent.is_dir():
        return found
    for folder in sorted(path for path in root.parent.iterdir() if path.is_dir()):
        if (folder / "transfer.json").exists():
            transfers = list(_read(read_transfer, folder, found.problems))
            found.transfers.extend((folder.name, one) for one in transfers if name in one.table["study"])
        for scores in _read(partial(read_scores, kind="robustness"), folder, found.problems):
            if scores.height and [*_read(_dataset, folder, found.problems)] == [dataset]:
                found.stress.append((folder.name, curves_of(scores).with_columns(scores["n_seeds"])))
            if not scores.height and (folder / "study.json").exists() and _tests_robustness(folder, dataset, found):
                found.problems.append(f"{folder} was left out: it has no scores/robustness.parquet yet")
        for scores in _read(partial(read_scores, kind="hyperparameter_transfer"), folder, found.problems):
            if {*scores["source"], *scores["target"]} & {name, dataset}:
                found.regret.append((folder.name, _regret(scores)))
    return found


def _read(read: Callable[[Path], Content], path: Path, problems: list[str]) -> Iterator[Content]:
    """The result of `read(path)`; if it fails, nothing, and a line in `problems`."""
    # a damaged folder of another study must not stop this page
    try:
        yield read(path)
    except (InputError, OSError, pl.exceptions.PolarsError) as error:
        problems.append(f"{path} was left out: {error}")


def _regret(scores: pl.DataFrame) -> pl.DataFrame:
    """The regret matrix with the number of training seeds of each cell."""
    seeds = scores.filter(metric="regret").select("source", "target", "n_seeds")
    # without the seeds of the F1: a regret has those of the configuration with the fewest
    return regret_matrix(scores).drop("seeds").join(seeds, on=["source", "target"], how="left", maintain_order="left")


def _tests_robustness(folder: Path, dataset: str, found: Neighbours) -> bool:
    """Whether the folder has a robustness study on the dataset."""
    return any(spec.kind == ROBUSTNESS and spec.dataset == dataset for spec in _read(_spec, folder, found.problems))


def _spec(folder: Path) -> StudySpec:
    return StudyStore(folder).spec()


def _dataset(folder: Path) -> str:
    return _spec(folder).dataset
