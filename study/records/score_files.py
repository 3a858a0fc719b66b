"""Score tables as files: only this module writes and reads scores/<kind>.parquet in the folder of a study."""

from pathlib import Path

import polars as pl

from data.checked import has_seal
from data.errors import DamagedError, InputError, first_line
from data.parquet import read_sealed, write_sealed
from study.records.folder import begun_name
from study.records.former_tables import completed, of_people_alone, upgraded
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
    write_sealed(scores, path, _name(root, kind))
    return path


def _name(root: Path, kind: str) -> str:
    # with the study: the scores of another one have the same file name
    return f"{kind} scores of {begun_name(root)}"


def read_scores(root: Path, kind: str) -> pl.DataFrame:
    """The scores of `kind` in the folder `root`, also in the format of a former revision; empty when there are none.

    `InputError` for a damaged file.
    """
    command = f"launch/{WRITERS[kind]}.py name={root.name}{_FURTHER_KEYS.get(kind, '')}"
    path, again = scores_path(root, kind), f"run {command} again"
    name = _name(root, kind) if path.exists() else ""
    try:
        found = completed(read_sealed(path, name)) if name else upgraded(kind, root)
        if found is not None and not (name and has_seal(path.read_bytes())):
            found = of_people_alone(found)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DamagedError(f"the scores of {root} are damaged ({path}: {first_line(error)}); {again}") from error
    scores = scores_frame([]) if found is None else found
    try:
        check_scores(scores)
    except InputError as error:
        raise InputError(f"the scores of {root} were written by another version; {again}. {error}") from error
    return scores
