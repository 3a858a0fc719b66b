"""Every number on the page comes from the store: frames of figures against plain loops over the rows of files."""

import csv
import io
import re
from itertools import pairwise
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl
import pytest

from data.seeds import numpy_generator
from reports.html.pack import unpacked
from reports.page import write_report
from study.records.predictions import read_predictions
from tests.reports.fake import AUS, FOLDS, FakeStore, add_predictions, add_scores, folds_store, some_importance

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FakeStore:
    made = folds_store(tmp_path_factory.mktemp("trace") / "study")
    rng = numpy_generator("trace states")
    for number in range(30, 40):
        status = str(rng.choice(["PRUNED", "FAILED"]))
        made.add_trial(number, status, fold=FOLDS[number % 3], started=1.79e9 + 600.0 * number)
    add_predictions(made)
    add_scores(made)
    return made


@pytest.fixture(scope="module")
def page(store: FakeStore) -> dict[str, Rows]:
    """The downloads of the page, by name."""
    path = write_report(store, store.root.parent / "page.html", some_importance)
    files = re.findall(r'data-file="([^"]+)\.csv" data-packed="([^"]+)"', path.read_text("utf-8"))
    return {name: list(csv.DictReader(io.StringIO(unpacked(letters)))) for name, letters in files}


def sweep(store: FakeStore) -> list[dict[str, Any]]:
    return sorted((row for row in store.trial_rows if row["stage"] == "sweep"), key=lambda row: row["started"])


def finals(store: FakeStore) -> list[dict[str, Any]]:
    return [row for row in store.trial_rows if row["stage"] == "final"]


def same(found: str, expected: float | None) -> bool:
    return found == "" if expected is None else float(found) == pytest.approx(expected, abs=1e-9)


def test_every_download_has_a_test_below(page: dict[str, Rows]) -> None:
    traced = {"history", "curves", "importance", "slices", "parameters", "pairs", "ratios", "rungs", "timeline"}
    traced |= {"hours-core", "test-aus", "val-aus", "folds", "fold-seeds", "confusion", "thresholds", "reliability"}
    traced |= {"cooccurrence", "base-rates", "fold-shift", "selections", "configuration", "failed"}
    words = {"summary", "published", "provenance", "environments"}  # checked in test_page and test_tables
    assert set(page) == traced | words


def test_history(store: FakeStore, page: dict[str, Rows]) -> None:
    best: dict[str, float] = {}
    assert len(page["history"]) == len(sweep(store))
    for number, (row, shown) in enumerate(zip(sweep(store), page["history"], strict=True), start=1):
        if row["status"] == "DONE":
            best[row["fold"]] = max(best.get(row["fold"], 0.0), row["value"])
        assert (int(shown["trial"]), shown["key"], shown["status"]) == (number, row["key"], row["status"])
        assert same(shown["value"], row["value"])
        assert same(shown["best_so_far"], best.get(row["fold"]))


def test_curves(store: FakeStore, page: dict[str, Rows]) -> None:
    place = {row["key"]: number for number, row in enumerate(sweep(store), start=1)}
    expected = sorted((place[e["key"]], e["epoch"], e["value"]) for e in store.epoch_rows if e["key"] in place)
    shown = [(int(row["trial"]), int(row["epoch"]), float(row["value"])) for row in page["curves"]]
    assert [row[:2] for row in shown] == [row[:2] for row in expected]
    assert [row[2] for row in shown] == pytest.approx([row[2] for row in expected])


