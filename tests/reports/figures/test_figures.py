"""Figures: their frames, and that drawings have exactly these numbers and no active content."""

import json

import polars as pl
import pytest

from reports.figures import figures, final_figures, fold_figures, search_figures, space_figures
from reports.frames import series, tables
from tests.reports.fake import SPACE, FakeStore, full_store


def sweep_of(store: FakeStore) -> pl.DataFrame:
    return tables.numbered(store.trials(), "sweep")


def test_best_so_far_follows_finished_trials_only() -> None:
    store = FakeStore()
    for number, (status, value) in enumerate(
        [("FAILED", None), ("DONE", 0.4), ("PRUNED", 0.9), ("DONE", 0.3), ("DONE", 0.5)]
    ):
        store.add_trial(number, status, value=value)
    frame = series.history_frame(sweep_of(store))
    assert frame["best_so_far"].to_list() == [None, 0.4, 0.4, 0.4, 0.5]
    drawing = figures.history(frame, "F1")
    shown = {trace.name: list(trace.x) for trace in drawing.data}
    assert shown == {"DONE": [2, 4, 5], "PRUNED": [3], "FAILED": [1], "best so far": [1, 2, 3, 4, 5]}


def test_curves_hold_every_epoch_and_mark_the_best() -> None:
    store = FakeStore()
    rows = [store.add_trial(number, status) for number, status in enumerate(("DONE", "PRUNED", "DONE"))]
    frame = series.curves_frame(store.epochs(), sweep_of(store), [rows[2]["key"]])
    assert frame.height == len(store.epoch_rows)
    assert frame.filter("best")["trial"].unique().to_list() == [3]
    drawn = {trace.name: sum(y is not None for y in trace.y) for trace in fold_figures.curves(frame, "F1").data}
    assert drawn == {"PRUNED": rows[1]["epochs"], "DONE": 12, "chosen trial": 12}


def test_curves_leave_out_epochs_without_a_value() -> None:
    store = FakeStore()
    store.add_trial(0)
    store.epoch_rows[3]["value"] = float("nan")
    store.epoch_rows[4]["value"] = None
    assert series.curves_frame(store.epochs(), sweep_of(store), []).height == 10


def test_positions_on_linear_log_and_named_axes() -> None:
    store = FakeStore()
    for number, (rate, heat, draw) in enumerate([(1e-4, 0.2, "au"), (1e-3, 0.4, "self"), (1e-2, 1.2, "max")]):
        store.add_trial(number, params={"optim.lr": rate, "method.temperature": heat, "method.draw": draw, "x.one": 3})
    frame = series.coordinates(series.trial_parameters(sweep_of(store)), SPACE)
    place = {
        name: part["position"].to_list() for (name,), part in frame.partition_by("parameter", as_dict=True).items()
    }
    assert place["optim.lr"] == pytest.approx([0, 0.5, 1])
    assert place["method.temperature"] == pytest.approx([0, 0.2, 1])
    assert place["method.draw"] == [0, 1, 0.5]
    assert "x.one" not in place


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("optim.lr", [1e-4, 1e-3, 1e-2], "log"),
        ("method.draw", ["au", "self", "au"], "category"),
        ("x.y", [1, 2, 3], None),
    ],
)
def test_one_parameter_is_drawn_against_the_objective(name: str, values: list[object], kind: str | None) -> None:
    store = FakeStore()
    for number, value in enumerate(values):
        store.add_trial(number, params={name: value}, value=0.1 * number)
    tried = series.trial_parameters(sweep_of(store))
    drawing = space_figures.single(series.coordinates(tried, SPACE), tried[f"param/{name}"], "F1")
    assert list(drawing.data[0].x) == values
    assert list(drawing.data[0].y) == pytest.approx([0, 10, 20])
    assert drawing.layout.xaxis.type == kind


def test_axes_end_exactly_at_zero_and_one() -> None:
    frame = series.coordinates(series.trial_parameters(sweep_of(full_store())), SPACE)
    for _, part in frame.group_by("parameter"):
        assert (part["position"].min(), part["position"].max()) == (0, 1)


def test_a_declared_scale_wins_and_a_wide_span_is_logarithmic_without_one() -> None:
    wide, narrow, with_zero = pl.Series([0.001, 1.0]), pl.Series([0.2, 1.0]), pl.Series([0.0, 1.0])
    assert not series.is_log(wide, {"uniform": [0, 1]})
    assert series.is_log(narrow, {"log_uniform": [0.1, 1]})
    assert not series.is_log(wide, {"simplex": ["a", "b"]})
    assert series.is_log(wide, {})
    assert not series.is_log(narrow, {})
    assert not series.is_log(with_zero, {"log_uniform": [0, 1]})


def test_parallel_draws_every_finished_trial_once() -> None:
    store = full_store(trials=20)
    values = series.trial_parameters(sweep_of(store))
    frame = series.coordinates(values, SPACE)
    drawing = space_figures.parallel(frame, "F1")
    lines = [trace for trace in drawing.data if trace.mode == "lines+markers"]
    assert sum(x is None for trace in lines for x in trace.x) == values.height
    assert sum(x is not None for trace in lines for x in trace.x) == frame.height


def test_parallel_of_equal_scores() -> None:
    store = FakeStore()
    for number in range(2):
        store.add_trial(number, value=0.5)
    frame = series.coordinates(series.trial_parameters(sweep_of(store)), SPACE)
    assert len(space_figures.parallel(frame, "F1").data) == 2


