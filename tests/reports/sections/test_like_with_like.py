"""Numbers of a page that belong together: lift = F1 - always-positive in each table; the page as the score table."""

import csv
import io
import re
from pathlib import Path

import polars as pl
import pytest

from reports.frames import text
from reports.frames.split_scores import scores_of_counts
from reports.html.pack import unpacked
from reports.page import write_report
from study.records.score_files import read_scores
from study.records.selection_record import SelectionRecord
from study.records.store import StudyStore
from tests.reports.fake import FOLDS, FakeStore, full_store, some_importance
from tests.reports.made import AUS, made_study
from tests.reports.test_page import Outline

ROUNDED = 0.15 + 1e-9  # each of three numbers is off by at most 0.05


def without_active_frames(store: FakeStore, fold: str, au: int, predicted: int) -> None:
    """No frame of the test part of `fold` has the AU; `predicted` frames of each subject are predicted active."""
    finals = {row["key"] for row in store.trial_rows if row["stage"] == "final" and row["fold"] == fold}
    for row in store.count_rows:
        if row["key"] in finals and row["split"] == "test" and row["au"] == au:
            row |= {"tp": 0, "fn": 0, "fp": predicted, "tn": row["tn"] + row["tp"] + row["fn"]}


def tables(page: str) -> dict[str, list[list[str]]]:
    """The cells of each table as they are printed, its heads first."""
    found = {}
    for name, body in re.findall(r'<table id="table-([^"]+)"[^>]*>(.*?)</table>', page, re.DOTALL):
        lines = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)
        found[name] = [
            [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)]
            for line in lines
        ]
    return found


def number(cell: str) -> float | None:
    return None if cell == text.NONE else float(cell.replace("−", "-"))


def holds(f1: str, base: str, lift: str) -> bool:
    """Whether three printed numbers agree; all are undefined, or none."""
    values = [number(cell) for cell in (f1, base, lift)]
    if None in values:
        return values == [None] * 3
    first, second, third = (value for value in values if value is not None)
    return abs(first - second - third) <= ROUNDED


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    store = full_store(tmp_path_factory.mktemp("like") / "study", trials=6)
    without_active_frames(store, FOLDS[1], 12, predicted=0)
    for fold in FOLDS:
        without_active_frames(store, fold, 24, predicted=9)
    return write_report(store, store.root.parent / "page.html", some_importance).read_text("utf-8")


def test_lift_is_f1_minus_always_positive_in_every_table(page: str) -> None:
    shown, checked = tables(page), []
    for name, (heads, *rows) in shown.items():
        if "lift" in heads:
            f1 = next(at for at, head in enumerate(heads) if head in ("F1 %", "test F1 %"))
            base, lift = heads.index("always-positive %"), heads.index("lift")
            assert [row for row in rows if not holds(row[f1], row[base], row[lift])] == [], name
            checked.append(name)
    assert {*checked} == {"test-aus", "val-aus", "fold-seeds"}
    summary = {what: cells for what, *cells in shown["summary"]}
    names = ("mean F1 (%)", "always-positive F1 (%)", "lift over always-positive (points)")
    for column in zip(*(summary[name] for name in names), strict=True):
        assert holds(*column)


def test_an_au_that_does_not_occur_has_no_score(page: str) -> None:
    heads, *rows = tables(page)["test-aus"]
    (row,) = [dict(zip(heads, row, strict=True)) for row in rows if row[0] == "24"]
    assert [row[name] for name in ("F1 %", "low", "high", "always-positive %", "lift")] == [text.NONE] * 5
    assert "F1 is undefined for AU24, which are never active" in Outline(page).text
    assert "are means over different folds" not in page


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> StudyStore:
    """A study on disk with the scores of a final evaluation."""
    store = made_study(tmp_path_factory.mktemp("recorded") / "study")
    finals = store.trials().filter(stage="final")
    keys = {str(fold): tuple(part["key"]) for (fold,), part in finals.group_by("fold", maintain_order=True)}
    counts = store.counts(finals["key"].to_list()).filter(split="test")
    store.write_final({"shared": SelectionRecord(keys)}, scores_of_counts(counts, AUS))
    return store


def test_the_page_has_the_numbers_of_the_parquet(recorded: StudyStore, tmp_path: Path) -> None:
    page = write_report(recorded, tmp_path / "page.html", some_importance).read_text("utf-8")
    table = read_scores(recorded.root, "final").filter(rule="0.5", aggregate="folds")
    expected = {(row["metric"], row["au"]): row for row in table.iter_rows(named=True)}
    (letters,) = re.findall(r'data-file="test-aus\.csv" data-packed="([^"]+)"', page)
    rows = list(csv.DictReader(io.StringIO(unpacked(letters))))
    assert [int(row["au"]) for row in rows] == list(AUS)
    for row in rows:
        for metric in ("f1", "always_positive", "lift", "precision", "recall"):
            assert float(row[metric]) == expected[metric, int(row["au"])]["value"]  # to the last digit
        for end in ("low", "high", "seed_sd"):
            assert float(row[end]) == expected["f1", int(row["au"])][end]
    summary = {what: cell for what, _, cell in tables(page)["summary"]}
    mean = {metric: row for (metric, au), row in expected.items() if au is None}
    assert summary["mean F1 (%)"] == text.percent(mean["f1"]["value"])
    assert summary["95 % interval"] == text.span(mean["f1"]["low"], mean["f1"]["high"])
    assert summary["always-positive F1 (%)"] == text.percent(mean["always_positive"]["value"])
    assert summary["lift over always-positive (points)"] == text.points(mean["lift"]["value"])


def test_the_lift_of_the_page_is_that_of_the_table(recorded: StudyStore, tmp_path: Path) -> None:
    table = read_scores(recorded.root, "final")
    moved = table.with_columns(pl.when(pl.col("metric") == "lift").then(0.123).otherwise("value").alias("value"))
    recorded.write_final(recorded.selections(), moved)
    try:
        page = write_report(recorded, tmp_path / "page.html", some_importance).read_text("utf-8")
    finally:
        recorded.write_final(recorded.selections(), table)
    assert "F1, always-positive and lift of AU1, AU2" in page  # it is not their difference, and the page says so
    shown = tables(page)
    assert shown["test-aus"][1][shown["test-aus"][0].index("lift")] == "+12.3"
    assert {what: cell for what, _, cell in shown["summary"]}["lift over always-positive (points)"] == "+12.3"
