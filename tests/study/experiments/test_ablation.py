"""The numbers of a comparison, on counts made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from data.seeds import numpy_generator
from model.metrics import BINS, Score, always_positive_f1, f1
from study.experiments.ablation import Cell, compare, comparison_frame, noisy_trials
from study.records.config import trial_from_dict
from study.records.result import TrialResult
from study.scoring import bootstrap
from tests.study.make import result, trial

AUS = (1, 2, 4, 6, 12, 17)
ACTIVE = (30, 5, 20, 3, 40, 12)  # of 50 frames of each subject: AU 2 and AU 6 are the rare ones
PEOPLE = {"part1": 4, "part2": 3}


def score(fold: str, hits: float, seed: int, people: int) -> Score:
    """Every subject has the same labels; of active and of inactive frames about a share `hits` is right."""
    rng = numpy_generator("hits", fold, seed)
    counts = np.zeros((people, len(AUS), 4), np.int64)
    for person in range(people):
        for at, active in enumerate(ACTIVE):
            tp, tn = rng.binomial(active, hits), rng.binomial(50 - active, hits)
            counts[person, at] = tp, 50 - active - tn, active - tp, tn
    names = tuple(f"{fold}-{person}" for person in range(people))
    return Score(names, AUS, counts, np.zeros((len(AUS), 2, BINS), np.int64))


def finished(hits: float, people: dict[str, int] = PEOPLE, seeds: int = 2) -> list[TrialResult]:
    results = []
    for config in noisy_trials(trial(), 0.0, list(people), seeds):
        fold = config.data.fold
        scored = {"test": score(fold, hits, config.seed, people[fold])}
        results.append(replace(result(config), scores=scored))
    return results


def plain_mean(results: list[TrialResult], aus: list[int]) -> float:
    """Mean over folds and seeds of F1 on summed counts, then over AUs, with loops."""
    means = []
    for at in aus:
        scores = []
        for one in results:
            tp, fp, fn, _ = one.scores["test"].counts[:, at].sum(axis=0).tolist()
            scores.append(2 * tp / (2 * tp + fp + fn))
        means.append(sum(scores) / len(scores))
    return float(sum(means) / len(means))


@pytest.fixture
def done() -> dict[Cell, list[TrialResult]]:
    return {("good", 0.0): finished(0.9), ("bad", 0.0): finished(0.6), ("good", 0.2): finished(0.8)}


AGAINST = {"good": "good", "bad": "good"}


def test_noisy_trials_are_final_and_differ_in_fold_seed_and_noise() -> None:
    trials = noisy_trials(trial_from_dict({}), 0.2, ["part1", "part2"], 3)
    assert {(t.data.fold, t.seed, t.data.label_noise, t.score_test) for t in trials} == {
        (fold, seed, 0.2, True) for fold in ("part1", "part2") for seed in range(3)
    }
    assert len(trials) == len({config.key for config in trials}) == 6


def test_scores_are_those_of_plain_loops(done: dict[Cell, list[TrialResult]]) -> None:
    compared = compare(done, AGAINST)
    assert [(row.variant, row.label_noise) for row in compared.rows] == [*done]
    for row, results in zip(compared.rows, done.values(), strict=True):
        assert row.f1.value == pytest.approx(plain_mean(results, [*range(6)]))
        assert row.rare.value == pytest.approx(plain_mean(results, [1, 3]))
        assert row.by_au[12] == pytest.approx(plain_mean(results, [4]))
        assert row.f1.low < row.f1.value < row.f1.high
        assert (row.trials, row.seconds) == (4, 1.5)


def test_the_rarest_third_has_the_lowest_base_rates(done: dict[Cell, list[TrialResult]]) -> None:
    compared = compare(done, AGAINST)
    assert compared.base_rates == {2: 5 / 50, 6: 3 / 50}
    counts = [np.array([[active, 50 - active, 0, 0]]) for active in ACTIVE]
    assert compared.always_positive == pytest.approx(np.mean([always_positive_f1(one)[0] for one in counts]))
    assert compared.always_positive_rare == pytest.approx(np.mean([always_positive_f1(counts[at])[0] for at in (1, 3)]))


def test_a_gain_is_a_difference_of_paired_replicates(done: dict[Cell, list[TrialResult]]) -> None:
    good, bad, noisy = compare(done, AGAINST).rows
    assert (good.against, good.f1_gain, good.rare_gain) == ("", None, None)
    assert (noisy.against, noisy.f1_gain) == ("", None)
    assert bad.against == "good"
    assert bad.f1_gain is not None
    assert bad.f1_gain.value == pytest.approx(bad.f1.value - good.f1.value)
    draws = [
        bootstrap.resample(
            {
                fold: np.stack([r.scores["test"].counts for r in results if r.config.data.fold == fold])
                for fold in PEOPLE
            },
            numpy_generator("bootstrap", "test"),
        )
        .mean_of_folds(f1)
        .overall()[1]
        for results in (done["bad", 0.0], done["good", 0.0])
    ]
    assert (bad.f1_gain.low, bad.f1_gain.high) == pytest.approx(
        bootstrap.subject_interval(bad.f1_gain.value, draws[0] - draws[1], sum(PEOPLE.values()), len(PEOPLE))
    )
    assert bad.f1_gain.high < 0


def test_a_detector_gains_nothing_over_its_double() -> None:
    rows = compare({("a", 0.0): finished(0.7), ("b", 0.0): finished(0.7)}, {"a": "a", "b": "a"}).rows
    gain = rows[1].f1_gain
    assert gain is not None
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_a_reference_that_is_not_done_gives_no_gain() -> None:
    (row,) = compare({("bad", 0.0): finished(0.6)}, AGAINST).rows
    assert (row.against, row.f1_gain) == ("", None)


def test_the_order_of_results_does_not_matter(done: dict[Cell, list[TrialResult]]) -> None:
    turned = {cell: results[::-1] for cell, results in done.items()}
    assert compare(turned, AGAINST) == compare(done, AGAINST)


def test_one_subject_a_fold_has_no_interval() -> None:
    (row,) = compare({("a", 0.0): finished(0.7, {"part1": 1, "part2": 1})}, {"a": "a"}).rows
    assert np.isnan([row.f1.low, row.f1.high, row.rare.low]).all()
    assert row.f1.value > 0


def test_the_frame_has_every_number(done: dict[Cell, list[TrialResult]]) -> None:
    compared = compare(done, AGAINST)
    frame = comparison_frame(compared)
    assert frame.height == 3
    row = frame.row(1, named=True)
    bad = compared.rows[1]
    assert (row["variant"], row["against"], row["f1"], row["f1_low"]) == ("bad", "good", bad.f1.value, bad.f1.low)
    assert bad.rare_gain is not None
    assert (row["rare_gain"], row["rare_gain_high"]) == (bad.rare_gain.value, bad.rare_gain.high)
    assert [row[f"f1_au_{au}"] for au in AUS] == [bad.by_au[au] for au in AUS]
    assert frame["f1_gain"].to_list()[0] is None
