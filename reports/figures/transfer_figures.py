"""Figures of transfer between datasets, and robustness curves."""

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import (
    NEUTRAL,
    SERIES,
    SYMBOLS,
    escaped,
    grid,
    interval_bars,
    legend_once,
    percents,
    places,
)
from reports.figures.heat import Scale, heat_map, room, set_axes
from reports.frames import text

_WIDE = 0.8  # of the distance between two AUs or rules: the methods stand side by side within it


def matrices(frame: pl.DataFrame, scale: Scale, titles: tuple[str, str] = ("trained on", "scored on")) -> go.Figure:
    """Source by target, one heat map for each method; method, source, target, value, low, high.

    `titles` are of rows and columns, which have the same order; each panel has all of them, also those that its
    method lacks.
    """
    methods, sources, targets = (frame[name].unique().sort().to_list() for name in ("method", "source", "target"))
    columns = min(3, max(len(methods), 1))
    figure = grid(len(methods), columns, methods, 150 + 46 * len(sources))
    cells = frame.select("method", "value", "low", "high", row="source", column="target")
    for method, (row, column) in zip(methods, places(len(methods), columns), strict=True):
        part = cells.filter(pl.col("method") == method)
        drawing = heat_map(part, sources, targets, scale, intervals=room(columns * len(targets)))
        figure.add_trace(drawing, row=row, col=column)
    set_axes(figure, sources, targets)
    figure.update_yaxes(title=titles[0], col=1)
    figure.update_xaxes(title=titles[1])
    figure.update_layout(coloraxis=scale.axis)
    return figure


def au_dots(frame: pl.DataFrame) -> go.Figure:
    """F1 of every AU with its interval, one panel for each pair of datasets.

    Columns source, target, method, metric, au, value, low, high.
    """
    panels = frame.select("source", "target").unique(maintain_order=True).rows()
    columns = min(2, len(panels))
    figure = grid(len(panels), columns, [f"{source} → {target}" for source, target in panels], 260, legend=True)
    methods = frame["method"].unique(maintain_order=True).to_list()
    for (source, target), place in zip(panels, places(len(panels), columns), strict=True):
        here = frame.filter(pl.col("source") == source, pl.col("target") == target)
        aus = here["au"].unique().sort().to_list()
        for method in methods:
            rows = here.filter(pl.col("method") == method, pl.col("metric") == "f1")
            _add_dots(figure, rows.with_columns(name=pl.format("AU{}", "au"), slot="au"), aus, methods, method, place)
        _add_levels(figure, here.filter(pl.col("metric") == "always_positive").unique("au").sort("au"), aus, place)
        _name_slots(figure, [str(au) for au in aus], place)
    legend_once(figure)
    figure.update_yaxes(range=[0, 100])
    figure.update_yaxes(title="F1 (%)", col=1)
    return figure


def _add_dots(
    figure: go.Figure, rows: pl.DataFrame, slots: list[object], methods: list[str], method: str, place: tuple[int, int]
) -> None:
    """The scores of one method, beside those of the others; `rows` have slot, name, value, low, high."""
    at = methods.index(method)
    aside = (at - (len(methods) - 1) / 2) * _WIDE / len(methods)
    figure.add_scatter(
        x=[slots.index(slot) + aside for slot in rows["slot"]],
        y=percents(rows["value"]),
        error_y=interval_bars(rows),
        mode="markers",
        name=escaped(method),
        legendgroup=escaped(method),
        marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 8},
        text=[escaped(f"{name} {method}") for name in rows["name"]],
        hovertemplate="%{text} %{y:.1f}<extra></extra>",
        row=place[0],
        col=place[1],
    )


def _add_levels(figure: go.Figure, base: pl.DataFrame, slots: list[object], place: tuple[int, int]) -> None:
    """Always-positive, a line across all methods of an AU: it depends on the labels of the target alone."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    names: list[str] = []
    for au, level in zip(base["au"], percents(base["value"]), strict=True):
        at = slots.index(au)
        xs += [at - _WIDE / 2, at, at + _WIDE / 2, None]
        ys += [level, level, level, None]
        names += [f"AU{au} always-positive"] * 4
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        name="always-positive",
        legendgroup="always-positive",
        line={"width": 3, "color": NEUTRAL},
        text=names,
        hovertemplate="%{text} %{y:.1f}<extra></extra>",
        row=place[0],
        col=place[1],
    )


def _name_slots(figure: go.Figure, names: list[str], place: tuple[int, int]) -> None:
    ends = [-0.5, len(names) - 0.5]
    ticks = {"tickvals": list(range(len(names))), "ticktext": [escaped(name) for name in names]}
    figure.update_xaxes(range=ends, showgrid=False, zeroline=False, **ticks, row=place[0], col=place[1])


def rules(frame: pl.DataFrame) -> go.Figure:
    """Mean F1 by threshold rule, one panel for each pair; source, target, method, rule, value, low, high."""
    panels = frame.select("source", "target").unique(maintain_order=True).rows()
    columns = min(3, len(panels))
    figure = grid(len(panels), columns, [f"{source} → {target}" for source, target in panels], 240, legend=True)
    methods, slots = (frame[name].unique(maintain_order=True).to_list() for name in ("method", "rule"))
    for (source, target), place in zip(panels, places(len(panels), columns), strict=True):
        here = frame.filter(pl.col("source") == source, pl.col("target") == target)
        for method in methods:
            rows = here.filter(pl.col("method") == method).with_columns(slot="rule", name="rule")
            _add_dots(figure, rows, slots, methods, method, place)
        _name_slots(figure, slots, place)
    legend_once(figure)
    figure.update_yaxes(title="mean F1 (%)", col=1)
    figure.update_yaxes(range=[0, 100])
    return figure


def stress(frame: pl.DataFrame, metric: str) -> go.Figure:
    """Score against the level of degradation, one panel for each kind; method, kind, level, value, low, high."""
    kinds = frame["kind"].unique(maintain_order=True).to_list()
    columns = min(3, len(kinds))
    figure = grid(len(kinds), columns, [kind.replace("_", " ") for kind in kinds], 250, legend=True)
    for kind, (row, column) in zip(kinds, places(len(kinds), columns), strict=True):
        for at, method in enumerate(frame["method"].unique(maintain_order=True)):
            rows = frame.filter(pl.col("kind") == kind, pl.col("method") == method).sort("level")
            figure.add_scatter(
                x=rows["level"].to_list(),
                y=percents(rows["value"]),
                error_y=interval_bars(rows),
                mode="lines+markers",
                name=escaped(method),
                legendgroup=escaped(method),
                line={"color": SERIES[at % 6], "dash": ("solid", "dash", "dot")[at % 3]},
                marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 7},
                text=[text.rounded(level) for level in rows["level"]],
                hovertemplate=f"{escaped(method)} at %{{text}}: %{{y:.1f}}<extra></extra>",
                row=row,
                col=column,
            )
        figure.update_xaxes(title="people" if kind == "subjects" else "level (%)", row=row, col=column)
    legend_once(figure)
    figure.update_yaxes(title=f"{escaped(metric)} (%)", col=1)
    figure.update_yaxes(matches="y")  # also panels of further rows: equal heights are equal scores
    return figure
