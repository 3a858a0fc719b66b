"""Scores of final detectors against scikit-learn, frame by frame, and their bootstrap against plain loops."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sklearn

from data.seeds import numpy_generator
from model.metrics import mean_defined
from study.records.predictions import Predictions, predictions_of
from study.records.score_table import FIXED_THRESHOLD, METRICS, SCORES
from study.scoring import bootstrap
from study.scoring.bootstrap import Floats, subject_draws
from study.scoring.evaluation import OF_COUNTS, Evaluation, bias_table, score_table
from study.scoring.sampled import difference_row, minus
from study.scoring.tally import tally
from study.scoring.thresholds import fixed_thresholds, rule_thresholds
from tests.study.predicted import AUS, predicted, table

FOLDS = {"part1": ["F1", "F2", "F3", "F4"], "part2": ["M1"], "part3": ["M2", "M3", "F5"]}
Frames = tuple[np.ndarray, np.ndarray, np.ndarray]  # probabilities, labels and predictions of one AU, coded frames only


def safe(metric: Callable[..., float]) -> Callable[[Frames], float]:
    """scikit-learn's `metric` of labels and predictions; what it defines as 0 we have as undefined, see `edges`."""
    return lambda frames: float(metric(frames[1], frames[2]))


def where_active(metric: Callable[[Frames], float]) -> Callable[[Frames], float]:
    """An AU that does not occur has no F1; scikit-learn says 0 when it is predicted somewhere."""
    return lambda frames: metric(frames) if frames[1].any() else math.nan


@where_active
def sklearn_f1(frames: Frames) -> float:
    return float(sklearn.f1_score(frames[1], frames[2]))


@where_active
def sklearn_always(frames: Frames) -> float:
    return float(sklearn.f1_score(frames[1], np.ones_like(frames[1])))


@where_active
def sklearn_precision(frames: Frames) -> float:
    return float(sklearn.precision_score(frames[1], frames[2], zero_division=np.nan))


def of_both_classes(metric: Callable[[Frames], float]) -> Callable[[Frames], float]:
    return lambda frames: metric(frames) if len({*frames[1]}) == 2 else math.nan


ORACLES: dict[str, Callable[[Frames], float]] = {
    "f1": sklearn_f1,
    "auc": of_both_classes(lambda frames: float(sklearn.roc_auc_score(frames[1], frames[0]))),
    "balanced_accuracy": of_both_classes(safe(sklearn.balanced_accuracy_score)),
    "mcc": of_both_classes(safe(sklearn.matthews_corrcoef)),
    "accuracy": safe(sklearn.accuracy_score),
    "precision": sklearn_precision,
    "recall": lambda frames: float(sklearn.recall_score(frames[1], frames[2], zero_division=np.nan)),
    "always_positive": sklearn_always,
    "lift": lambda frames: sklearn_f1(frames) - sklearn_always(frames),
}


def frames_of(parts: list[Predictions], thresholds: list[Floats], at: int) -> Frames:
    """One AU of several parts, each with its own thresholds, one after another."""
    p = np.concatenate([part.probabilities[:, at].astype(float) for part in parts])
    y = np.concatenate([part.labels[:, at] for part in parts])
    said = np.concatenate([part.probabilities[:, at] >= t[at] for part, t in zip(parts, thresholds, strict=True)])
    return p[y >= 0], y[y >= 0], said[y >= 0].astype(int)


def oracle(metric: str, frames: Frames) -> float:
    if not len(frames[0]):
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a single class
        return ORACLES[metric](frames)


def mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def parts_of(seeds: int = 2, **options: Any) -> dict[str, list[Predictions]]:
    return {
        fold: [predicted(fold, people, seed=seed, **options) for seed in range(seeds)] for fold, people in FOLDS.items()
    }


def rules_of(parts: Mapping[str, list[Predictions]]) -> dict[str, list[dict[str, Floats]]]:
    """Thresholds that differ from fold to fold and seed to seed."""
    return {fold: [rule_thresholds(one, val=one) for one in seeds] for fold, seeds in parts.items()}


def fixed_of(parts: Mapping[str, list[Predictions]]) -> dict[str, list[dict[str, Floats]]]:
    return {fold: [rule_thresholds(one) for one in seeds] for fold, seeds in parts.items()}


