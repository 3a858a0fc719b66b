"""Sections from outside a study: related studies in its folder, labels and pictures of its frame store."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reports.figures import heat, transfer_figures
from reports.frames.neighbours import neighbours
from reports.frames.report import Materials
from reports.page import write_report
from reports.sections import data_section
from reports.sections.transfer_section import means, with_seeds
from study.experiments.cross_dataset.transfer import Transfer, write_transfer
from study.records.score_files import scores_path, write_scores
from study.records.score_table import INTERVAL_ENDS, scores_frame, with_level
from study.records.study_spec import ROBUSTNESS, StudySpec
from tests.reports.fake import FakeStore, full_store, some_importance
from tests.reports.test_page import HOSTILE, Outline
from tests.study.specs import OTHERS, transfer_member, transfer_spec

RED = b"\x89PNG not read by the page"


def transfer_of(study: str, method: str = "aunce") -> Transfer:
    """Two datasets, each on each, three AUs, two threshold rules."""
    rows: list[dict[str, Any]] = []
    for at, (source, target) in enumerate([("bp4d", "bp4d"), ("bp4d", "disfa"), ("disfa", "bp4d")]):
        for metric, rule in (("f1", "0.5"), ("f1", "oracle"), ("auc", "0.5"), ("always_positive", "0.5")):
            for kind in ("pair", "common"):
                for au in (1, 2, 4, None):
                    value = 0.4 + 0.1 * at + 0.01 * len(rule) + (0.2 if kind == "common" else 0) + (au or 0) / 100
                    names = {"method": method, "source": source, "target": target, "condition": kind, "aus": "1 2 4"}
                    ends = {"value": value, "low": value - 0.1, "high": value + 0.1}
                    rows.append(names | {"rule": rule, "metric": metric, "au": au} | ends)
    test: dict[str, Any] = {
        "method": method,
        "against": "bce",
        "source": "bp4d",
        "target": "disfa",
        "rule": "0.5",
        "metric": "f1",
    }
    test |= {"aus": "1 2 4", "value": 0.021, "low": -0.01, "high": 0.05, "p": 0.2, "p_holm": 0.4}
    studies = (transfer_member(study, method, source) for source in ("bp4d", "disfa"))
    return Transfer(transfer_spec(*studies), scores_frame([*rows, test]))


Ends = tuple[float | None, ...]  # value, low, high


def add_stress(folder: Path, dataset: str = "bp4d", method: str = "aunce", ends: Ends = (0.6, 0.5, 0.7)) -> None:
    folder.mkdir(parents=True)
    (folder / "study.json").write_bytes(StudySpec("stress", dataset, OTHERS[ROBUSTNESS]).to_json())
    rows: list[dict[str, Any]] = [
        {
            **{"method": method, "condition": with_level(kind, level), "metric": metric, "au": au},
            **dict(zip(INTERVAL_ENDS, [None if end is None else end - level / 200 for end in ends], strict=True)),
        }
        for kind in ("label_noise", "subjects")
        for level in (0.0, 20.0, 40.0)
        for metric in ("f1", "auc")
        for au in (None, 12)
    ]
    write_scores(folder, "robustness", scores_frame(rows))


def add_regret(folder: Path, source: str = "aunce-ratios", regret: Ends = (0.03, -0.01, 0.07)) -> None:
    folder.mkdir(parents=True)
    numbers: dict[str, dict[str, Ends]] = {
        "disfa-aunce": {"f1": (0.5, 0.4, 0.6), "regret": regret},
        source: {"f1": (0.55, 0.4, 0.6), "regret": (0.0, 0.0, 0.0)},
    }
    rows = [
        {"source": source, "target": target, "metric": metric} | dict(zip(INTERVAL_ENDS, ends, strict=True))
        for target, metrics in numbers.items()
        for metric, ends in metrics.items()
    ]
    write_scores(folder, "hyperparameter_transfer", scores_frame(rows))


def page_of(store: FakeStore, folder: Path, materials: Materials | None = None) -> Outline:
    path = write_report(store, folder / "page.html", some_importance, materials)
    return Outline(path.read_text("utf-8"))


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    return full_store(tmp_path / "runs" / "aunce-ratios", trials=6)


def test_related_studies_are_on_the_page(store: FakeStore, tmp_path: Path) -> None:
    write_transfer(store.root.parent / "cross", transfer_of("aunce-ratios"))
    write_transfer(store.root.parent / "foreign", transfer_of("somebody-else"))
    add_stress(store.root.parent / "trouble")
    add_stress(store.root.parent / "elsewhere", dataset="disfa")
    add_regret(store.root.parent / "regret")
    add_regret(store.root.parent / "regret-of-others", source="other")
    page = page_of(store, tmp_path)
    assert {"transfer", "stress"} <= set(page.sections)
    drawn = [(attrs["id"] or "").removeprefix("figure-") for tag, attrs in page.tags if tag == "figure"]
    assert [name for name in drawn if name.startswith(("transfer", "regret", "stress"))] == [
        "transfer-1-f1",
        "transfer-1-auc",
        "transfer-1-aus",
        "transfer-1-rules",
        "regret-1",
        "stress-f1-1",
        "stress-auc-1",
    ]
    assert "Transfer study cross: bp4d and disfa" in page.text
    for absent in ("foreign", "elsewhere", "regret-of-others"):
        assert f" {absent}:" not in page.text


def test_a_study_without_related_studies_has_no_such_sections(store: FakeStore, tmp_path: Path) -> None:
    assert not {"transfer", "stress"} & set(page_of(store, tmp_path).sections)


def test_damaged_studies_are_named_and_do_not_stop_the_page(store: FakeStore, tmp_path: Path) -> None:
    write_transfer(store.root.parent / "cross", transfer_of("aunce-ratios"))
    scores_path(store.root.parent / "cross", "transfer").write_bytes(b"half")
    add_stress(store.root.parent / "trouble")
    scores_path(store.root.parent / "trouble", "robustness").write_bytes(b"half")
    add_regret(store.root.parent / "regret")
    pl.DataFrame({"source": ["a"]}).write_parquet(scores_path(store.root.parent / "regret", "hyperparameter_transfer"))
    found = neighbours(store.root, "aunce-ratios", "bp4d")
    assert [problem.split(" was left out")[0].rpartition("/")[2] for problem in found.problems] == [
        "cross",
        "regret",
        "trouble",
    ]
    page = page_of(store, tmp_path)
    assert page.text.count("was left out") == 3
    assert "summary" in page.sections


def test_matrices_and_their_numbers() -> None:
    study = transfer_of("x")
    scores = study.scores.filter(pl.col("against").is_null())
    frame = means(with_seeds(study.table, scores), "f1", "pair")
    by_hand = {
        (row["source"], row["target"]): row["value"]
        for row in scores.iter_rows(named=True)
        if (row["metric"], row["condition"], row["rule"]) == ("f1", "pair", "0.5") and row["au"] is None
    }
    assert {(s, t): v for s, t, v in frame.select("source", "target", "value").iter_rows()} == by_hand
    (drawn,) = transfer_figures.matrices(frame, heat.F1).data
    names = ["bp4d", "disfa"]
    shown = {(names[y], names[x]): drawn.z[at][x] for at, y in enumerate(drawn.y) for x in drawn.x}
    assert shown.pop(("disfa", "disfa")) is None
    assert shown == {pair: pytest.approx(100 * value) for pair, value in by_hand.items()}
    assert drawn.text[1][1] == "–"


def transfer_page(store: FakeStore, tmp_path: Path, change: pl.Expr) -> Outline:
    """The page beside a transfer study whose scores have one more or changed column."""
    made = transfer_of("aunce-ratios")
    write_transfer(store.root.parent / "cross", replace(made, scores=made.scores.with_columns(change)))
    return page_of(store, tmp_path)


def test_matrices_on_common_aus_come_first_and_those_of_pairs_name_their_aus(store: FakeStore, tmp_path: Path) -> None:
    own = (pl.col("source") == pl.col("target")) & (pl.col("condition") == "pair")
    others = pl.when(own).then(pl.lit("1 2 4 6")).otherwise("aus").alias("aus")
    page = transfer_page(store, tmp_path, others)
    drawn = [attrs["id"] or "" for tag, attrs in page.tags if tag == "figure"]
    assert [name for name in drawn if "transfer-1-f1" in name] == [
        "figure-transfer-1-f1-common",
        "figure-transfer-1-f1",
    ]
    assert "Mean over the same AUs in every cell: 1 2 4." in page.text
    assert (
        "do not compare them along a row or a column. The diagonal has all AUs of its dataset (bp4d: 1 2 4 6)."
        in page.text
    )


def test_a_common_matrix_says_when_an_au_is_missing_in_a_target(store: FakeStore, tmp_path: Path) -> None:
    fewer = pl.when(pl.col("target") == "disfa").then(pl.lit("1 2")).otherwise("aus").alias("aus")
    page = transfer_page(store, tmp_path, fewer)
    assert "Mean over the same AUs" not in page.text
    assert "without those that are undefined there: 1 2 4; 1 2." in page.text


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (pl.lit(1), "The 95 % interval covers people alone."),
        (pl.lit(3), "The 95 % interval covers people and training."),
        (
            pl.when(pl.col("source") == "bp4d").then(1).otherwise(2),
            "covers people alone or, with several training seeds, people and training.",
        ),
    ],
)
def test_captions_say_what_intervals_cover(seeds: pl.Expr, words: str, store: FakeStore, tmp_path: Path) -> None:
    page = transfer_page(store, tmp_path, seeds.cast(pl.Int64).alias("n_seeds"))
    assert page.text.count(words) >= 4  # F1, AUC, AUs, rules


def test_captions_promise_no_interval_that_is_not_there(store: FakeStore, tmp_path: Path) -> None:
    add_stress(store.root.parent / "trouble", ends=(0.6, None, None))
    add_regret(store.root.parent / "regret", regret=(0.03, None, None))
    page = transfer_page(store, tmp_path, pl.lit(None, pl.Float64).alias("high"))
    assert "The 95 % interval" not in page.text[page.text.index("Transfer to other") : page.text.index("Base rates")]
    assert page.text.count("There is no 95 % interval.") >= 6
    assert "There is no 95 % interval: one training run does not show how much training varies." in page.text


def test_hostile_names_of_related_studies(store: FakeStore, tmp_path: Path) -> None:
    plain = page_of(store, tmp_path)
    folder = "x' onload=alert(1) y"
    write_transfer(store.root.parent / folder, transfer_of("aunce-ratios", HOSTILE))
    add_stress(store.root.parent / f"{folder} z", method=HOSTILE)
    page = page_of(store, tmp_path)
    assert HOSTILE in page.text
    count = [sum(tag == "script" for tag, _ in outline.tags) for outline in (plain, page)]
    drawn = [sum(tag == "figure" for tag, _ in outline.tags) for outline in (plain, page)]
    assert count[1] - count[0] == drawn[1] - drawn[0] == 6  # each figure has one, which holds data
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


LABELS = pl.DataFrame(
    [
        ("F001", "part1", 1, 100, 90, 30),
        ("F001", "part1", 2, 100, 100, 0),
        ("M001", "part2", 1, 50, 50, 40),
        ("M001", "part2", 2, 50, 0, 0),
    ],
    {"subject": pl.String, "fold": pl.String, **dict.fromkeys(("au", "frames", "coded", "active"), pl.Int64)},
    orient="row",
)


def test_base_rates_by_hand() -> None:
    first, second = data_section.base_rates_section(LABELS).iter_rows(named=True)
    assert (first["coded"], first["active"], first["not_coded"], first["subjects"]) == (140, 70, 10, 2)
    assert first["base_rate"] == 0.5
    assert (first["least"], first["most"]) == (pytest.approx(30 / 90), 0.8)
    assert (second["coded"], second["not_coded"], second["base_rate"], second["most"]) == (100, 50, 0.0, 0.0)


def test_shift_by_hand() -> None:
    rows = {(row["fold"], row["au"]): row for row in data_section.shift_section(LABELS).iter_rows(named=True)}
    assert rows["part1", 1]["difference"] == pytest.approx(30 / 90 - 0.8)
    assert rows["part2", 1]["difference"] == pytest.approx(0.8 - 30 / 90)
    assert rows["part1", 2]["difference"] is None
    assert rows["part2", 2]["base_rate"] is None


def test_labels_and_pictures_of_the_frame_store(store: FakeStore, tmp_path: Path) -> None:
    page = page_of(store, tmp_path, Materials(LABELS, (("Frames", HOSTILE, RED),)))
    assert "All frames of the frame store. 2 subjects, 150 frames." in page.text
    (image,) = [attrs for tag, attrs in page.tags if tag == "img"]
    assert (image["src"] or "").startswith("data:image/png;base64,iVBORyBub3Q")
    assert image["alt"] == f"Frames. {HOSTILE}"


def test_no_pictures_unless_given(store: FakeStore, tmp_path: Path) -> None:
    assert not [tag for tag, _ in page_of(store, tmp_path).tags if tag == "img"]