def test_parameters_ratios_pairs_and_slices(store: FakeStore, page: dict[str, Rows]) -> None:
    done = {number: row for number, row in enumerate(sweep(store), start=1) if row["status"] == "DONE"}
    names = [name for name in sweep(store)[0] if name.startswith("param/")]
    assert [int(row["trial"]) for row in page["parameters"]] == list(done)
    for row in [*page["parameters"], *page["ratios"]]:
        for name in set(names) & set(row):
            expected = done[int(row["trial"])][name]
            assert row[name] == expected if isinstance(expected, str) else same(row[name], expected)
    for row in page["pairs"]:
        trial = done[int(row["trial"])]
        assert same(row["x"], trial["param/" + row["x_parameter"]])
        assert same(row["y"], trial["param/" + row["y_parameter"]])
        assert same(row["score"], trial["value"])
    assert len(page["slices"]) == len(done) * len(names)
    for row in page["slices"]:
        trial = done[int(row["trial"])]
        assert same(row["objective"], trial["value"])
        expected = trial["param/" + row["parameter"]]
        assert row["setting"] == expected or float(row["setting"]) == pytest.approx(expected, rel=0.006)


def test_importance_is_of_each_fold(store: FakeStore, page: dict[str, Rows]) -> None:
    names = [name.removeprefix("param/") for name in sweep(store)[0] if name.startswith("param/")]
    assert [(row["fold"], row["parameter"]) for row in page["importance"]] == [(f, n) for f in FOLDS for n in names]


def test_rungs(store: FakeStore, page: dict[str, Rows]) -> None:
    levels = [2, 4, 8, 12]  # grace 2, reduction 2, 12 epochs
    expected = []
    for fold in FOLDS:
        trials = [row for row in sweep(store) if row["fold"] == fold]
        for level, following in zip(levels, [*levels[1:], 10**9], strict=True):
            reached = [row for row in trials if row["status"] == "DONE" or row["epochs"] >= level]
            ended = [row for row in reached if row["status"] != "DONE" and row["epochs"] < following]
            pruned = sum(row["status"] == "PRUNED" for row in ended)
            expected.append((fold, level, len(reached), pruned, len(ended) - pruned, len(reached) - len(ended)))
    names = ("rung", "reached", "pruned", "failed", "on")
    assert [(row["fold"], *(int(row[name]) for name in names)) for row in page["rungs"]] == expected


def test_timeline_and_hours(store: FakeStore, page: dict[str, Rows]) -> None:
    by_key = {row["key"]: row for row in store.trial_rows}
    first = min(row["started"] for row in store.trial_rows)
    hosts = dict(store.environments().select("key", "host").iter_rows())
    assert len(page["timeline"]) == len(by_key)
    for row in page["timeline"]:
        trial = by_key[row["key"]]
        assert row["host"] == hosts[row["key"]]
        assert same(row["begins"], (trial["started"] - first) / 3600)
        assert same(row["ends"], (trial["started"] - first + trial["seconds"]) / 3600)
    for row in page["hours-core"]:
        names = ("stage", "fold", "status")
        chosen = [t for t in store.trial_rows if all(t[name] == row[name] for name in names)]
        assert int(row["trials"]) == len(chosen)
        assert same(row["hours"], sum(trial["seconds"] * 2 for trial in chosen) / 3600)  # 2 threads each
    assert sum(int(row["trials"]) for row in page["hours-core"]) == len(by_key)


def test_lanes_never_hold_two_trials_at_once(page: dict[str, Rows]) -> None:
    lanes: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in page["timeline"]:
        lanes.setdefault((row["host"], row["lane"]), []).append((float(row["begins"]), float(row["ends"])))
    for spans in lanes.values():
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def cells(store: FakeStore, key: str, split: str, au: int) -> tuple[int, int, int, int]:
    rows = [row for row in store.count_rows if (row["key"], row["split"], row["au"]) == (key, split, au)]
    tp, fp, fn, tn = (sum(row[cell] for row in rows) for cell in ("tp", "fp", "fn", "tn"))
    return tp, fp, fn, tn


def f1_of(tp: int, fp: int, fn: int) -> float | None:
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None


