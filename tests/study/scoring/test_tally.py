"""Groups of detectors on people who are drawn part by part, against plain loops over frames and people."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from data.seeds import numpy_generator
from study.records.predictions import Predictions, predictions_of
from study.scoring.bootstrap import Floats, subject_draws
from study.scoring.evaluation import TEST, Evaluation
from study.scoring.tally import Tally, tally

AUS = (1, 4, 12)
NAMES = ("a", "b", "c", "d", "e")
PARTS = {"x": ("a", "b", "c"), "y": ("d", "e")}
ELSEWHERE = ("bootstrap", "transfer")
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
    return (2 * tp / (2 * tp + wrong) if up else math.nan), (won / pairs if pairs else math.nan)


def plain_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def drawn_people(weights: np.ndarray, names: Sequence[str] = NAMES) -> list[str]:
    return [name for name, times in zip(names, weights, strict=True) for _ in range(int(times))]


def drawn_parts() -> dict[str, Floats]:
    return subject_draws({part: len(names) for part, names in PARTS.items()}, numpy_generator(*TEST))


def drawn_all() -> Floats:
    return subject_draws({"": len(NAMES)}, numpy_generator(*ELSEWHERE))[""]


def visiting(found: Predictions) -> Tally:
    """A detector of another dataset, on everybody."""
    return tally({"": found}, {"": RULES}, {"": NAMES})


def whole(*groups: Sequence[Predictions]) -> Evaluation:
    return Evaluation(tuple(tuple(map(visiting, group)) for group in groups), stream=ELSEWHERE)


def by_part(*groups: Sequence[Predictions]) -> Evaluation:
    return Evaluation(tuple(tuple(map(visiting, group)) for group in groups), parts=PARTS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("row", [0, 1, 7, 200])
def test_numbers_of_a_draw_are_those_of_its_frames(rule: str, row: int) -> None:
    found, weights = predicted(0), drawn_all()
    numbers = whole([found])
    people = drawn_people(weights[row])
    assert len(people) == 5
    for at in range(3):
        f1, auc = plain(found, people, at, RULES[rule][at])
        assert numbers.draws("f1", rule).replicates[row, at] == pytest.approx(f1, abs=1e-10, nan_ok=True)
        assert numbers.draws("auc").replicates[row, at] == pytest.approx(auc, abs=1e-10, nan_ok=True)


def test_the_point_is_what_was_observed_and_parts_draw_their_own_people() -> None:
    found, parts = predicted(0), drawn_parts()
    for at in range(3):
        f1, auc = plain(found, NAMES, at, 0.5)
        assert whole([found]).draws("f1").point[at] == pytest.approx(f1, abs=1e-10, nan_ok=True)
        assert whole([found]).draws("auc").point[at] == pytest.approx(auc, abs=1e-10, nan_ok=True)
        in_parts = [plain(found, names, at, 0.5)[0] for names in PARTS.values()]
        assert by_part([found]).draws("f1").point[at] == pytest.approx(plain_mean(in_parts), abs=1e-10, nan_ok=True)
    assert (parts["y"].sum(axis=1) == 2).all()
    assert (parts["x"].sum(axis=1) == 3).all()


def test_a_score_is_the_mean_over_seeds_and_then_over_groups() -> None:
    first, second, third = predicted(0), predicted(1), predicted(2)
    drawn, weights = whole([first, second], [third]).draws("f1"), drawn_all()
    for row, score in ((None, drawn.point[0]), (5, drawn.replicates[5, 0])):
        people = NAMES if row is None else drawn_people(weights[row])
        one, other, last = (plain(predictions, people, 0, 0.5)[0] for predictions in (first, second, third))
        assert score == pytest.approx((((one + other) / 2) + last) / 2, abs=1e-10)


def test_part_by_part_every_detector_of_another_dataset_is_on_every_part() -> None:
    found = predicted(0), predicted(1)
    drawn, weights = by_part([found[0]], [found[1]]).draws("f1"), drawn_parts()
    for row, score in ((None, drawn.point[1]), (3, drawn.replicates[3, 1])):
        people = {
            part: names if row is None else drawn_people(weights[part][row], names) for part, names in PARTS.items()
        }
        parts = [plain_mean([plain(one, people[part], 1, 0.5)[0] for one in found]) for part in PARTS]
        assert score == pytest.approx(plain_mean(parts), abs=1e-10)


def test_own_detectors_are_only_on_the_part_that_they_are_tested_on() -> None:
    tested = {"x": predicted(0, ("a", "b", "c")), "y": predicted(1, ("d", "e"))}
    found = Evaluation(((tally(tested, dict.fromkeys(tested, RULES), PARTS),),))
    assert found.people == PARTS
    for at in range(3):
        expected = plain_mean([plain(one, PARTS[fold], at, 0.5)[1] for fold, one in tested.items()])
        assert found.draws("auc").point[at] == pytest.approx(expected, abs=1e-10, nan_ok=True)


def test_people_without_frames_at_the_end_count_nothing() -> None:
    one = visiting(predicted(0, ("a", "b")))
    assert one.wins is not None
    assert one.counts["0.5"].shape == (5, 3, 4)
    assert one.counts["0.5"][2:].sum() == one.wins[:, 2:].sum() == one.wins[:, :, 2:].sum() == 0
