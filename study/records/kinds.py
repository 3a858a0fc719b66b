"""What kind of study a folder holds, as its study.json shows, and who reads those that are no search."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import InputError

SEARCH, COMPARISON, STRESS, _REGRET = "search", "comparison", "stress", "regret"
MARKS = {  # key of study.json that only this kind has; the first that is there counts
    "foreign": "foreign",
    "generalize": "generalize",
    "levels": STRESS,
    "studies": _REGRET,
    "variants": COMPARISON,
}
READ = {
    "foreign": "holds predictions of another detector: launch/transfer.py reads it",
    "generalize": "is on several datasets: launch/generalize.py writes generalize.csv there",
    STRESS: "is a stress study: its curves are in stress.parquet, and on the page of a search on the same dataset",
    _REGRET: "is a study of regret: its matrix is in regret.parquet, and on the pages of its studies",
    COMPARISON: "is a comparison of variants: launch/compare.py writes comparison.md there, launch/report.py its page",
}


def kind_of(study: Mapping[str, Any]) -> str:
    """The kind of the study whose study.json this is."""
    return next((kind for mark, kind in MARKS.items() if mark in study), SEARCH)


def asked_stage(study: Mapping[str, Any]) -> str:
    """The stage of the trials that the study itself asks for."""
    return "sweep" if kind_of(study) == SEARCH else "final"


def check_search(root: Path, study: Mapping[str, Any]) -> None:
    """`InputError` that says who reads the study in `root`, unless launch/sweep.py began it."""
    kind = kind_of(study)
    if kind != SEARCH:
        raise InputError(f"{root} {READ[kind]}; give a study of launch/sweep.py")
