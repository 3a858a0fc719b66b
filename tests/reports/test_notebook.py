"""Figures in a notebook: the docstring of the package lists all of them, and its example runs."""

import importlib
import inspect
import re
import textwrap
from pathlib import Path

import plotly.graph_objects as go
import polars as pl
import pytest

import reports
from tests.reports.made import made_study

FOLDER = Path(str(reports.__file__)).parent / "figures"


def figures() -> dict[str, inspect.Signature]:
    """Public functions that return a figure, by module and name, without the two for empty figures."""
    found = {}
    for path in sorted(FOLDER.glob("*figures.py")):
        module = importlib.import_module(f"reports.figures.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            ours = function.__module__ == module.__name__ and not name.startswith("_")
            signature = inspect.signature(function)
            if ours and signature.return_annotation is go.Figure and name not in ("blank", "grid"):
                found[f"{path.stem}.{name}"] = signature
    return found


def test_every_figure_is_a_function_of_a_frame() -> None:
    assert len(figures()) > 20
    for name, signature in figures().items():
        first = next(iter(signature.parameters.values()))
        assert first.annotation is pl.DataFrame, name


def test_every_figure_is_listed() -> None:
    assert set(re.findall(r"\w*figures\.\w+(?=,|\n)", reports.__doc__ or "")) == set(figures())


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_study(tmp_path / "runs" / "synthetic-aunce")
    shown: list[go.Figure] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(go.Figure, "show", lambda figure: shown.append(figure))
    code = (reports.__doc__ or "").partition("StudyStore`:\n")[2].partition("    of a search")[0]
    exec(textwrap.dedent(code), {})
    (figure,) = shown
    assert [round(value) for value in figure.data[0].y] == [60, 65, 70]
