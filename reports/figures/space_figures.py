"""Figures of the search space: every parameter of every finished trial at once, and the ratio simplex."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import BLUE, blank, escaped, percents
from reports.frames import text

# From grey-blue to orange: readable on white and on near-black, also for colour-blind readers.
SCALE = ("#8b97a6", "#6f93b5", "#5a9bb0", "#6f9f83", "#a89a4e", "#c98a2c", "#d9730d")


def parallel(frame: pl.DataFrame, objective: str) -> go.Figure:
    """One line for each finished trial through all its parameters, coloured by the objective; high values on top."""
    # plotly's own parallel coordinates need one value for every trial and axis, and have no hover text
    names = frame["parameter"].unique(maintain_order=True).to_list()
    place = {name: at for at, name in enumerate(names)}
    figure = blank("", "")
    low, high = float(frame["score"].min()), float(frame["score"].max())  # type: ignore[arg-type]
    for shade, lines in _shades(frame, low, high).items():
        figure.add_scatter(**_threads(lines, place), mode="lines+markers", **_stroke(shade))
    _add_colour_bar(figure, low, high, objective)
    short = text.short_names(names)
    marked = frame.group_by("parameter", maintain_order=True).agg(pl.col("log").first())
    titles = [escaped(short[name]) + (" (log)" if log else "") for name, log in marked.iter_rows()]
    figure.update_xaxes(tickvals=list(place.values()), ticktext=titles, side="top", range=[-0.3, len(names) - 0.55])
    figure.update_xaxes(showgrid=True, zeroline=False, ticklabelstandoff=16, fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.08, 1.06], fixedrange=True)
    _add_axis_ticks(figure, frame, place)
    figure.update_layout(showlegend=False, hovermode="closest", height=420, margin={"t": 64, "b": 16, "l": 56})
    return figure


def single(frame: pl.DataFrame, values: pl.Series, objective: str) -> go.Figure:
    """Objective against the only searched parameter; `frame` as for `parallel`, `values` are those of the parameter."""
    figure = blank(frame["parameter"][0], f"{objective} (%)")
    figure.add_scatter(
        x=[escaped(value) if isinstance(value, str) else value for value in values.drop_nulls()],
        y=percents(frame["score"]),
        mode="markers",
        marker={"color": BLUE, "size": 9},
        text=[f"trial {trial}: {escaped(shown)}" for trial, shown in frame.select("trial", "shown").iter_rows()],
        hovertemplate="%{text}<br>%{y:.1f}<extra></extra>",
    )
    if frame["log"][0]:
        figure.update_xaxes(type="log", dtick=1, exponentformat="e")
    if frame["category"][0]:
        figure.update_xaxes(type="category")
    return figure


def _shades(frame: pl.DataFrame, low: float, high: float) -> dict[int, pl.DataFrame]:
    """Rows by step of the colour scale, so that any number of trials needs seven traces; the best are drawn last."""
    steps = len(SCALE)
    share = (pl.col("score") - low) / ((high - low) or 1.0)  # all scores may be equal
    stepped = frame.with_columns(shade=(share * steps).floor().clip(0, steps - 1).cast(pl.Int64))
    parts = stepped.sort("shade", "score", "trial", maintain_order=True).partition_by("shade", as_dict=True)
    return {int(shade): part for (shade,), part in parts.items()}


def _stroke(shade: int) -> dict[str, Any]:
    strength = (shade + 1) / len(SCALE)
    return {
        "line": {"color": SCALE[shade], "width": 1 + strength},
        "marker": {"color": SCALE[shade], "size": 5},
        "opacity": 0.35 + 0.6 * strength,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _threads(rows: pl.DataFrame, place: dict[str, int]) -> dict[str, list[Any]]:
    """Points of many trials as one trace, with a gap after each trial."""
    points: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
    for part in rows.partition_by("trial", maintain_order=True):
        points["x"] += [*(place[name] for name in part["parameter"]), None]
        points["y"] += [*part["position"].to_list(), None]
        points["text"] += [*(_thread_text(row) for row in part.iter_rows(named=True)), ""]
    return points


def _thread_text(row: dict[str, Any]) -> str:
    value = f"{escaped(row['parameter'])} = {escaped(row['shown'])}"
    return f"trial {row['trial']}: {text.percent(row['score'])}<br>{value}"


def _add_axis_ticks(figure: go.Figure, frame: pl.DataFrame, place: dict[str, int]) -> None:
    ends = pl.col("category") | (pl.col("position") == 0) | (pl.col("position") == 1)
    shown = frame.filter(ends).unique(["parameter", "position"], maintain_order=True)
    for name, position, label in shown.select("parameter", "position", "shown").iter_rows():
        figure.add_annotation(
            x=place[name],
            y=position,
            text=escaped(label),
            showarrow=False,
            font={"size": 11},
            xanchor="left" if 0 < position < 1 else "center",
            yanchor="bottom" if position == 1 else "top" if position == 0 else "middle",
            yshift=5 if position == 1 else -5 if position == 0 else 0,
            xshift=7 if 0 < position < 1 else 0,
        )


def _add_colour_bar(figure: go.Figure, low: float, high: float, objective: str) -> None:
    """Add the colour scale of the lines by a trace without points: only markers can have a scale."""
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=scaled([100 * low], low, high, objective))


def scaled(values: Sequence[Any], low: float, high: float, objective: str) -> dict[str, Any]:
    """Markers coloured by the objective from `low` to `high`, with the scale to the right of the figure."""
    steps = len(SCALE)
    bar = {
        "title": {"text": f"{objective} (%)", "side": "right", "font": {"size": 13}},
        "thickness": 10,
        "len": 0.9,
        "outlinewidth": 0,
    }
    return {
        "color": list(values),
        "cmin": 100 * low,
        "cmax": 100 * high,
        "colorscale": [[at / (steps - 1), colour] for at, colour in enumerate(SCALE)],
        "colorbar": bar,
        "showscale": high > low,  # a scale of one value says nothing
    }


def ternary(frame: pl.DataFrame, objective: str) -> go.Figure:
    """Positions of the finished trials on the simplex of pair-sampling ratios, coloured by the objective."""
    first, second, third = frame.columns[3:]  # after trial, key and value
    low, high = float(frame["value"].min()), float(frame["value"].max())  # type: ignore[arg-type]
    marker = scaled(percents(frame["value"]), low, high, objective)
    title = {"text": f"{objective} (%)", "side": "bottom", "font": {"size": 13}}
    # below the triangle: at its side the scale would leave no room on a narrow screen
    marker["colorbar"] |= {"orientation": "h", "y": -0.12, "yanchor": "top", "title": title}
    labels = [f"trial {trial}: {text.percent(value)}" for trial, value in frame.select("trial", "value").iter_rows()]
    figure = blank("", "")
    figure.add_scatterternary(
        a=frame[first].to_list(),
        b=frame[second].to_list(),
        c=frame[third].to_list(),
        mode="markers",
        marker={**marker, "size": 10, "line": {"width": 0}},
        text=labels,
        hovertemplate="%{text}<br>%{a:.2f} / %{b:.2f} / %{c:.2f}<extra></extra>",
        cliponaxis=False,
    )
    axes = zip(("aaxis", "baxis", "caxis"), (first, second, third), strict=True)
    titles = {axis: {"title": escaped(name.rpartition(".")[2]), "tickvals": [0.25, 0.5, 0.75]} for axis, name in axes}
    figure.update_layout(ternary={"sum": 1, **titles}, height=460, showlegend=False)
    figure.update_layout(margin={"l": 48, "r": 48, "t": 40, "b": 96})
    return figure
