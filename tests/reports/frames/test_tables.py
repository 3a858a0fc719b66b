"""Tables against numbers computed by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reports.frames import tables, text, usage
from reports.frames.split_scores import scores_of_counts, split_evaluation
from study.records.selection_record import SelectionRecord
from study.records.store import COUNTS
from study.records.study_spec import PruningSettings
from tests.reports.fake import FakeStore, full_store
from tests.study.make import opened, result, trial
from tests.study.specs import changed


def counts(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows of (fold, seed, split, subject, au, tp, fp, fn, tn)."""
    full = [("k", "final", fold, seed, "m", *rest) for fold, seed, *rest in rows]
    return pl.DataFrame(full, schema=COUNTS, orient="row")


def stored(*rows: dict[str, Any]) -> FakeStore:
    store = FakeStore()
    for number, row in enumerate(rows):
        store.add_trial(number, **row)
    return store


def trials(*rows: dict[str, Any]) -> pl.DataFrame:
    return stored(*rows).trials()


def best_trials(store: FakeStore) -> dict[str, dict[str, Any]]:
    return tables.best_trials(tables.numbered(store.trials(), "sweep"), store)


def test_best_trial_is_the_earliest_of_the_best_finished_ones() -> None:
    store = stored(
        {"value": 0.5},
        {"status": "PRUNED", "value": 0.9},
        {"value": 0.6},
        {"value": 0.6},
        {"status": "FAILED"},
        {"value": float("nan")},
    )
    assert best_trials(store)["part1"]["trial"] == 3
    assert best_trials(stored({"status": "PRUNED", "value": 0.9})) == {}


def test_trials_are_numbered_in_the_order_of_their_start() -> None:
    frame = trials({"started": 30.0, "key": "c"}, {"started": 10.0, "key": "a"}, {"started": 20.0, "key": "b"})
    assert tables.numbered(frame, "sweep").select("trial", "key").rows() == [(1, "a"), (2, "b"), (3, "c")]


def test_best_configuration_lists_the_tried_values() -> None:
    rates = [1e-5, 1e-4, 1e-3, 2e-3, 1e-2]
    store = FakeStore()
    for number, rate in enumerate(rates):
        store.add_trial(number, params={"optim.lr": rate, "method.draw": "au" if number else "anchor"})
    frame = store.trials()
    table = tables.best_configuration(frame, [frame.row(2, named=True)])
    assert table.rows() == [("optim.lr", "0.001", "1e-5 to 0.01"), ("method.draw", "au", "anchor, au")]


def test_final_runs_are_those_of_the_best_configuration() -> None:
    mine, other = {"optim.lr": 0.1}, {"optim.lr": 0.2}
    store = stored(
        {"params": mine, "value": 0.9},
        {"stage": "final", "params": mine, "seed": 0, "key": "old"},
        {"stage": "final", "params": mine, "seed": 0, "key": "new"},
        {"stage": "final", "params": mine, "seed": 1, "key": "second"},
        {"stage": "final", "params": mine, "seed": 2, "status": "FAILED"},
        {"stage": "final", "params": other, "seed": 0, "key": "other"},
    )
    frame = store.trials()
    finals = tables.final_runs(frame, best_trials(store), {})
    assert finals.runs["key"].to_list() == ["new", "second"]
    assert (finals.current, finals.left_out) == (True, 2)
    newest = tables.final_runs(frame, {"part1": {"param/optim.lr": 0.3, "method": "aunce", "seed": 9}}, {})
    assert newest.runs["key"].to_list() == ["other"]
    assert (newest.current, newest.left_out) == (False, 3)
    alone = tables.final_runs(frame, {}, {})
    assert (alone.runs["key"].to_list(), alone.current) == (["other"], True)


@pytest.mark.parametrize("fold", [{}, {"fold": "part2"}])
def test_unrecorded_final_trials_leave_out_the_seed_of_the_search(fold: dict[str, str]) -> None:
    mine = {"params": {"optim.lr": 0.1}}
    own: dict[str, Any] = {"stage": "final", "seed": 0, **mine, "key": "own"}
    search: list[dict[str, Any]] = [{**mine, "seed": 0, "value": 0.9}, {**mine, "seed": 0, "value": 0.9, **fold}]
    store = stored(*search, own, {**own, "seed": 1, "key": "fresh"})
    assert tables.final_runs(store.trials(), best_trials(store), {}).runs["key"].to_list() == ["fresh"]
    former = stored(*search, own)
    assert tables.final_runs(former.trials(), best_trials(former), {}).runs["key"].to_list() == ["own"]


def test_the_record_of_the_final_evaluation_selects_its_runs() -> None:
    mine, other = {"optim.lr": 0.1}, {"optim.lr": 0.2}
    store = stored(
        {"params": mine, "value": 0.9, "fold": "part1"},
        {"params": other, "value": 0.9, "fold": "part2"},
        {"stage": "final", "params": mine, "fold": "part1", "key": "one"},
        {"stage": "final", "params": mine, "fold": "part2", "key": "two"},
    )
    frame, bests = store.trials(), best_trials(store)
    shared = {"shared": SelectionRecord({"part1": ("one",), "part2": ("two",)})}
    finals = tables.final_runs(frame, bests, shared)
    assert (finals.runs["key"].to_list(), finals.selection, finals.current) == (["one", "two"], "shared", True)
    nested = tables.final_runs(frame, bests, {"nested": shared["shared"]})
    assert nested.runs["key"].to_list() == ["one"], "that of part2 is of an earlier choice"


