"""Frames in, plotly figures out; only what a drawing needs is computed here.

Colours are mid-tones with enough contrast on white and on near-black; colour-blind readers can separate blue, orange
and grey. Text and grid colours come from `plotly_template`, which the page replaces when its theme changes.
"""

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from reports.frames import text

BLUE, ORANGE, NEUTRAL, RED = "#3b82c4", "#d9730d", "#8b929c", "#c8507a"
# One for each fold, in order; colour-blind readers can separate them, and each has its own symbol, too.
SERIES = ("#3b82c4", "#d9730d", "#1a9a83", "#8f6cc4", "#a08300", "#c8507a")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STATE_MARKS = {"DONE": (BLUE, "circle"), "PRUNED": (NEUTRAL, "circle-open"), "FAILED": (RED, "x")}


def escaped(value: object) -> str:
    """Text for a figure: plotly interprets some HTML tags, so names from files are escaped."""
    return html.escape(str(value), quote=False)


def plotly_template(dark: bool) -> dict[str, Any]:
    """The style that all figures share, for a light or a dark page."""
    ink, grid, paper = ("#d8dce2", "#343a43", "#22272e") if dark else ("#2b3138", "#e3e6ea", "#ffffff")
    title = {"font": {"size": 13}}
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": grid,
        "automargin": True,  # names of AUs and parameters have any length
        "title": title,
        "ticklabelstandoff": 4,
    }
    clear = "rgba(0,0,0,0)"  # the page's own background shows through, in both themes
    layout = {
        "font": {"family": FONT, "size": 13, "color": ink},
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "hoverlabel": {"bgcolor": paper, "bordercolor": grid, "font": {"color": ink, "family": FONT}},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "bgcolor": clear,
            "itemsizing": "constant",  # small marks would be hard to recognise in the legend
        },
        "modebar": {"bgcolor": clear, "color": NEUTRAL, "activecolor": ink},
        "xaxis": axis,
        "yaxis": axis,
        "ternary": {"bgcolor": clear} | {f"{name}axis": axis for name in "abc"},
    }
    # Half of an error bar is drawn on its bar: only the text colour has enough contrast on both backgrounds.
    return {"layout": layout, "data": {"bar": [{"error_y": {"color": ink}}]}}


def history(frame: pl.DataFrame, objective: str) -> go.Figure:
    """Objective of every trial in the order of their start, with the best so far; one panel for each fold."""
    folds = frame["fold"].unique().sort().to_list()
    count = max(len(folds), 1)  # before the first trial there is no fold
    columns, titles = min(3, count), [f"fold {fold}" for fold in folds] if count > 1 else []
    figure = grid(count, columns, titles, 300, legend=True)
    figure.update_yaxes(title=escaped(f"{objective} (%)"), col=1)
    figure.update_xaxes(title="trial")
    for fold, (row, column) in zip(folds, places(len(folds), columns), strict=True):
        _add_history(figure, frame.filter(pl.col("fold") == fold), row, column)
    legend_once(figure)
    count_axis(figure, frame["trial"])
    return figure


def _add_history(figure: go.Figure, frame: pl.DataFrame, row: int, column: int) -> None:
    """The trials of one fold; failed trials have no value, their crosses are drawn at the lowest value."""
    known = frame["value"].drop_nulls()
    floor = pl.lit(float(known.min()) if known.len() else 0.0)  # type: ignore[arg-type]
    heights = frame.with_columns(value=pl.when(pl.col("status") == "FAILED").then(floor).otherwise("value"))
    for state, (colour, symbol) in STATE_MARKS.items():
        rows = heights.filter(pl.col("status") == state, pl.col("value").is_not_null())
        value = "no value" if state == "FAILED" else "%{y:.1f}"
        figure.add_scatter(
            x=rows["trial"].to_list(),
            y=percents(rows["value"]),
            mode="markers",
            name=state,
            legendgroup=state,
            marker={"color": colour, "symbol": symbol, "size": 8, "line": {"width": 1.5, "color": colour}},
            text=[escaped(key[:8]) for key in rows["key"]],
            hovertemplate=f"trial %{{x}} (%{{text}})<br>{value}",
            row=row,
            col=column,
        )
    figure.add_scatter(
        x=frame["trial"].to_list(),
        y=percents(frame["best_so_far"]),
        mode="lines",
        name="best so far",
        legendgroup="best",
        line={"color": ORANGE, "width": 2, "shape": "hv"},  # steps: the best value does not change between trials
        hoverinfo="skip",
        row=row,
        col=column,
    )


