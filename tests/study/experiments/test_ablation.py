"""The numbers of a comparison, on counts made by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from data.seeds import numpy_generator
from model.metrics import BINS, Score, always_positive_f1
from study.experiments.ablation import Condition, ablation_table, baseline_in, comparison_frame, noisy_trials
from study.records.config import trial_from_dict
from study.records.result import TrialResult
from study.scoring.bootstrap import standard_error
from study.scoring.evaluation import evaluation_of_scores
from study.scoring.significance import holm
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
def done() -> dict[Condition, list[TrialResult]]:
    return {("good", 0.0): finished(0.9), ("bad", 0.0): finished(0.6), ("good", 0.2): finished(0.8)}


AGAINST = {"good": "good", "bad": "good"}


def compared(
    done: Mapping[Condition, Sequence[TrialResult]], against: Mapping[str, str] = AGAINST
) -> list[dict[str, Any]]:
    """The rows of comparison.csv."""
    return comparison_frame(ablation_table(done, against)).rows(named=True)


def test_noisy_trials_are_final_and_differ_in_fold_seed_and_noise() -> None:
    trials = noisy_trials(trial_from_dict({}), 0.2, ["part1", "part2"], 3)
    assert {(t.data.fold, t.seed, t.data.label_noise, t.score_test) for t in trials} == {
        (fold, seed, 0.2, True) for fold in ("part1", "part2") for seed in range(3)
    }
    assert len(trials) == len({config.key for config in trials}) == 6


def test_scores_are_those_of_plain_loops(done: dict[Condition, list[TrialResult]]) -> None:
    rows = compared(done)
    assert [(row["variant"], row["label_noise"]) for row in rows] == [*done]
    for row, results in zip(rows, done.values(), strict=True):
        assert row["f1"] == pytest.approx(plain_mean(results, [*range(6)]))
        assert row["rare"] == pytest.approx(plain_mean(results, [1, 3]))
        assert row["f1_au_12"] == pytest.approx(plain_mean(results, [4]))
        assert row["f1_low"] < row["f1"] < row["f1_high"]
        assert (row["trials"], row["seconds"]) == (4, 1.5)


def test_the_rarest_third_has_the_lowest_base_rates(done: dict[Condition, list[TrialResult]]) -> None:
    found = baseline_in(ablation_table(done, AGAINST))
    assert found is not None
    assert found.base_rates == {2: 5 / 50, 6: 3 / 50}
    counts = [np.array([[active, 50 - active, 0, 0]]) for active in ACTIVE]
    assert found.always_positive == pytest.approx(np.mean([always_positive_f1(one)[0] for one in counts]))
    assert found.rare_always_positive == pytest.approx(np.mean([always_positive_f1(counts[at])[0] for at in (1, 3)]))


def test_a_gain_is_a_difference_of_paired_replicates(done: dict[Condition, list[TrialResult]]) -> None:
    good, bad, noisy = compared(done)
    assert (good["against"], good["f1_gain"], good["rare_gain"]) == ("", None, None)
    assert (noisy["against"], noisy["f1_gain"]) == ("", None)
    assert bad["against"] == "good"
    assert bad["f1_gain"] == pytest.approx(bad["f1"] - good["f1"])
    ours, theirs = (
        evaluation_of_scores((r.config.data.fold, r.config.seed, r.scores["test"]) for r in results).number("f1")
        for results in (done["bad", 0.0], done["good", 0.0])
    )
    drawn, trained = ours.replicates[:, -1] - theirs.replicates[:, -1], (*ours.trained, *theirs.trained)
    error = standard_error(bad["f1_gain"], drawn, sum(PEOPLE.values()), len(PEOPLE), trained)
    assert error
    assert (bad["f1_gain_low"], bad["f1_gain_high"]) == pytest.approx(error.interval)
    assert bad["f1_gain_high"] < 0


def test_a_detector_gains_nothing_over_its_double() -> None:
    """Its interval is not 0 to 0: the same runs might have come out otherwise."""
    _, double = compared({("a", 0.0): finished(0.7), ("b", 0.0): finished(0.7)}, {"a": "a", "b": "a"})
    assert (double["f1_gain"], double["f1_gain_p_holm"]) == (0, 1)
    assert -double["f1_gain_low"] == pytest.approx(double["f1_gain_high"])


def test_with_one_seed_a_gain_has_neither_interval_nor_p_value() -> None:
    _, bad = compared({("good", 0.0): finished(0.9, seeds=1), ("bad", 0.0): finished(0.6, seeds=1)})
    assert bad["f1_gain"] < 0
    assert bad["seeds"] == 1
    assert [bad[f"f1_gain{end}"] for end in ("_low", "_high", "_p_holm")] == [None] * 3
    assert bad["f1_low"] < bad["f1_high"], "of the score itself, over people alone"


def test_holm_is_over_all_gains_of_the_table() -> None:
    done = {
        (name, noise): finished(hits) for noise in (0.0, 0.2) for name, hits in (("a", 0.7), ("b", 0.66), ("c", 0.72))
    }
    rows = ablation_table(done, {"a": "a", "b": "a", "c": "a"}).filter(pl.col("p").is_not_null())
    assert rows.height == 2 * 2 * 2, "variants, shares of noise, all and rare AUs"
    np.testing.assert_allclose(rows["p_holm"], holm(rows["p"].to_list()))


def test_a_reference_that_is_not_done_gives_no_gain() -> None:
    (row,) = compared({("bad", 0.0): finished(0.6)})
    assert (row["against"], row["f1_gain"]) == ("", None)


def test_the_order_of_results_does_not_matter(done: dict[Condition, list[TrialResult]]) -> None:
    turned = {cell: results[::-1] for cell, results in done.items()}
    assert ablation_table(turned, AGAINST).equals(ablation_table(done, AGAINST))


def test_one_subject_a_fold_has_no_interval() -> None:
    (row,) = compared({("a", 0.0): finished(0.7, {"part1": 1, "part2": 1})}, {"a": "a"})
    assert (row["f1_low"], row["f1_high"], row["rare_low"]) == (None, None, None)
    assert row["f1"] > 0


def test_the_frame_has_every_number(done: dict[Condition, list[TrialResult]]) -> None:
    scores = ablation_table(done, AGAINST)
    frame = comparison_frame(scores)
    assert frame.height == 3
    row = frame.row(1, named=True)
    bad = scores.filter(method="bad")
    (mean,) = bad.filter(pl.col("au").is_null(), pl.col("against").is_null(), metric="f1").iter_rows(named=True)
    (gain,) = bad.filter(against="good", metric="rare_f1").iter_rows(named=True)
    assert (row["variant"], row["against"], row["f1"], row["f1_low"]) == ("bad", "good", mean["value"], mean["low"])
    assert (row["rare_gain"], row["rare_gain_high"]) == (gain["value"], gain["high"])
    assert (mean["aus"], gain["aus"]) == ("1 2 4 6 12 17", "2 6")
    by_au = dict(bad.filter(pl.col("au").is_not_null(), metric="f1").select("au", "value").iter_rows())
    assert [row[f"f1_au_{au}"] for au in AUS] == [by_au[au] for au in AUS]
    assert frame["f1_gain"].to_list()[0] is None
