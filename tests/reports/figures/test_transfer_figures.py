"""Dots and curves of studies in which methods differ between panels."""

import plotly.graph_objects as go
import polars as pl
import pytest

from reports.figures import figures
from reports.figures.data_figures import base_rates
from reports.figures.transfer_figures import au_dots, rules, stress
from reports.frames import series
from tests.reports.fake import FakeStore
from tests.reports.figures.test_figures import sweep_of

SCORES = {"value": 0.5, "low": 0.4, "high": 0.6}


def dots() -> pl.DataFrame:
    """Two panels; each method is in one of them only."""
    rows = [
        {"source": source, "target": "x", "method": method, "metric": metric, "rule": rule, "au": au} | SCORES
        for source, method in (("a", "aunce"), ("b", "bce"))
        for metric, rule in (("f1", "0.5"), ("f1", "oracle"), ("always_positive", "0.5"))
        for au in (1, 12)
    ]
    return pl.DataFrame(rows)


def legend(figure: go.Figure) -> list[str]:
    """Names that a reader sees in the legend; plotly leaves out traces without points."""
    return [trace.name for trace in figure.data if trace.showlegend and len(trace.x)]


def curves() -> pl.DataFrame:
    rows = [
        {"kind": kind, "method": method, "level": level} | SCORES
        for kind, method in (("blur", "aunce"), ("subjects", "bce"), ("subjects", "aunce"))
        for level in (1.0, 2.0)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (au_dots(dots().filter(rule="0.5")), {"aunce", "bce", "always-positive"}),
        (rules(dots().filter(au=1, metric="f1")), {"aunce", "bce"}),
        (stress(curves(), "F1"), {"aunce", "bce"}),
    ],
)
def test_the_legend_names_every_method_once(figure: go.Figure, expected: set[str]) -> None:
    assert sorted(legend(figure)) == sorted(expected)


def test_the_legend_of_a_search_names_states_that_only_later_folds_have() -> None:
    store = FakeStore()
    for number, (fold, status) in enumerate((("part1", "DONE"), ("part2", "DONE"), ("part2", "PRUNED"))):
        store.add_trial(number, status, fold=fold)
    drawn = figures.history(series.history_frame(sweep_of(store)), "F1")
    assert sorted(legend(drawn)) == ["DONE", "PRUNED", "best so far"]


def test_always_positive_stands_across_the_methods_of_its_au() -> None:
    figure = au_dots(dots().filter(rule="0.5"))
    methods = [trace for trace in figure.data if trace.name != "always-positive" and trace.x]
    for level in (trace for trace in figure.data if trace.name == "always-positive"):
        ends = [x for x in level.x if x is not None]
        for at, place in enumerate((ends[:3], ends[3:])):
            (marks,) = [trace.x[at] for trace in methods if trace.xaxis == level.xaxis]
            assert place[0] < marks < place[2]
            assert place[1] == at
    assert list(figure.layout.xaxis.ticktext) == ["1", "12"]
    assert figure.layout.scattermode is None  # which gives every trace a slot of its own


def test_panels_of_robustness_have_one_scale() -> None:
    kinds = pl.concat([curves().with_columns(kind=pl.lit(str(at))) for at in range(4)])
    figure = stress(kinds, "F1")
    # also the panel in the second row
    assert {axis.matches for axis in figure.select_yaxes()} <= {"y", None}
    assert figure.layout.yaxis4.matches == "y"


def test_the_range_over_subjects_does_not_look_like_an_interval() -> None:
    frame = pl.DataFrame(
        {"au": [1, 2], "name": ["a", "b"], "base_rate": [0.2, 0.5], "least": [0.0, 0.1], "most": [0.9, 1.0]}
    )
    bar, lowest, highest = base_rates(frame).data
    assert bar.error_y.array is None
    assert (list(lowest.y), list(highest.y)) == ([0, 10], [90, 100])
    assert {lowest.mode, highest.mode} == {"markers"}
    assert lowest.name == "subject with the lowest share"
