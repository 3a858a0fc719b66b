"""What stands before every number, on the page, in the terminal and in the exports, for studies that would mislead."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from launch.show.display import whole
from launch.show.page import page_of
from launch.show.snapshot import take_snapshot
from launch.show.verdicts import final_verdict, print_verdict, search_verdict
from launch.sweep import finish_sweep
from reports.export.export import export, export_variants
from reports.frames.facts import facts_of
from reports.frames.split_scores import scores_of_counts
from study.records.latest_work import LatestWork
from study.records.origin import ORIGIN, Origin
from study.records.score_table import scores_frame
from study.records.selection_record import SelectionRecord
from study.records.store import StudyStore
from tests.reports.made import AUS, PARTS, PROVENANCE, made_comparison, made_study
from tests.reports.test_page import Outline

RED = "\x1b[1;31m"
Change = Callable[[np.ndarray], np.ndarray]  # of counts [..., 4]


def silent(counts: np.ndarray) -> np.ndarray:
    """No frame is called active: hits become misses, false alarms correct rejections."""
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    return np.stack([0 * tp, 0 * fp, tp + fn, fp + tn], axis=-1)


def always(counts: np.ndarray) -> np.ndarray:
    """Every frame is called active."""
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    return np.stack([tp + fn, fp + tn, 0 * fn, 0 * tn], axis=-1)


def rewritten(store: StudyStore, change: Change) -> StudyStore:
    """The study with other counts in all of its results."""
    for result in [*store.results()]:
        changed = {split: replace(score, counts=change(score.counts)) for split, score in result.scores.items()}
        store.forget([result.config.key])
        store.write(replace(result, scores=changed))
    return StudyStore(store.root)


def of_frames(store: StudyStore, *origins: Origin) -> StudyStore:
    """The study with the provenance of these frames; of an older version without any."""
    known = {name: value for name, value in PROVENANCE.items() if name != ORIGIN}
    store.write_provenance(known | ({ORIGIN: "; ".join(one.text for one in origins)} if origins else {}))
    return store


def recorded(store: StudyStore, **means: float) -> StudyStore:
    """The study with a final evaluation of these means: metric, or metric__rule, at always-positive 0.4."""
    finals = [one.key for one in store.outcomes("final")]
    names = {"selection": "nested", "aggregate": "folds", "au": None, "n_people": 8}
    rows = [
        names | {"metric": name.partition("__")[0], "rule": name.partition("__")[2] or "0.5", "value": value}
        for name, value in (means | {"always_positive": 0.4}).items()
    ]
    by_au = [row | {"au": au} for row in rows if row["metric"] == "f1" for au in AUS]
    folds = {fold: tuple(one.key for one in store.outcomes("final", fold)) for fold in PARTS}
    store.write_final({"nested": SelectionRecord(folds)}, scores_frame([*rows, *by_au]))
    assert len(finals) == sum(map(len, folds.values()))
    return store


def page(*stores: StudyStore) -> Outline:
    return Outline(page_of([store.root for store in stores]))


def alarms(found: Outline) -> int:
    return sum(attrs.get("class") == "alarm" for tag, attrs in found.tags if tag == "p")


def first_words(found: Outline, words: str) -> bool:
    """Whether `words` stand before the first table and the first figure of the page."""
    summary = found.text.partition("Key results")[0]
    return words in summary


def terminal() -> Console:
    return Console(file=io.StringIO(), width=200, force_terminal=True, color_system="standard", legacy_windows=False)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def unstyled(console: Console) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text_of(console))


def printed(verdict_of: Callable[[StudyStore], object], store: StudyStore) -> str:
    console = terminal()
    print_verdict(verdict_of(store), console)  # type: ignore[arg-type]
    return text_of(console)


def exported(store: StudyStore, folder: Path, **asked: bool) -> dict[str, str]:
    """The first export of each kind as text."""
    files = export([(store.root.name, store)], ["latex", "markdown", "csv", "model_card"], folder, {}, **asked)
    assert {path.name for path in files} >= {"per-au-f1.tex", "per-au-f1.md", "verdict.txt", "model_card.md"}
    return {path.name: path.read_text("utf-8") for path in files}


def test_a_dead_detector_is_said_in_red_everywhere(tmp_path: Path) -> None:
    store = rewritten(made_study(tmp_path / "dead"), silent)
    words = "Predicts nothing: F1 0.0, always-positive"
    found = page(store)
    assert first_words(found, words)
    assert alarms(found) == 1
    recorded(store, f1=0.0, auc=0.5)
    assert f"{RED}{words}" in printed(final_verdict, store)
    written = exported(store, tmp_path / "out")
    assert written["per-au-f1.md"].startswith("Complete search")
    assert f"**{words}" in written["per-au-f1.md"].partition("| ")[0]
    assert rf"\textbf{{{words}" in written["per-au-f1.tex"].partition(r"\begin{tabular}")[0]
    assert written["model_card.md"].index(words) < written["model_card.md"].index("## Model")
    assert words in written["verdict.txt"]


def test_one_dead_run_among_others_is_named(tmp_path: Path) -> None:
    store = made_study(tmp_path / "one")
    dead = next(one for one in store.results() if one.stage == "final" and one.config.data.fold == "part2")
    store.forget([dead.config.key])
    scores = {split: replace(score, counts=silent(score.counts)) for split, score in dead.scores.items()}
    store.write(replace(dead, scores=scores))
    assert first_words(page(store), f"Of its 6 detectors, predicting nothing: part2 seed {dead.config.seed}.")


@pytest.mark.parametrize(
    ("change", "words"),
    [(silent, "predicts nothing"), (always, "constant, each AU has the same answer in every frame")],
)
def test_a_search_without_a_useful_trial_does_not_ask_for_the_final(change: Change, words: str, tmp_path: Path) -> None:
    console = terminal()
    good = made_study(tmp_path / "good", seeds=0)
    assert finish_sweep(good, 3, console) == 0
    assert "next: python launch/final.py name=good" in unstyled(console)
    assert RED not in text_of(console)
    assert "run launch/final.py before you report" in page(good).text

    console, dead = terminal(), rewritten(made_study(tmp_path / "dead", seeds=0), change)
    assert finish_sweep(dead, 3, console) == 0
    said = text_of(console)
    assert words.casefold() in said.casefold()
    assert RED in said
    assert "next:" not in said
    assert said.index(RED) < said.index("best trial")
    found = page(dead)
    assert alarms(found) == 1
    assert "run launch/final.py" not in found.text.partition("Search history")[0]
    console = terminal()
    console.print(whole(take_snapshot(dead)))
    assert RED in text_of(console)
    assert words.casefold() in text_of(console).casefold()


def test_a_detector_below_always_positive(tmp_path: Path) -> None:
    store = made_study(tmp_path / "below", 0.2)
    found = page(store)
    assert first_words(found, "Below always-positive: F1")
    assert alarms(found) == 1
    assert "Below always-positive" in printed(lambda one: search_verdict(one, ["part1"]), store)
    assert "on 2 validation people" in printed(lambda one: search_verdict(one, ["part1"]), store)
    console = terminal()
    finish_sweep(store, 3, console)
    assert "next:" not in text_of(console)


def test_a_running_final_is_not_complete(tmp_path: Path) -> None:
    store = made_study(tmp_path / "running", parts=dict([*PARTS.items()][:2]))
    store.write_work(LatestWork("final", "final", trials=6, epochs=2))
    words = "Not complete, final evaluation: 2 of 3 folds, 4 of 6 trials; written 2026-"
    found = page(store)
    assert first_words(found, words)
    assert "Complete search: 1 fold, 3 trials" in found.text
    assert (
        "Published numbers on disfa are left out: the final evaluation is not complete and the scores are of 6"
        in found.text
    )
    assert "table-published" not in {attrs.get("id") for _, attrs in found.tags}
    written = exported(store, tmp_path / "out", published=True)
    assert words in written["per-au-f1.tex"].partition("Complete search")[0]
    assert "FMAE" not in written["per-au-f1.tex"] + written["per-au-f1.md"]
    assert "Published rows of disfa are left out" in written["per-au-f1.md"]


@pytest.mark.parametrize(
    ("origins", "words", "reason"),
    [
        (
            (Origin("disfa", 12, 27, drawn=True),),
            "Drawn faces in place of 12 of the 27 people of disfa: nothing here is a result about people.",
            "these are drawn faces",
        ),
        (
            (Origin("disfa", 20, 27, drawn=False),),
            "Real data: 20 of the 27 people of disfa.",
            "these are 20 of the 27 people of disfa",
        ),
        ((), "Unknown whether the frames are real or drawn", "it is unknown whether these frames are real or drawn"),
    ],
)
def test_drawn_partial_and_unknown_frames_are_never_beside_published_rows(
    origins: tuple[Origin, ...], words: str, reason: str, tmp_path: Path
) -> None:
    store = of_frames(made_study(tmp_path / "some"), *origins)
    found = page(store)
    assert first_words(found, words)
    assert "table-published" not in {attrs.get("id") for _, attrs in found.tags}
    assert f"Published numbers on disfa are left out: {reason}" in found.text
    written = exported(store, tmp_path / "out", published=True)
    assert "FMAE" not in written["per-au-f1.tex"] + written["per-au-f1.md"]
    assert words in written["per-au-f1.tex"].partition(r"\begin{tabular}")[0].partition(r"\caption")[2]
    recorded(store, f1=0.6)
    assert words in printed(final_verdict, store)
    whole_study = made_study(tmp_path / "whole", method="bce")
    compared = page(store, whole_study)
    assert words in compared.text
    assert f"Not beside published numbers on disfa: some, {reason}" in compared.text
    rows = [attrs for tag, attrs in compared.tags if attrs.get("id") == "table-published-disfa"]
    assert rows, "the other study may stand there"


def test_published_rows_are_in_exports_only_when_asked_for(tmp_path: Path) -> None:
    store = made_study(tmp_path / "whole")
    assert "table-published" in {attrs.get("id") for _, attrs in page(store).tags}
    plain = exported(store, tmp_path / "plain")
    assert "FMAE" not in plain["per-au-f1.tex"] + plain["per-au-f1.md"]
    asked = exported(store, tmp_path / "asked", published=True)
    assert "FMAE" in asked["per-au-f1.tex"]
    assert "FMAE" in asked["per-au-f1.md"]


def test_another_set_of_aus_is_no_published_row(tmp_path: Path) -> None:
    store = made_study(tmp_path / "few", aus=AUS[:5])
    assert "its AUs are not those of the published tables (1 2 4 6 9 12 25 26)" in page(store).text


def test_an_order_that_another_metric_reverses(tmp_path: Path) -> None:
    aunce = recorded(made_study(tmp_path / "aunce", 0.72), f1=0.60, f1__validation=0.61, auc=0.70)
    bce = recorded(made_study(tmp_path / "bce", 0.68, method="bce"), f1=0.58, f1__validation=0.60, auc=0.75)
    words = "Another metric or rule reverses the order by F1 at threshold 0.5: AUC (bce before aunce)."
    found = page(aunce, bce)
    assert words in found.text.partition("Test F1 at threshold 0.5: mean of folds")[0]
    files = export([(one.root.name, one) for one in (aunce, bce)], ["markdown", "latex"], tmp_path / "out", {})
    for path in files:
        written = path.read_text("utf-8")
        assert words in written
    bce = recorded(bce, f1=0.58, f1__validation=0.60, auc=0.65)
    agreed = "No other metric or rule reverses the order (F1 at the thresholds of validation people, AUC)."
    assert agreed in page(aunce, bce).text


def test_a_variant_below_always_positive(tmp_path: Path) -> None:
    store = made_comparison(tmp_path / "variants", {"aunce": 0.7, "weak": 0.1}, [0.0])
    found = page(store)
    assert alarms(found) == 1
    assert "weak: below always-positive: F1" in found.text.partition("Test F1, mean of folds")[0]
    assert "Only F1 at threshold 0.5 is known" not in found.text, "the rarest third is known, too"
    files = export_variants(store, ["markdown", "csv"], tmp_path / "out")
    assert "**weak: below always-positive" in (tmp_path / "out" / "variants.md").read_text()
    assert "verdict.txt" in {path.name for path in files}


def test_the_same_verdict_on_the_page_and_in_the_terminal(tmp_path: Path) -> None:
    store = recorded(made_study(tmp_path / "same"), auc=0.7)
    facts = facts_of(store)
    counted = scores_of_counts(facts.counts, facts.aus, "nested")
    lift = {"selection": "nested", "metric": "lift", "rule": "0.5", "aggregate": "folds", "low": -0.01, "high": 0.4}
    others = counted.filter(pl.col("metric") != "lift")
    rows = [*others.rows(named=True), *facts.scores.filter(metric="auc").rows(named=True), lift]
    store.write_final(store.selections(), scores_frame(rows))
    words = [one.words for one in final_verdict(store).said]
    assert words == [one.words for one in facts_of(store).verdict.said]
    text = page(store).text
    assert all(one in text for one in words)
    assert re.search(r"Not clearly above always-positive: F1 \S+ against \S+ \(\+\S+ points, −1.0 to \+40.0\)\.", text)