def with_hard_cases(parts: dict[str, list[Predictions]]) -> dict[str, list[Predictions]]:
    """AU 1 is never active in part1 and nowhere coded in part3; AU 4 is always active in part2, and never predicted."""
    whole: dict[str, dict[str, Any]] = {"part1": {"y_1": 0}, "part2": {"y_4": 1, "p_4": 0.25}, "part3": {"y_1": None}}

    def changed(fold: str, one: Predictions) -> Predictions:
        new = [pl.lit(value, one.frame.schema[name]).alias(name) for name, value in whole[fold].items()]
        return Predictions(one.frame.with_columns(new), one.aus)

    return {fold: [changed(fold, one) for one in seeds] for fold, seeds in parts.items()}


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_that_of_scikit_learn(metric: str, hard: bool) -> None:
    parts = with_hard_cases(parts_of()) if hard else parts_of()
    rules = rules_of(parts)
    found = evaluate(parts, rules, "nested", replicates=3).filter(metric=metric)
    for rule in found["rule"].unique():
        for at, au in enumerate(AUS):
            by_fold = [
                mean(
                    [oracle(metric, frames_of([one], [t[rule]], at)) for one, t in zip(parts[f], rules[f], strict=True)]
                )
                for f in FOLDS
            ]
            assert_is(value_of(found, rule, "folds", au), mean(by_fold))
        for aggregate in ("folds", "pooled"):
            values = [value_of(found, rule, aggregate, au) for au in AUS]
            assert_is(value_of(found, rule, aggregate, None), mean(values))


@pytest.mark.parametrize("metric", METRICS)
def test_one_seed_pooled_is_scikit_learn_on_all_frames(metric: str) -> None:
    parts = with_hard_cases(parts_of(seeds=1))
    rules = rules_of(parts)
    found = evaluate(parts, rules, "nested", replicates=3).filter(metric=metric, aggregate="pooled")
    for rule in found["rule"].unique():
        for at, au in enumerate(AUS):
            frames = frames_of([parts[f][0] for f in FOLDS], [rules[f][0][rule] for f in FOLDS], at)
            assert_is(value_of(found, rule, "pooled", au), oracle(metric, frames))


def value_of(found: pl.DataFrame, rule: str, aggregate: str, au: int | None) -> float:
    row = found.filter(pl.col("rule") == rule, pl.col("aggregate") == aggregate, pl.col("au").eq_missing(au))
    value = row["value"].item()
    return math.nan if value is None else float(value)


def assert_is(value: float, expected: float) -> None:
    assert value == pytest.approx(expected, abs=1e-12, rel=0, nan_ok=True)


def test_a_detector_that_says_the_same_of_every_frame() -> None:
    made = predictions_of(table(["F1"], 4), np.full((4, 1), 0.3), np.array([[1], [0], [0], [-1]]), (1,), "test")
    found = evaluate({"a": [made]}, {"a": [rule_thresholds(made)]}, "nested", 3).filter(au=1, aggregate="folds")
    values = dict(found.select("metric", "value").iter_rows())
    expected = {"f1": 0.0, "mcc": 0.0, "auc": 0.5, "recall": 0.0, "balanced_accuracy": 0.5, "always_positive": 0.5}
    assert {metric: values[metric] for metric in expected} == expected
    assert values["precision"] is None
    assert values["accuracy"] == pytest.approx(2 / 3)


def test_undefined_is_null_and_in_no_mean() -> None:
    found = evaluate(with_hard_cases(parts_of()), rules_of(parts_of()), "nested", 50).filter(metric="auc")
    for au, folds in ((1, ["part2"]), (4, ["part1", "part3"])):
        only = {f: parts for f, parts in with_hard_cases(parts_of()).items() if f in folds}
        alone = evaluate(only, fixed_of(only), "nested", 3).filter(metric="auc")
        assert value_of(found, FIXED_THRESHOLD, "folds", au) == pytest.approx(
            value_of(alone, FIXED_THRESHOLD, "folds", au)
        )


def test_nothing_coded_at_all_is_null_everywhere() -> None:
    made = predictions_of(table(["F1", "F2"], 3), np.full((6, 1), 0.7), np.full((6, 1), -1), (1,), "test")
    found = evaluate({"a": [made]}, {"a": [rule_thresholds(made)]}, "nested", 9)
    assert found["value"].null_count() == found["low"].null_count() == found["high"].null_count() == found.height
    assert {*found["metric"]} == {*METRICS}


# --- the bootstrap


