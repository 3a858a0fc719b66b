"""Words of the page agree with the numbers beside them, at the digits that are printed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reports.frames import text
from reports.frames.comparison import Comparison, compare_studies
from reports.frames.facts import facts_of
from reports.frames.intervals import interval_words
from reports.frames.report import StudyReport, report_of
from reports.html.blocks import Paragraph
from reports.sections import compared_sections, variant_sections
from reports.sections.final_section import final_section
from tests.reports.fake import FakeStore, full_store, no_importance
from tests.reports.made import made_comparison, made_study
from tests.reports.test_page import Outline, outline


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two studies of one protocol."""
    root = tmp_path_factory.mktemp("pair")
    return compare_studies([facts_of(made_study(root / name, skill)) for name, skill in (("a", 0.7), ("b", 0.66))])


def lead(pair: Comparison, scores: tuple[float, float], **difference: Any) -> str:
    """The sentence on the best study, for these F1 of the two and a changed row of differences."""
    standings = pair.standings.with_columns(f1=pl.Series(scores))
    values = [pl.lit(value).alias(name) for name, value in difference.items()]
    changed = replace(pair, standings=standings, differences=pair.differences.with_columns(values))
    return Outline(compared_sections.comparison_page(changed)).text


def test_equal_numbers_are_not_called_the_highest(pair: Comparison) -> None:
    words = lead(pair, (0.60249, 0.60201), difference=0.0004, low=-0.01, high=0.02, n_seeds=2)
    assert "a and b have the highest test F1 (60.2). The difference of a to b is 0.0 points" in words
    assert "a has the highest test F1 (60.3)" in lead(pair, (0.6026, 0.60201))


@pytest.mark.parametrize(("low", "doubt"), [(0.0004, True), (-0.0004, True), (0.001, False)])
def test_doubt_follows_the_printed_interval(pair: Comparison, low: float, doubt: bool) -> None:
    words = lead(pair, (0.63, 0.6), difference=0.03, low=low, high=0.05, n_seeds=3)
    inside = f"(95 % interval {text.points(low)} to +5.0, over people and training)"
    assert f"{inside}{', so it may be due to chance' if doubt else ''}." in words


def test_a_difference_of_single_runs_says_why_it_has_no_interval(pair: Comparison) -> None:
    words = lead(pair, (0.63, 0.6), difference=0.03, low=None, high=None, p=None, p_holm=None, n_seeds=1)
    assert "without a 95 % interval: one training run does not show how much training varies." in words
    assert words.count("one training run does not show") == 2  # there, and in the caption of the figure


def test_studies_on_different_aus_are_a_warning(tmp_path: Path) -> None:
    stores = [made_study(tmp_path / name, aus=aus) for name, aus in (("a", (1, 2, 4)), ("b", (1, 2)))]
    page = Outline(compared_sections.comparison_page(compare_studies([facts_of(store) for store in stores])))
    assert "Studies of the same dataset have different AUs, so do not compare their means" in page.text
    same = Outline(
        compared_sections.comparison_page(
            compare_studies([facts_of(stores[0]), facts_of(made_study(tmp_path / "c", aus=(1, 2, 4)))])
        )
    )
    assert "different AUs" not in same.text


def test_equal_variants_are_not_called_the_highest(tmp_path: Path) -> None:
    store = made_comparison(tmp_path / "v", {"one": 0.7, "two": 0.6}, noises=(0.0,))
    frame = variant_sections.comparison_table(store)
    (words,) = variant_sections._answers(frame.with_columns(f1=pl.Series([0.60249, 0.60149])))
    assert "one has the highest test F1, 60.2 (" in words
    (words,) = variant_sections._answers(frame.with_columns(f1=pl.Series([0.60249, 0.60151])))
    assert words == "With clean labels one and two have the highest test F1, 60.2."


def numbers(*rows: tuple[float | None, float | None, int | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, {"value": pl.Float64, "high": pl.Float64, "n_seeds": pl.Int64}, orient="row")


def test_words_on_intervals_follow_the_numbers() -> None:
    assert interval_words(numbers((0.5, 0.6, 1))) == "The 95 % interval covers people alone."
    assert interval_words(numbers((0.5, 0.6, None))) == "The 95 % interval covers people alone."
    assert interval_words(numbers((0.5, 0.6, 2), (0.4, None, 1), (None, None, 1))) == (
        "The 95 % interval covers people and training. 1 of 2 numbers have none."
    )
    assert interval_words(numbers((0.5, None, 1))) == "There is no 95 % interval."
    why = ": one training run does not show how much training varies"
    assert interval_words(numbers((0.5, None, 1)), compares=True) == f"There is no 95 % interval{why}."
    assert interval_words(numbers((0.5, None, 2)), compares=True) == "There is no 95 % interval."


def final_words(report: StudyReport) -> str:
    section = final_section(report)
    assert section is not None
    return " ".join(block.words for block in section.blocks if isinstance(block, Paragraph))


@pytest.mark.parametrize(("pooled", "differ"), [(0.60249, False), (0.6026, True)])
def test_equal_means_are_not_said_to_differ(pooled: float, differ: bool, tmp_path: Path) -> None:
    report = report_of(full_store(tmp_path / "study", trials=4), no_importance)
    assert report.test is not None
    numbers = {
        name: replace(getattr(report.test, name), value=value) for name, value in (("f1", 0.60201), ("pooled", pooled))
    }
    words = final_words(replace(report, test=replace(report.test, **numbers)))
    assert ("they differ" in words) == differ
    assert "Mean of folds 60.2; pooled" in words


def test_validation_numbers_are_no_part_of_the_final_evaluation(tmp_path: Path) -> None:
    store = FakeStore()
    store.add_counts(store.add_trial(0), "val", ["F001", "F002"])
    page = outline(store, tmp_path)
    assert "validation" in page.sections
    assert "final" not in page.sections
    text_of = (tmp_path / "page.html").read_text("utf-8")
    assert re.search(r'<section id="validation".*?id="figure-val-aus".*?</section>', text_of, re.DOTALL)


def test_one_person_in_each_fold_has_no_interval_in_the_caption(tmp_path: Path) -> None:
    store = FakeStore()
    store.add_counts(store.add_trial(0), "val", ["F001"])
    page = outline(store, tmp_path).text
    assert "There is no 95 % interval. It needs a fold with two subjects." in page
    assert "The 95 % interval covers" not in page
