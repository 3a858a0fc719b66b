"""Many trials: figures show a part of them, counts include all; several folds and several objectives."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from data.errors import InputError
from reports.frames import series, tables
from reports.html.pack import unpacked
from reports.page import write_report
from reports.sections import search_section
from study.records.study_spec import HYPERPARAMETER_TRANSFER, StudySpec
from tests.reports.fake import FOLDS, FakeStore, add_predictions, add_scores, folds_store, full_store, some_importance
from tests.reports.test_page import Outline, outline
from tests.study.specs import OTHERS


def numbers(count: int) -> pl.DataFrame:
    return pl.DataFrame({"trial": list(range(1, count + 1)), "key": [str(at) for at in range(count)]})


def test_thinning_keeps_the_asked_trials_and_spreads_the_others() -> None:
    frame = numbers(1000)
    kept = series.thinned(frame, 100, pl.Series([999, 3]))["trial"].to_list()
    assert len(kept) == 100
    assert {999, 3} <= set(kept)
    assert max(after - before for before, after in pairwise(kept)) <= 13
    assert series.thinned(frame, 1000)["trial"].to_list() == frame["trial"].to_list()
    assert series.thinned(frame, 2, pl.Series([7, 8, 9]))["trial"].to_list() == [7, 8]


def test_thinning_counts_trials_not_rows() -> None:
    frame = pl.concat([numbers(50)] * 12).sort("trial")
    assert series.thinned(frame, 10).height == 120


def test_captions_name_the_shown_trials_and_downloads_have_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("POINTS", "LINES", "BARS", "MOST_CURVES"):
        monkeypatch.setattr(search_section, limit, 24)
    store = full_store(tmp_path / "study", trials=300, counted=False)
    page = outline(store, tmp_path)
    done = sum(row["stage"] == "sweep" and row["status"] == "DONE" for row in store.trial_rows)
    assert "Shown: 24 of 300 trials, the best and an even selection of the others." in page.text
    assert f"Shown: 24 of {done} trials" in page.text
    assert "of 309 trials, evenly selected." in page.text
    assert "The first 200 of 300 rows. Sorting changes the order of these rows only; the CSV has all." in page.text
    files = {attrs["data-file"]: unpacked(attrs["data-packed"] or "") for _, attrs in page.tags if "data-file" in attrs}
    rows = {name: content.count("\n") - 1 for name, content in files.items()}
    assert (rows["history.csv"], rows["parameters.csv"], rows["timeline.csv"]) == (300, done, 309)
    assert rows["curves.csv"] == sum(epoch["stage"] == "sweep" for epoch in store.epoch_rows)
    assert "The best of 300 trials has a validation mean F1 of" in page.text


def test_every_fold_has_its_own_search(tmp_path: Path) -> None:
    store = folds_store(tmp_path / "study")
    add_predictions(store)
    add_scores(store)
    page = outline(store, tmp_path)
    bests = tables.best_trials(tables.numbered(store.trials(), "sweep"), store)
    assert list(bests) == list(FOLDS)
    for fold, best in bests.items():
        assert best["value"] == max(
            row["value"] for row in store.trial_rows if (row["stage"], row["fold"]) == ("sweep", fold)
        )
    assert "3 folds were searched separately, with 30 trials in total" in page.text
    assert "no test subject influenced the choice (nested)" in page.text
    assert "each fold's own choice reaches" in page.text
    assert "chosen in part2" in page.text


def test_nested_runs_have_the_configuration_of_their_own_fold() -> None:
    store = folds_store()
    bests = tables.best_trials(tables.numbered(store.trials(), "sweep"), store)
    wrong = store.add_trial(50, stage="final", fold="part1", seed=7, params={"optim.lr": 0.5})
    ours = {name.removeprefix("param/"): bests["part1"][name] for name in bests["part1"] if name.startswith("param/")}
    crossed = store.add_trial(51, stage="final", fold="part2", seed=8, params=ours)
    finals = tables.final_runs(store.trials(), bests, {})
    assert (finals.selection, finals.current, finals.left_out) == ("nested", True, 2)
    assert not {wrong["key"], crossed["key"]} & set(finals.runs["key"])
    for row in finals.runs.iter_rows(named=True):
        assert row["param/optim.lr"] == bests[row["fold"]]["param/optim.lr"]


def test_a_fold_without_a_finished_trial_is_named(tmp_path: Path) -> None:
    store = folds_store()
    store.trial_rows = [row for row in store.trial_rows if row["fold"] != "part3"]
    assert "No trial of part3 has finished." in outline(store, tmp_path).text


def front(points: list[tuple[str, float, float]], directions: list[str]) -> list[bool]:
    frame = pl.DataFrame(points, {"fold": pl.String, "x": pl.Float64, "y": pl.Float64}, orient="row")
    return series.pareto_frame(frame, directions)["front"].to_list()


def test_the_pareto_front_by_hand() -> None:
    points = [("a", 0.5, 2.0), ("a", 0.6, 3.0), ("a", 0.4, 2.5), ("a", 0.6, 3.5), ("b", 0.1, 9.0)]
    assert front(points, ["maximize", "minimize"]) == [True, True, False, False, True]
    assert front(points, ["maximize", "maximize"]) == [False, False, False, True, True]
    assert front([("a", 0.5, 1.0), ("a", 0.5, 1.0)], ["maximize", "minimize"]) == [True, True]


def test_two_objectives_have_a_figure(tmp_path: Path) -> None:
    store = FakeStore(asked={"objectives": ("f1", "hours")})
    for number in range(6):
        store.add_trial(number, seconds=3600.0 * (number + 1))
    page = outline(store, tmp_path)
    assert "Two objectives of every finished trial, f1 and hours." in page.text
    assert 'id="figure-pareto"' in (tmp_path / "page.html").read_text("utf-8")


def test_another_kind_of_study_is_refused(tmp_path: Path) -> None:
    store = FakeStore()
    store.add_trial(0)

    class Regret(FakeStore):
        def spec(self) -> StudySpec:
            return replace(store.spec(), asked=OTHERS[HYPERPARAMETER_TRANSFER])

    regret = Regret(trial_rows=store.trial_rows)
    with pytest.raises(InputError, match=r"is a hyper-parameter transfer.*give a study of launch/sweep.py"):
        write_report(regret, tmp_path / "page.html", some_importance)


def test_predictions_of_some_runs_only(tmp_path: Path) -> None:
    store = full_store(tmp_path / "study", trials=4)
    add_predictions(store)
    path = store.predictions_path(store.trial_rows[-1]["key"])
    path.unlink()
    assert "The probabilities of 1 final trial are missing." in outline(store, tmp_path).text
    for row in store.trial_rows:
        store.predictions_path(row["key"]).unlink(missing_ok=True)
    page: Outline = outline(store, tmp_path)
    assert "run launch/final.py name=aunce-ratios." in page.text


def test_damaged_predictions_stop_with_their_name(tmp_path: Path) -> None:
    store = full_store(tmp_path / "study", trials=4)
    add_predictions(store)
    path = store.predictions_path(store.trial_rows[-1]["key"])
    path.write_bytes(b"half")
    with pytest.raises(InputError, match=path.name):
        outline(store, tmp_path)


def test_a_score_table_of_other_trials_gives_a_warning(tmp_path: Path) -> None:
    store = full_store(tmp_path / "study", trials=4)
    add_scores(store)
    store.recorded = {}
    for row in store.score_rows:
        row["value"] = 0.53
    assert "The score table has 53.0, but the counts of the final trials give" in outline(store, tmp_path).text