def test_ratios_need_three_parts_of_one_simplex() -> None:
    values = series.trial_parameters(sweep_of(full_store(trials=8)))
    frame = series.ratios(values)
    assert frame.height == values.height
    assert frame.select(pl.sum_horizontal(frame.columns[5:])).to_series().to_list() == pytest.approx(
        [1] * values.height
    )
    corner = space_figures.ternary(frame, "F1").layout.ternary
    assert [axis.title.text for axis in (corner.aaxis, corner.baxis, corner.caxis)] == ["self", "max", "mean"]
    assert series.ratios(values.drop("param/method.ratios.max")).is_empty()


def test_au_bars_agree_with_the_table() -> None:
    frame = pl.DataFrame(
        {
            "au": [1, 2, 12],
            "name": ["a", "b", "c"],
            "f1": [0.5, None, 0.8],
            "low": [0.4, None, 0.7],
            "high": [0.7, None, 0.85],
            "always_positive": [0.3, 0.1, 0.6],
        }
    )
    drawing = final_figures.au_bars(frame)
    bar, level = drawing.data
    assert list(bar.y) == [50, 80]
    assert list(bar.error_y.array) == pytest.approx([20, 5])
    assert list(bar.error_y.arrayminus) == pytest.approx([10, 10])
    assert list(drawing.layout.xaxis.ticktext) == ["1", "12"]
    assert [y for y in level.y if y is not None] == [30] * 3 + [60] * 3


def importances(**given: object) -> pl.DataFrame:
    columns = {"fold": "a", "parameter": ["optim.lr", "head.dim"], "importance": [0.7, 0.3], "limit": [0.5, 0.4]}
    return pl.DataFrame({**columns, "beyond": [True, False], **given})


def test_the_most_important_parameter_is_on_top_and_what_chance_gives_is_grey() -> None:
    drawing = fold_figures.importance(importances())
    assert drawing.layout.yaxis.categoryarray == ("dim", "lr")
    bars = {trace.name: ([*trace.y], [*trace.x], trace.marker.color) for trace in drawing.data[:2]}
    assert bars["beyond chance"] == (["lr"], [70], figures.BLUE)
    assert bars["not beyond chance"] == (["dim"], [30], figures.NEUTRAL)
    assert dict(zip(drawing.data[2].y, drawing.data[2].x, strict=True)) == {"lr": 50, "dim": 40}


def test_names_cannot_add_markup_to_a_figure() -> None:
    frame = importances(parameter=["<b>x</b>", "a.<a href='javascript:1'>"])
    plain = fold_figures.importance(frame).to_plotly_json()
    assert "<" not in json.dumps([[*trace["y"]] for trace in plain["data"]])


def two_folds() -> FakeStore:
    """Every trial of the fold `b` is better than any of `a`."""
    store = FakeStore()
    for number in range(12):
        fold, value = ("a", 0.2) if number % 2 else ("b", 0.7)
        store.add_trial(number, fold=fold, value=value + 0.01 * number)
    return store


def test_trials_of_several_folds_are_coloured_by_their_rank_within_the_fold() -> None:
    sweep = sweep_of(two_folds())
    frame = series.coordinates(series.trial_parameters(sweep), SPACE)
    by_fold = frame.unique(["trial"]).sort("trial").partition_by("fold", as_dict=True)
    assert {fold: part["shade"].to_list() for (fold,), part in by_fold.items()} == {
        fold: pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1]) for fold in "ab"
    }
    for (fold,), part in series.ratios(series.trial_parameters(sweep)).partition_by("fold", as_dict=True).items():
        assert part["shade"].max() == 1, fold
    pairs = series.pairs_frame(frame, importances())
    drawn = search_figures.pairs(pairs, "rank")
    assert [*drawn.data[0].marker.color] == pytest.approx(sorted([0, 20, 40, 60, 80, 100] * 2))
    assert drawn.data[-1].marker.colorbar.title.text == "rank"


def test_one_fold_is_coloured_by_the_objective() -> None:
    store = FakeStore()
    for number in range(3):
        store.add_trial(number, value=0.1 * number)
    frame = series.coordinates(series.trial_parameters(sweep_of(store)), SPACE)
    assert frame["shade"].equals(frame["score"], check_names=False)


def test_curves_and_fronts_have_a_panel_for_each_fold() -> None:
    store = two_folds()
    frame = series.curves_frame(store.epochs(), sweep_of(store), [])
    drawing = fold_figures.curves(frame, "F1")
    assert [title.text for title in drawing.layout.annotations] == ["fold a", "fold b"]
    assert [trace.xaxis for trace in drawing.data] == ["x", "x2"]
    shown = frame.filter(pl.col("fold") == "b")["trial"].unique().sort().to_list()
    assert sorted({int(trial) for trial in drawing.data[1].text if trial}) == shown
    points = pl.DataFrame(
        {"trial": [1, 2, 3, 4], "fold": ["a", "a", "b", "b"], "x": [1.0, 2, 3, 4], "y": [2.0, 1, 4, 3]}
    )
    front = fold_figures.pareto(series.pareto_frame(points, ["maximize", "maximize"]), "f1", "auc")
    lines = [trace for trace in front.data if trace.name == "Pareto front"]
    assert [[*line.x] for line in lines] == [[1, 2], [3, 4]], "no line from one fold to another"


def test_the_colours_become_lighter_step_by_step() -> None:
    light = [sum(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in space_figures.SCALE]
    assert light == sorted(light)


def test_templates_differ_in_colour_only() -> None:
    light, dark = figures.plotly_template(dark=False), figures.plotly_template(dark=True)
    assert light["layout"].keys() == dark["layout"].keys()
    assert light["layout"]["font"]["color"] != dark["layout"]["font"]["color"]