def evaluation(seeds: int = 2, replicates: int = 40, **options: Any) -> tuple[Evaluation, dict[str, list[Predictions]]]:
    parts = parts_of(seeds, **options)
    rules = rules_of(parts)
    tallies = [tally({f: parts[f][k] for f in FOLDS}, {f: rules[f][k] for f in FOLDS}) for k in range(seeds)]
    return Evaluation((tuple(tallies),), replicates=replicates), parts


def evaluate(
    parts: Mapping[str, list[Predictions]],
    rules: Mapping[str, list[dict[str, Floats]]],
    selection: str,
    replicates: int = bootstrap.REPLICATES,
) -> pl.DataFrame:
    """Scores of the detectors of each fold, one a seed, at their thresholds."""
    tallies = [
        tally({fold: seeds[k] for fold, seeds in parts.items()}, {fold: given[k] for fold, given in rules.items()})
        for k in range(len(next(iter(parts.values()))))
    ]
    return scores(Evaluation((tuple(tallies),), replicates=replicates), selection)


def scores(found: Evaluation, selection: str = "nested") -> pl.DataFrame:
    return score_table(found, {"selection": selection})


def repeated(one: Predictions, weights: np.ndarray) -> Predictions:
    """Every subject as often as its weight says."""
    names = sorted({*one.subjects})
    copies = [one.frame.filter(subject=name) for name, times in zip(names, weights, strict=True) for _ in range(times)]
    return Predictions(pl.concat(copies), one.aus)


@pytest.mark.parametrize("metric", ["f1", "auc", "mcc", "lift"])
def test_a_replicate_is_the_metric_of_the_drawn_subjects(metric: str) -> None:
    whole, parts = evaluation()
    draws = subject_draws({f: len(people) for f, people in FOLDS.items()}, numpy_generator("bootstrap", "test"), 40)
    folds, pooled = (whole.draws(metric, FIXED_THRESHOLD, aggregate).replicates for aggregate in ("folds", "pooled"))
    same = fixed_thresholds(AUS)
    for replicate in (0, 7, 39):
        drawn = {f: [repeated(one, draws[f][replicate].astype(int)) for one in parts[f]] for f in FOLDS}
        for at in range(len(AUS)):
            by_fold = [mean([oracle(metric, frames_of([one], [same], at)) for one in drawn[f]]) for f in FOLDS]
            assert_is(folds[replicate, at], mean(by_fold))
            together = [frames_of([drawn[f][k] for f in FOLDS], [same] * 3, at) for k in range(2)]
            if metric == "auc":
                assert_is(pooled[replicate, at], mean([oracle(metric, frames) for frames in together]))
            else:
                joined = tuple(np.concatenate([frames[i] for frames in together]) for i in range(3))
                assert_is(pooled[replicate, at], oracle(metric, (joined[0], joined[1], joined[2])))


def test_the_interval_is_students_around_the_estimate_less_its_bias() -> None:
    whole, _ = evaluation(seeds=1, replicates=200)
    rows = scores(whole).filter(metric="f1", rule=FIXED_THRESHOLD, aggregate="folds")
    number = whole.number("f1")
    value, replicates = number.values[-1], number.replicates[:, -1]
    error = replicates.std(ddof=1) * math.sqrt(8 / 5)
    centre = 2 * value - replicates.mean()
    low, high = rows.filter(pl.col("au").is_null()).select("low", "high").row(0)
    assert (low, high) == pytest.approx((centre - 2.570582 * error, centre + 2.570582 * error), abs=1e-7)
    assert low < value < high


def test_an_interval_stays_inside_the_range_of_its_metric() -> None:
    found = scores(evaluation(replicates=200, frames=3)[0]).drop_nulls("low")
    signed = pl.col("metric").is_in(["mcc", "lift"])
    assert found.filter(~signed)["low"].to_numpy().min() >= 0
    assert found["high"].to_numpy().max() == 1, "one is cut, so that this test can fail"
    assert found.filter(signed)["low"].to_numpy().min() < 0


def test_a_single_subject_a_fold_has_no_interval() -> None:
    parts = {"a": [predicted("a", ["F1"])], "b": [predicted("b", ["M1"])]}
    found = evaluate(parts, fixed_of(parts), "nested", 20)
    assert found["low"].null_count() == found["high"].null_count() == found.height
    assert found.filter(metric="f1")["value"].null_count() == 0