def mean_of(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return fmean(defined) if defined else None


def by_fold(store: FakeStore, number: Any) -> float | None:
    """Mean over the seeds of each fold, then over folds, of a number of one final trial."""
    folds: dict[str, list[float | None]] = {}
    for row in finals(store):
        folds.setdefault(row["fold"], []).append(number(row))
    return mean_of([mean_of(values) for values in folds.values()])


def test_confusion_and_scores_that_need_no_table(store: FakeStore, page: dict[str, Rows]) -> None:
    for row in page["confusion"]:
        au = int(row["au"])
        for at, cell in enumerate(("tp", "fp", "fn", "tn")):
            expected = 0.0
            for fold in FOLDS:
                counted = [
                    cells(store, trial["key"], "test", au)[at] for trial in finals(store) if trial["fold"] == fold
                ]
                expected += fmean(counted)
            assert same(row[cell], expected)
    for row in page["test-aus"]:
        au = int(row["au"])
        trivial = by_fold(store, lambda trial, au=au: _always(cells(store, trial["key"], "test", au)))
        assert same(row["always_positive"], trivial)


def _always(counts: tuple[int, int, int, int]) -> float | None:
    tp, fp, fn, tn = counts
    return f1_of(tp + fn, fp + tn, 0)


def test_f1_of_every_au_is_that_of_the_score_table(store: FakeStore, page: dict[str, Rows]) -> None:
    expected = {
        row["au"]: row
        for row in store.score_rows
        if (row["selection"], row["rule"], row["metric"], row["aggregate"]) == ("nested", "0.5", "f1", "folds")
        and row["au"]
    }
    assert [int(row["au"]) for row in page["test-aus"]] == list(AUS)
    for row in page["test-aus"]:
        scores = expected[int(row["au"])]
        assert same(row["f1"], scores["value"])
        assert all(same(row[name], scores[name]) for name in ("low", "high", "seed_sd"))
        assert same(row["lift"], scores["value"] - float(row["always_positive"]))
    overall = [row for row in store.score_rows if row["au"] is None]
    for shown, scored in zip(page["selections"], overall, strict=True):
        assert all(shown[name] == scored[name] for name in ("selection", "rule", "metric", "aggregate"))
        assert all(same(shown[name], scored[name]) for name in ("value", "low", "high", "seed_sd"))


def test_f1_of_every_au_without_a_score_table(store: FakeStore) -> None:
    bare = FakeStore(store.root, store.trial_rows, store.epoch_rows, store.count_rows, store.asked)
    path = write_report(bare, store.root.parent / "bare.html", some_importance)
    (letters,) = re.findall(r'data-file="test-aus\.csv" data-packed="([^"]+)"', path.read_text("utf-8"))
    for row in csv.DictReader(io.StringIO(unpacked(letters))):
        au = int(row["au"])
        assert same(row["f1"], by_fold(store, lambda trial, au=au: f1_of(*cells(store, trial["key"], "test", au)[:3])))


def test_folds_and_seeds(store: FakeStore, page: dict[str, Rows]) -> None:
    shown = {(row["fold"], int(row["seed"])): row for row in page["fold-seeds"]}
    for trial in finals(store):
        row = shown[trial["fold"], trial["seed"]]
        for split in ("test", "val"):
            scores = [f1_of(*cells(store, trial["key"], split, au)[:3]) for au in AUS]
            assert same(row[f"{split}_f1"], mean_of(scores))
    for row in page["folds"]:
        of_fold = [float(one["test_f1"]) for (fold, _), one in shown.items() if fold == row["fold"]]
        assert same(row["test_f1"], fmean(of_fold))
        assert row["nested"] == "true"


def test_validation_scores_are_of_the_best_of_each_fold(store: FakeStore, page: dict[str, Rows]) -> None:
    bests = [max((t for t in sweep(store) if t["fold"] == f and t["status"] == "DONE"), key=_value) for f in FOLDS]
    for row in page["val-aus"]:
        scores = [f1_of(*cells(store, best["key"], "val", int(row["au"]))[:3]) for best in bests]
        assert same(row["f1"], mean_of(scores))
    for row in page["configuration"]:
        for best in bests:
            value = best["param/" + row["parameter"]]
            shown = row[f"chosen in {best['fold']}"]
            assert shown == value or float(shown) == pytest.approx(value, rel=6e-4)


def _value(trial: dict[str, Any]) -> float:
    return float(trial["value"])


def test_labels_of_the_data(store: FakeStore, page: dict[str, Rows]) -> None:
    once = [trial for trial in finals(store) if trial["seed"] == 0]
    rates: dict[tuple[str, int], tuple[int, int]] = {}
    for trial in once:
        for au in AUS:
            tp, fp, fn, tn = cells(store, trial["key"], "test", au)
            rates[trial["fold"], au] = (tp + fn, tp + fp + fn + tn)
    for row in page["base-rates"]:
        counted = [rates[fold, int(row["au"])] for fold in FOLDS]
        active, coded = (sum(column) for column in zip(*counted, strict=True))
        assert (int(row["active"]), int(row["coded"])) == (active, coded)
        assert same(row["base_rate"], active / coded)
    for row in page["fold-shift"]:
        au = int(row["au"])
        active, coded = rates[row["fold"], au]
        others = [rates[fold, au] for fold in FOLDS if fold != row["fold"]]
        rest = sum(a for a, _ in others) / sum(c for _, c in others)
        assert same(row["base_rate"], active / coded)
        assert same(row["difference"], active / coded - rest)


def frames_of(store: FakeStore, key: str, au: int) -> list[tuple[float, int]]:
    """Probability and label of the coded test frames of one final trial."""
    frame = read_predictions(store.predictions_path(key)).frame
    rows = frame.filter(pl.col("split") == "test").select(f"p_{au}", f"y_{au}").rows()
    return [(p, y) for p, y in rows if y is not None]


def test_thresholds(store: FakeStore, page: dict[str, Rows]) -> None:
    assert len(page["thresholds"]) == len(AUS) * 99
    for row in page["thresholds"][40 : 3 * 99 : 33]:
        au, threshold = int(row["au"]), pl.Series([float(row["threshold"])], dtype=pl.Float32)[0]

        def score(trial: dict[str, Any], au: int = au, threshold: float = threshold) -> float | None:
            seen = frames_of(store, trial["key"], au)
            tp = sum(y for p, y in seen if p >= threshold)
            fp = sum(1 - y for p, y in seen if p >= threshold)
            return f1_of(tp, fp, sum(y for p, y in seen if p < threshold))

        assert same(row["f1"], by_fold(store, score))


def test_reliability(store: FakeStore, page: dict[str, Rows]) -> None:
    for row in page["reliability"]:
        if row["au"] not in ("1", "12"):
            continue
        low = float(row["bin"].split(" to ")[0])
        seen = [one for trial in finals(store) for one in frames_of(store, trial["key"], int(row["au"]))]
        inside = [(p, y) for p, y in seen if min(int(np.float32(p) * np.float32(10)), 9) == round(low * 10)]
        assert int(row["frames"]) == len(inside)
        if inside:
            assert float(row["mean_probability"]) == pytest.approx(fmean(p for p, _ in inside), abs=1e-6)
            assert same(row["share_active"], fmean(y for _, y in inside))


def test_cooccurrence(store: FakeStore, page: dict[str, Rows]) -> None:
    assert len(page["cooccurrence"]) == len(AUS) ** 2
    for row in page["cooccurrence"][:30]:
        given, au = int(row["given"]), int(row["au"])
        labelled, detected = [], []
        for trial in finals(store):
            frame = read_predictions(store.predictions_path(trial["key"])).part("test").frame
            for p, y, q, z in zip(
                *(frame[name] for name in (f"p_{given}", f"y_{given}", f"p_{au}", f"y_{au}")), strict=True
            ):
                if y is None or z is None:
                    continue
                labelled += [z] if y else []
                detected += [q >= 0.5] if p >= 0.5 else []
        assert same(row["labelled"], fmean(labelled))
        assert same(row["predicted"], fmean(detected))


def test_failed(store: FakeStore, page: dict[str, Rows]) -> None:
    failed = [row for row in store.trial_rows if row["status"] == "FAILED"]
    assert [row["key"] for row in page["failed"]] == [row["key"] for row in failed]
    assert all("CUDA out of memory" in row["error"] for row in page["failed"])
