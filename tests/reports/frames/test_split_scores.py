"""Scores of one split against numbers computed by hand."""

import polars as pl
import pytest

from reports.frames.split_scores import SplitEvaluation, scores_of_counts, split_evaluation
from tests.reports.frames.test_tables import counts


def evaluated(frame: pl.DataFrame, aus: tuple[int, ...]) -> SplitEvaluation:
    """The evaluation from counts, without recorded scores."""
    return split_evaluation(scores_of_counts(frame, aus), frame, aus)


def test_recorded_scores_are_shown() -> None:
    rows = counts([(fold, 0, "test", f"{fold}{person}", 12, 5, 2, 3, 20) for fold in "ab" for person in range(2)])
    recorded = scores_of_counts(rows, (12,)).with_columns(value=pl.col("value") / 2, seed_sd=pl.lit(0.1))
    shown, counted = split_evaluation(recorded, rows, (12,)), evaluated(rows, (12,))
    assert shown.f1.value == pytest.approx(counted.f1.value / 2)
    assert shown.pooled.value == pytest.approx(counted.pooled.value / 2)
    assert shown.always_positive == pytest.approx(counted.always_positive / 2)
    assert shown.au.select("f1", "seed_sd").row(0) == pytest.approx((counted.f1.value / 2, 0.1))
    assert shown.au["frames"].to_list() == [120]


def test_per_au_by_hand() -> None:
    frame = counts(
        [
            ("a", 0, "test", "F1", 12, 4, 1, 1, 4),
            ("a", 0, "test", "F2", 12, 2, 1, 1, 6),
            ("b", 0, "test", "M1", 12, 3, 0, 1, 6),
            ("b", 0, "test", "M1", 4, 0, 0, 0, 10),
        ]
    )
    table = evaluated(frame, (4, 12)).au
    never, smile = table.iter_rows(named=True)
    assert smile["name"] == "lip corner puller"
    assert smile["positives"] == 12
    assert smile["frames"] == 30
    assert smile["base_rate"] == pytest.approx(0.4)
    assert smile["f1"] == pytest.approx((12 / 16 + 6 / 7) / 2)
    assert smile["always_positive"] == pytest.approx((16 / (16 + 12) + 8 / (8 + 6)) / 2)
    assert smile["lift"] == pytest.approx(smile["f1"] - smile["always_positive"])
    assert smile["precision"] == pytest.approx((6 / 8 + 3 / 3) / 2)
    assert smile["recall"] == pytest.approx((6 / 8 + 3 / 4) / 2)
    assert smile["low"] < smile["f1"] < smile["high"]
    assert smile["undefined_runs"] == 0
    assert never["f1"] is None
    assert never["low"] is None
    assert never["always_positive"] is None
    assert never["lift"] is None
    # Fold a never saw AU4 coded, fold b never active: undefined in both.
    assert never["undefined_runs"] == 2


def test_positives_are_frames_not_frames_times_seeds() -> None:
    rows = [("a", seed, "test", "F1", 12, 4 - seed, 1, 1 + seed, 4) for seed in range(3)]
    assert evaluated(counts(rows), (12,)).au["positives"].item() == 5


def test_evaluation_counts_subjects_folds_and_seeds() -> None:
    rows = [
        (fold, seed, "test", f"{fold}{person}", au, 5, 2, 3, 20 + person)
        for fold, people in (("a", 2), ("b", 3))
        for seed in range(2)
        for person in range(people)
        for au in (1, 12)
    ]
    evaluation = evaluated(counts(rows), (1, 12, 26))
    assert (evaluation.subjects, evaluation.fewest, evaluation.folds, evaluation.seeds) == (5, 2, ("a", "b"), 2)
    assert evaluation.undefined == [26]
    assert evaluation.f1.value == pytest.approx(10 / 15)
    assert evaluation.lift.value == pytest.approx(evaluation.f1.value - evaluation.always_positive)


def test_one_subject_has_no_interval() -> None:
    evaluation = evaluated(counts([("a", 0, "val", "F1", 12, 5, 2, 3, 20)]), (12,))
    assert not evaluation.has_interval
    assert evaluation.f1.low != evaluation.f1.low
    assert evaluation.au["low"].item() is None