def test_a_trial_that_breaks_a_constraint_is_not_the_best(tmp_path: Path) -> None:
    store = opened(tmp_path / "mine")
    for seed, hours in ((1, 2.0), (2, 1.0)):
        store.write(replace(result(trial(seed=seed), 0.9 / seed), seconds=3600 * hours))
    spec = changed(store.spec(), constraints=(("hours", "at_most", 1.5),))
    (store.root / "study.json").write_bytes(spec.to_json())
    sweep = tables.numbered(store.trials(), "sweep")
    assert tables.best_trials(sweep, store)["part1"]["seed"] == 2


def test_only_asha_has_rungs() -> None:
    sweep = tables.numbered(full_store().trials(), "sweep")
    assert usage.rungs_frame(sweep, PruningSettings("asha", grace=2, reduction=2), 12).height
    assert usage.rungs_frame(sweep, PruningSettings("none", grace=2, reduction=2), 12).is_empty()


def test_fold_seed_spread_by_hand() -> None:
    frame = counts(
        [
            ("a", 0, "val", "M9", 12, 1, 1, 1, 7),
            ("a", 0, "test", "F1", 12, 4, 1, 1, 4),
            ("a", 1, "test", "F1", 12, 5, 0, 0, 5),
            ("b", 0, "test", "M1", 12, 0, 2, 2, 6),
        ]
    )
    spread = tables.fold_seed_spread(frame, (12,), ["a"])
    assert spread.select("fold", "seed", "subjects", "nested").rows() == [
        ("a", 0, 1, True),
        ("a", 1, 1, True),
        ("b", 0, 1, False),
    ]
    assert spread["test_f1"].to_list() == pytest.approx([0.8, 1.0, 0.0])
    assert spread["val_f1"].to_list() == [0.5, None, None]
    assert spread["lift"].to_list() == pytest.approx([0.8 - 10 / 15, 1 - 10 / 15, -4 / 12])
    means = tables.fold_means(spread)
    assert means["test_f1"].to_list() == pytest.approx([0.9, 0.0])
    assert means["seed_sd"].to_list() == [pytest.approx(0.02**0.5), None]


def test_fold_means_agree_with_the_summary() -> None:
    store = full_store(trials=2)
    rows = store.counts().filter(pl.col("stage") == "final")
    aus = store.spec().aus
    test = rows.filter(pl.col("split") == "test")
    evaluation = split_evaluation(scores_of_counts(test, aus), test, aus)
    means = tables.fold_means(tables.fold_seed_spread(rows, aus, ["part1"]))
    assert means["test_f1"].mean() == pytest.approx(evaluation.f1.value)
    assert means["always_positive"].mean() == pytest.approx(evaluation.always_positive)


@pytest.mark.parametrize(("dataset", "mean", "aus"), [("bp4d", 0.480, 12), ("disfa", 0.186, 8)])
def test_published_numbers_start_with_always_positive_and_are_not_ranked(dataset: str, mean: float, aus: int) -> None:
    frame = tables.published_rows(dataset)
    assert frame.row(0, named=True)["method"] == "always-positive"
    assert frame["mean"][0] == pytest.approx(mean)
    assert sum(name.isdigit() for name in frame.columns) == aus
    names = [name.lower() for name in frame["method"][1:]]
    assert names == sorted(names)
    assert frame["mean"][1:].to_list() != sorted(frame["mean"][1:], reverse=True)
    assert frame["source"].null_count() == 0


@pytest.mark.parametrize("dataset", ["bp4d", "disfa"])
def test_inconsistent_averages_are_the_marked_ones(dataset: str) -> None:
    frame = tables.published_rows(dataset)
    aus = [name for name in frame.columns if name.isdigit()]
    for row in frame.drop_nulls(aus).iter_rows(named=True):
        # AUs and the mean are rounded to 0.1: they can differ by 0.1 without a mistake.
        differs = abs(sum(row[au] for au in aus) / len(aus) - row["mean"]) > 0.001 + 1e-9
        assert differs == bool(row["average_inconsistent"]), row["method"]


def test_no_published_numbers_elsewhere() -> None:
    assert tables.published_rows("gft").is_empty()


def test_failures_end_with_the_reason() -> None:
    error = "\n".join(f"line {number}" for number in range(9)) + "\n\x1b[31mValueError: nan loss\x1b[0m\n\n"
    frame = tables.failures(trials({"status": "FAILED", "error": error, "key": "k"}, {"value": 0.1}))
    assert frame.select("key", "error").rows() == [("k", "line 6\nline 7\nline 8\nValueError: nan loss")]
    assert tables.failures(trials({"status": "FAILED", "error": None}))["error"].item() == "no message"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (1.23456e-5, "1.235e-5"),
        (0.5, "0.5"),
        (2e10, "2e10"),
        (64, "64"),
        ("au", "au"),
    ],
)
def test_plain(value: object, shown: str) -> None:
    assert text.plain(value) == shown


def test_scores_print_as_percent() -> None:
    assert text.percent(0.61234) == "61.2"
    assert text.points(-0.0312) == "−3.1"
    assert text.span(0.5, float("nan")) == "–"
    assert [text.duration(seconds) for seconds in (8, 3599.9, 3725)] == ["8 s", "1 h 0 min", "1 h 2 min"]


def test_names_lose_their_group_only_where_they_stay_unique() -> None:
    short = text.short_names(["method.temperature", "optim.lr", "head.lr", "method.ratios.max"])
    assert list(short.values()) == ["temperature", "optim.lr", "head.lr", "ratios.max"]
