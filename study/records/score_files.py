"""Score tables as files: only this module writes and reads scores/<kind>.parquet in the folder of a study."""

from pathlib import Path

import polars as pl

from data.errors import InputError, first_line
from data.files import atomic_path
from study.records.former_tables import completed, upgraded
from study.records.score_table import check_scores, scores_frame

WRITERS = {  # kind of scores -> the command that writes them
    "final": "final",
    "partitions": "final",
    "transfer": "transfer",
    "ablation": "compare",
    "robustness": "stress",
    "domain_generalization": "generalize",
    "hyperparameter_transfer": "regret",
}
_FURTHER_KEYS = {"partitions": " partitions=<number>"}  # that the command needs to write this kind


def scores_path(root: Path, kind: str) -> Path:
    """Where the scores of `kind` lie in the folder of a study."""
    assert kind in WRITERS
    return root / "scores" / f"{kind}.parquet"


def write_scores(root: Path, kind: str, scores: pl.DataFrame) -> Path:
    """Replace the scores of `kind` in the folder `root`; returns the path of the file."""
    check_scores(scores)
    path = scores_path(root, kind)
    with atomic_path(path) as temporary:
        scores.write_parquet(temporary, compression="zstd")
    return path


def read_scores(root: Path, kind: str) -> pl.DataFrame:
    """The scores of `kind` in the folder `root`, also in the format of a former revision; empty when there are none.

    `InputError` for a damaged file.
    """
    command = f"launch/{WRITERS[kind]}.py name={root.name}{_FURTHER_KEYS.get(kind, '')}"
    path, again = scores_path(root, kind), f"run {command} again"
    try:
        found = completed(pl.read_parquet(path, glob=False)) if path.exists() else upgraded(kind, root)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the scores of {root} are damaged ({first_line(error)}); {again}") from error
    scores = scores_frame([]) if found is None else found
    try:
        check_scores(scores)
    except InputError as error:
        raise InputError(f"the scores of {root} were written by another version; {again}. {error}") from error
    return scores