def count_axis(figure: go.Figure, numbers: pl.Series) -> None:
    """Ticks on whole numbers only."""
    # plotly would divide a short axis into halves
    figure.update_xaxes(tickformat="d", **({"dtick": 1} if numbers.n_unique() <= 12 else {}))


def lines(rows: pl.DataFrame) -> dict[str, list[Any]]:
    """Points of many trials as one trace with gaps: hundreds of traces would make the page slow."""
    points: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
    for part in rows.partition_by("trial", maintain_order=True):
        points["x"] += [*part["epoch"].to_list(), None]
        points["y"] += [*percents(part["value"]), None]
        points["text"] += [*(str(trial) for trial in part["trial"]), ""]
    return points


def grid(
    count: int, columns: int, titles: Sequence[str], height: int, shared_y: bool = True, legend: bool = False
) -> go.Figure:
    """Small multiples: `count` panels, rows of `height` px; the legend is above the titles of the panels."""
    rows, top = -(-count // columns), 64 if legend else 32
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[escaped(title) for title in titles],
        shared_yaxes=shared_y,
        horizontal_spacing=0.04 if shared_y else 0.09,
        vertical_spacing=min(0.4 / rows, 84 / (height * rows)),  # 84 px: tick labels, axis title and panel title
    )
    figure.update_layout(template="none", height=height * rows + top + 24, hovermode="closest", margin={"t": top})
    # relative to the figure: relative to the axes, its distance to the titles would change with the number of rows
    figure.update_layout(showlegend=legend, legend={"yref": "container", "y": 1, "yanchor": "top"})
    figure.update_annotations(font={"size": 13})
    return figure


def places(count: int, columns: int) -> list[tuple[int, int]]:
    """Row and column, from 1, of each panel of a `grid`."""
    return [(at // columns + 1, at % columns + 1) for at in range(count)]


def blank(x: str, y: str) -> go.Figure:
    """A figure without traces; its style comes from the page."""
    # template "none": plotly's default template would be stored in every figure
    figure = go.Figure(layout={"template": "none", "height": 360})
    figure.update_xaxes(title=escaped(x))
    figure.update_yaxes(title=escaped(y))
    return figure


def percents(values: pl.Series) -> list[float | None]:
    """Fractions as percent, gaps where they are undefined."""
    # three digits: more cannot be seen and would only make the page larger
    return [None if not text.known(value) else round(100 * value, 3) for value in values.to_list()]


def interval_bars(rows: pl.DataFrame, value: str = "value") -> dict[str, Any] | None:
    """From the `value` of each row to its `low` and `high`; None where no row has an interval."""
    if not rows["high"].count():
        return None
    above, below = (rows["high"] - rows[value]).clip(0), (rows[value] - rows["low"]).clip(0)
    return {
        "type": "data",
        "symmetric": False,
        "array": percents(above),
        "arrayminus": percents(below),
        "thickness": 1.4,
        "width": 0,  # a cap would be drawn where there is no interval, and look like a short one
    }


def legend_once(figure: go.Figure) -> None:
    """Name each group of traces once in the legend, whichever panel it comes first in."""
    named = set[str]()
    # plotly leaves out a trace without points, so it cannot stand for its group
    for trace in figure.data:
        trace.showlegend = trace.legendgroup not in named and len(trace.x or ()) > 0
        named |= {trace.legendgroup} if trace.showlegend else set()
