"""Scores of detectors on a target against plain loops over frames and people."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from data.seeds import numpy_generator
from study.experiments.cross_dataset.marks import AUC, Marks, People, marks, sampled_scores
from study.records.predictions import Predictions, predictions_of

AUS = (1, 4, 12)
NAMES = ("a", "b", "c", "d", "e")
PEOPLE = People(NAMES, {"x": ("a", "b", "c"), "y": ("d", "e")})
RULES = {"0.5": np.full(3, 0.5), "oracle": np.array([0.3, 0.45, 0.8])}


def predicted(seed: int, names: Sequence[str] = NAMES, frames: int = 9) -> Predictions:
    """Probabilities with ties, labels with gaps; nobody ever shows AU 12 but e."""
    rng = numpy_generator("marks", seed)
    labels = numpy_generator("labels").integers(-1, 2, (len(NAMES), frames, 3)).astype(np.int8)
    labels[:4, :, 2] = np.minimum(labels[:4, :, 2], 0)
    labels = labels[[NAMES.index(name) for name in names]].reshape(-1, 3)
    keys = [("gft", name, "s", frame) for name in names for frame in range(frames)]
    table = pl.DataFrame(keys, schema=["dataset", "subject", "sequence", "frame"], orient="row")
    table = table.cast({"frame": pl.Int32})
    return predictions_of(table, rng.random(labels.shape).round(1), labels, AUS, "test")


def plain(found: Predictions, people: Sequence[str], at: int, threshold: float) -> tuple[float, float]:
    """F1 and AUC of one AU over frames of `people`, who may come twice."""
    frames = [
        (float(p), int(y))
        for name in people
        for who, p, y in zip(found.subjects, found.probabilities[:, at], found.labels[:, at], strict=True)
        if who == name and y >= 0
    ]
    tp = sum(p >= threshold and y == 1 for p, y in frames)
    wrong = sum((p >= threshold) != (y == 1) for p, y in frames)
    up, down = [p for p, y in frames if y == 1], [p for p, y in frames if y == 0]
    won = sum(1.0 if p > q else 0.5 if p == q else 0.0 for p in up for q in down)
    pairs = len(up) * len(down)
    return (2 * tp / (2 * tp + wrong) if tp + wrong else math.nan), (won / pairs if pairs else math.nan)


def plain_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def drawn_people(weights: np.ndarray) -> list[str]:
    return [name for name, times in zip(NAMES, weights, strict=True) for _ in range(int(times))]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("row", [0, 1, 7, 200])
def test_numbers_of_a_draw_are_those_of_its_frames(rule: str, row: int) -> None:
    found, weights = predicted(0), PEOPLE.drawn()
    numbers = marks("x", found, PEOPLE, RULES).sampled(weights)
    people = drawn_people(weights[row])
    assert len(people) == 5
    for at in range(3):
        f1, auc = plain(found, people, at, RULES[rule][at])
        assert numbers[f"f1 {rule}"][row, at] == pytest.approx(f1, abs=1e-10, nan_ok=True)
        assert numbers[AUC][row, at] == pytest.approx(auc, abs=1e-10, nan_ok=True)


def test_the_first_row_is_what_was_observed_and_parts_draw_their_own_people() -> None:
    assert (PEOPLE.drawn()[0] == 1).all()
    parts = PEOPLE.drawn_by_part()
    assert drawn_people(parts["x"][0]) == ["a", "b", "c"]
    assert (parts["y"][:, :3] == 0).all()
    assert (parts["y"].sum(axis=1) == 2).all()
    assert (parts["x"].sum(axis=1) == 3).all()


def test_a_score_is_the_mean_over_seeds_and_then_over_folds() -> None:
    found = {("x", 0): predicted(0), ("x", 1): predicted(1), ("y", 0): predicted(2)}
    detectors = [marks(fold, one, PEOPLE, RULES) for (fold, _), one in found.items()]
    whole = sampled_scores(AUS, detectors, PEOPLE, own=False).whole
    assert whole is not None
    weights = PEOPLE.drawn()
    for row in (0, 5):
        people = drawn_people(weights[row])
        one, other, third = (plain(predictions, people, 0, 0.5)[0] for predictions in found.values())
        assert whole["f1 0.5"][row, 0] == pytest.approx((((one + other) / 2) + third) / 2, abs=1e-10)


def test_part_by_part_every_detector_of_another_dataset_is_on_every_part() -> None:
    found = {"p": predicted(0), "q": predicted(1)}
    parts = sampled_scores(
        AUS, [marks(fold, one, PEOPLE, RULES) for fold, one in found.items()], PEOPLE, own=False
    ).parts
    assert parts is not None
    weights = PEOPLE.drawn_by_part()
    for row in (0, 3):
        by_part = [
            plain_mean([plain(one, drawn_people(weights[part][row]), 1, 0.5)[0] for one in found.values()])
            for part in ("x", "y")
        ]
        assert parts["f1 0.5"][row, 1] == pytest.approx(plain_mean(by_part), abs=1e-10)


def test_own_detectors_are_only_on_the_part_that_they_are_tested_on() -> None:
    tested = {"x": predicted(0, ("a", "b", "c")), "y": predicted(1, ("d", "e"))}
    found = sampled_scores(AUS, [marks(fold, one, PEOPLE, RULES) for fold, one in tested.items()], PEOPLE, own=True)
    assert found.whole is None
    assert found.parts is not None
    for at in range(3):
        expected = plain_mean([plain(one, [*PEOPLE.parts[fold]], at, 0.5)[1] for fold, one in tested.items()])
        assert found.parts[AUC][0, at] == pytest.approx(expected, abs=1e-10, nan_ok=True)


def test_people_without_frames_at_the_end_count_nothing() -> None:
    one: Marks = marks("x", predicted(0, ("a", "b")), PEOPLE, RULES)
    assert one.counts["0.5"].shape == (5, 3, 4)
    assert one.counts["0.5"][2:].sum() == one.wins[:, 2:].sum() == one.wins[:, :, 2:].sum() == 0