def test_seeds_spread_as_their_own_means_do() -> None:
    whole, _ = evaluation(seeds=3)
    for aggregate in ("folds", "pooled"):
        found = scores(whole).filter(metric="f1", rule=FIXED_THRESHOLD, aggregate=aggregate)
        by_seed = [
            Evaluation(((one,),), replicates=3).draws("f1", FIXED_THRESHOLD, aggregate).point for one in whole.groups[0]
        ]
        spread = np.std([mean_defined(values) for values in by_seed], ddof=1)
        assert found.filter(pl.col("au").is_null())["seed_sd"].item() == pytest.approx(spread)
        np.testing.assert_allclose(found.drop_nulls("au")["seed_sd"], np.std(by_seed, axis=0, ddof=1))
    assert scores(evaluation(seeds=1)[0])["seed_sd"].null_count() > 0


def test_evaluations_on_the_same_frames_draw_the_same_people() -> None:
    one, parts = evaluation(seeds=1)
    other, _ = evaluation(seeds=1)
    np.testing.assert_array_equal(one.draws("auc").replicates, other.draws("auc").replicates)
    rules = rules_of(parts)
    turned = dict(reversed(list(parts.items())))
    assert evaluate(turned, rules, "nested", 40).equals(scores(one)), "whatever the order of the folds"


def test_the_bias_is_oracle_less_nested_in_paired_replicates() -> None:
    nested, _ = evaluation(replicates=300)
    better, _ = evaluation(replicates=300, levels=10**6)
    found = bias_table(better, nested, {})
    assert dict(found.schema) == SCORES
    assert {*found["selection"]} == {"bias"}
    mine = found.filter(pl.col("au").is_null(), metric="f1", rule="0.5", aggregate="folds").row(0, named=True)
    one, other = (each.number("f1") for each in (better, nested))
    assert mine["value"] == pytest.approx(one.values[-1] - other.values[-1])
    difference = minus(one, other, same_runs=True)
    error = difference.error()
    assert error
    np.testing.assert_allclose(difference.replicates, one.replicates - other.replicates, atol=1e-12)
    assert (mine["low"], mine["high"]) == pytest.approx(error.interval)
    itself = bias_table(nested, nested, {}).drop_nulls("low")
    assert {*itself["value"], *itself["low"], *itself["high"]} == {0.0}


def test_with_one_training_run_a_score_covers_people_alone_and_a_difference_nothing() -> None:
    nested, _ = evaluation(seeds=1, replicates=300)
    better, _ = evaluation(seeds=1, replicates=300, levels=10**6)
    assert scores(nested).filter(metric="f1")["low"].null_count() == 0
    assert bias_table(better, nested, {})["low"].is_null().all()
    row = difference_row(better.number("f1"), nested.number("f1"), {})
    assert math.isnan(row["low"])
    assert math.isnan(row["p"])
    assert row["value"] == pytest.approx(better.number("f1").values[-1] - nested.number("f1").values[-1])


def test_a_detector_that_is_compared_as_it_is_needs_no_second_run() -> None:
    ours, _ = evaluation(seeds=2, replicates=300)
    theirs = replace(evaluation(seeds=1, replicates=300, levels=10**6)[0], as_is=True)
    row = difference_row(ours.number("f1"), theirs.number("f1"), {})
    assert 0 < row["p"] < 1
    assert row["n_seeds"] == 2
    once = difference_row(evaluation(seeds=1, replicates=300)[0].number("f1"), theirs.number("f1"), {})
    assert math.isnan(once["p"])


def test_an_au_that_does_not_occur_in_a_fold_has_neither_score_nor_baseline_there() -> None:
    """So the mean lift is the mean F1 less the mean always-positive F1, to the last digit."""
    found = evaluate(with_hard_cases(parts_of()), fixed_of(parts_of()), "nested", 40)
    for aggregate in ("folds", "pooled"):
        for au in (*AUS, None):
            f1, base, lift = (
                value_of(found.filter(metric=metric), FIXED_THRESHOLD, aggregate, au)
                for metric in ("f1", "always_positive", "lift")
            )
            assert lift == pytest.approx(f1 - base, abs=1e-12)


def test_folds_share_no_subject() -> None:
    one = predicted("a", ["F1", "F2"])
    with pytest.raises(AssertionError, match="in two folds"):
        tally({"a": one, "b": one}, dict.fromkeys("ab", rule_thresholds(one)))


def test_metrics_of_counts_are_those_of_the_schema() -> None:
    assert {*OF_COUNTS, "auc"} == {*METRICS}
