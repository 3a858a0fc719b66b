"""The sentences of a verdict, and what they are made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.settings import fold_count
from model.metrics import BINS, Score
from study.records.latest_work import LatestWork
from study.records.origin import ORIGIN, Origin, origins_from
from study.records.progress import progress_of, score_standing
from study.records.said import ALARM, NOTE, PLAIN
from study.records.verdict import ON_VALIDATION, Completeness, Order, Reversal, Standing, StudyVerdict
from tests.study.make import opened, result, trial

REAL = Origin("bp4d", 41, 41, drawn=False)
DONE = Completeness("final evaluation", 9, 9, 3, 3, written=1.79e9)


@pytest.mark.parametrize(
    ("origin", "words", "tone"),
    [
        (REAL, "Real data: all 41 people of bp4d.", PLAIN),
        (replace(REAL, people=30), "Real data: 30 of the 41 people of bp4d.", NOTE),
        (replace(REAL, people=50), "Real data: 50 people of bp4d, which has 41.", NOTE),
        (Origin("mine", 7, drawn=False), "Real data: 7 people of mine.", PLAIN),
        (
            replace(REAL, drawn=True),
            "Drawn faces in place of all 41 people of bp4d: nothing",
            NOTE,
        ),
        (replace(REAL, drawn=None), "Unknown whether the frames are real or drawn", NOTE),
    ],
)
def test_whose_faces_they_are(origin: Origin, words: str, tone: str) -> None:
    assert origin.said.words.startswith(words)
    assert origin.said.tone == tone
    assert origins_from({ORIGIN: origin.text}) == (origin,)


def test_origins_survive_the_provenance() -> None:
    several = (REAL, Origin("gft", 12, 96, drawn=True), Origin("mine", 3))
    assert origins_from({ORIGIN: "; ".join(one.text for one in several)}) == several
    assert origins_from({}) == origins_from({ORIGIN: "something else"}) == ()


def test_complete_or_not() -> None:
    assert DONE.said.words == "Complete final evaluation: 3 folds, 9 trials; written 2026-09-21 14:13 UTC."
    partial = replace(DONE, ended=4, asked=6, folds=2, failed=1, running=1)
    counts = "2 of 3 folds, 4 of 6 trials, 1 failed, 1 running"
    assert partial.said.words == f"Not complete, final evaluation: {counts}; written 2026-09-21 14:13 UTC."
    assert partial.said.tone == NOTE
    assert not replace(DONE, folds=2).is_complete, "all trials of two folds are no evaluation of three"
    many = StudyVerdict((DONE, partial, DONE, DONE), (REAL,))
    assert [one.words[:22] for one in many.said[:2]] == ["Not complete, final ev", "Complete: the other 3;"]


@pytest.mark.parametrize(
    ("standing", "words", "tone"),
    [
        (Standing("a", 0.6, 0.5, 0.02, 0.2), "Above always-positive: F1 60.0 against 50.0 (+10.0 points, +2.0", PLAIN),
        (Standing("a", 0.6, 0.5, -0.02, 0.2), "Not clearly above always-positive", NOTE),
        (Standing("a", 0.6, 0.5), "Above always-positive: F1 60.0 against 50.0 (+10.0 points).", PLAIN),
        (Standing("a", 0.5, 0.5), "Below always-positive", ALARM),
        (Standing("a", 0.4, 0.5, -0.2, 0.1), "Below always-positive", ALARM),
        (Standing("a", None, None), "F1 is undefined for every AU.", ALARM),
        (Standing("a", 0.0, 0.5), "Finds no active frame: F1 0.0, always-positive 50.0.", ALARM),
        (Standing("a", 0.0, 0.5, runs=2, silent=("x", "y")), "Predicts nothing: F1 0.0", ALARM),
        (Standing("a", 0.5, 0.5, runs=1, constant=("x",)), "Constant, each AU has the same answer", ALARM),
        (Standing("a", 0.6, None), "F1 60.0; always-positive is unknown.", NOTE),
    ],
)  # fmt: skip
def test_a_detector_against_always_positive(standing: Standing, words: str, tone: str) -> None:
    verdict = StudyVerdict((DONE,), (REAL,), (standing,))
    said = verdict.said[-1]
    assert said.words.startswith(words)
    assert said.tone == tone
    assert verdict.is_worthless == (tone == ALARM)


def test_several_detectors_by_what_they_are_worth() -> None:
    good, doubtful, bad = Standing("a", 0.6, 0.5), Standing("b", 0.6, 0.5, -0.1, 0.3), Standing("c", 0.4, 0.5)
    said = StudyVerdict((), (REAL,), (good, doubtful, bad), scored_on=ON_VALIDATION, scored=4).said[1:]
    assert [(one.words, one.tone) for one in said] == [
        ("c: below always-positive: F1 40.0 against 50.0 (−10.0 points), on 4 validation people.", ALARM),
        ("Not clearly above always-positive, on 4 validation people: b.", NOTE),
        ("Above always-positive, on 4 validation people: a.", PLAIN),
    ]
    assert StudyVerdict((), (REAL,), (good, good)).said[1].words == "Above always-positive: all 2."


def test_an_order_that_is_reversed() -> None:
    two = (Standing("a", 0.6, 0.5), Standing("b", 0.55, 0.5))
    found = Order(("AUC", "MCC"), (Reversal("AUC", "b", "a", 1, 1), Reversal("MCC", "c", "a", 2, 6)))
    said = StudyVerdict((), (REAL,), two, found).said[-1]
    assert said.tone == NOTE
    assert said.words.endswith("at threshold 0.5: AUC (b before a); MCC (c first, 2 of 6 pairs change).")
    assert (
        StudyVerdict((), (REAL,), two, Order(("AUC",))).said[-1].words
        == "No other metric or rule reverses the order (AUC)."
    )
    assert "no other metric could" in StudyVerdict((), (REAL,), two, Order()).said[-1].words


def test_what_must_not_stand_beside_published_rows() -> None:
    good = StudyVerdict((replace(DONE, what="search", ended=3), DONE), (REAL,), scored=41)
    assert good.unpublishable == [], "of a search that went on, the final evaluation still stands"
    assert "The scores are of 30 of these 41 people." in [one.words for one in replace(good, scored=30).said]
    assert replace(good, scored=30).unpublishable == ["the scores are of 30 people alone"]
    assert replace(good, progress=(replace(DONE, ended=8),)).unpublishable == ["the final evaluation is not complete"]
    assert replace(good, origins=(replace(REAL, drawn=True),)).unpublishable == ["these are drawn faces"]
    assert replace(good, origins=()).unpublishable == ["it is unknown whether these frames are real or drawn"]
    some = replace(good, origins=(replace(REAL, people=30),), scored=30)
    assert some.unpublishable == ["these are 30 of the 41 people of bp4d"]


@pytest.mark.parametrize(
    ("scheme", "folds"), [("parts", 3), ("official", 1), ("random3", 3), ("random10", 10), ("", 0), ("5", 0), ("x", 0)]
)
def test_the_folds_of_a_scheme(scheme: str, folds: int) -> None:
    assert fold_count(scheme) == folds


def test_the_progress_of_both_stages(tmp_path: Path) -> None:
    store = opened(tmp_path / "study")
    store.write(result(trial(1), started=10.0))
    store.write(result(trial(2), None, started=20.0, status="FAILED", curve=()))
    store.write_progress(result(trial(3), started=30.0))
    assert progress_of(store, "sweep") == Completeness("search", 2, 4, 1, 1, failed=1, running=1, written=21.5)
    for seed, fold in ((0, "part1"), (1, "part1"), (0, "part2")):
        store.write(result(trial(seed, fold=fold, score_test=True)))
    assert progress_of(store, "final").asked == 4, "every seed on every fold"
    store.write_work(LatestWork("final", "final", trials=6))
    store.write(result(trial(1, fold="part2", score_test=True), None, status="FAILED", curve=()))
    found = progress_of(store, "final")
    assert (found.ended, found.asked, found.failed, found.folds) == (3, 6, 1, 2)
    assert not found.is_complete


def score(*counts: tuple[int, int, int, int]) -> Score:
    cube = np.array([counts], np.int64)
    return Score(("F001",), tuple(range(1, len(counts) + 1)), cube, np.zeros((len(counts), 2, BINS), np.int64))


def test_one_trial_against_always_positive() -> None:
    good = score_standing("best", score((8, 2, 2, 8), (0, 0, 0, 0)))
    assert (good.f1, good.always_positive) == pytest.approx((0.8, 20 / 30))
    assert (good.silent, good.constant, good.tone) == ((), (), PLAIN)
    assert score_standing("best", score((0, 0, 5, 5), (0, 0, 9, 1))).silent == ("best",)
    mixed = score_standing("best", score((0, 0, 5, 5), (9, 1, 0, 0)))
    assert (mixed.silent, mixed.constant) == ((), ("best",))
    assert score_standing("best", score((1, 0, 4, 5), (0, 0, 9, 1))).constant == ()
