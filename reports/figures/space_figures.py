"""Figures of the search space: every parameter of every finished trial at once, and the ratio simplex."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import BLUE, NEUTRAL, blank, escaped, percents
from reports.frames import text

# The middle of cividis: from dark to light, also in grey and for colour-blind readers; its ends would be invisible on a
# near-black or a white page.
SCALE = ("#37476b", "#4b546c", "#63666f", "#7c7b78", "#958f78", "#b0a472", "#ccbb68")


def parallel(frame: pl.DataFrame, shade: str) -> go.Figure:
    """One line for each finished trial through all its parameters, coloured by the column `shade`, which `shade` names.

    High values are on top.
    """
    # plotly's own parallel coordinates need one value for every trial and axis, and have no hover text
    names = frame["parameter"].unique(maintain_order=True).to_list()
    place = {name: at for at, name in enumerate(names)}
    figure = blank("", "")
    low, high = ends(frame)
    for step, lines in _steps(frame, low, high).items():
        figure.add_scatter(**_threads(lines, place), mode="lines+markers", **_stroke(step))
    _add_colour_bar(figure, low, high, shade)
    short = text.short_names(names)
    marked = frame.group_by("parameter", maintain_order=True).agg(pl.col("log").first())
    titles = [escaped(short[name]) + (" (log)" if log else "") for name, log in marked.iter_rows()]
    figure.update_xaxes(tickvals=list(place.values()), ticktext=titles, side="top", range=[-0.3, len(names) - 0.55])
    figure.update_xaxes(showgrid=True, zeroline=False, ticklabelstandoff=16, fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.08, 1.06], fixedrange=True)
    _add_axis_ticks(figure, frame, place)
    figure.update_layout(showlegend=False, hovermode="closest", height=480, margin={"t": 64, "b": 88, "l": 56})
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


def ends(frame: pl.DataFrame) -> tuple[float, float]:
    """The lowest and the highest shade."""
    return float(frame["shade"].min()), float(frame["shade"].max())  # type: ignore[arg-type]


def _steps(frame: pl.DataFrame, low: float, high: float) -> dict[int, pl.DataFrame]:
    """Rows by step of the colour scale, so that any number of trials needs seven traces; the best are drawn last."""
    steps = len(SCALE)
    share = (pl.col("shade") - low) / ((high - low) or 1.0)  # all scores may be equal
    stepped = frame.with_columns(step=(share * steps).floor().clip(0, steps - 1).cast(pl.Int64))
    parts = stepped.sort("step", "shade", "trial", maintain_order=True).partition_by("step", as_dict=True)
    return {int(step): part for (step,), part in parts.items()}


def _stroke(step: int) -> dict[str, Any]:
    strength = (step + 1) / len(SCALE)
    return {
        "line": {"color": SCALE[step], "width": 1 + strength},
        "marker": {"color": SCALE[step], "size": 5},
        "opacity": 0.6 + 0.4 * strength,
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
    return f"{trial_text(row)}<br>{escaped(row['parameter'])} = {escaped(row['shown'])}"


def trial_text(row: dict[str, Any]) -> str:
    """A trial, its fold and its score, for the mouse."""
    return f"trial {row['trial']}, fold {escaped(row['fold'])}: {text.percent(row['score'])}"


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


def _add_colour_bar(figure: go.Figure, low: float, high: float, shade: str) -> None:
    """Add the colour scale of the lines by a trace without points: only markers can have a scale."""
    marker = scaled([100 * low], low, high, shade)
    # below, at the left: the figure may be wider than the screen
    marker["colorbar"] |= {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.06, "yanchor": "top", "len": 0.35}
    marker["colorbar"]["title"] = {"text": shade, "side": "bottom", "font": {"size": 13}}
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker)


def scaled(values: Sequence[Any], low: float, high: float, shade: str) -> dict[str, Any]:
    """Markers coloured from `low` to `high`, with the scale, called `shade`, to the right of the figure."""
    steps = len(SCALE)
    bar = {
        "title": {"text": shade, "side": "right", "font": {"size": 13}},
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
        "line": {"width": 0.5, "color": NEUTRAL},  # both ends of the scale can be seen on both backgrounds
        "showscale": high > low,  # a scale of one value says nothing
    }


def ternary(frame: pl.DataFrame, shade: str) -> go.Figure:
    """Positions of the finished trials on the simplex of pair-sampling ratios, coloured by the column `shade`."""
    first, second, third = frame.columns[5:]  # after trial, key, fold, score and shade
    low, high = ends(frame)
    marker = scaled(percents(frame["shade"]), low, high, shade)
    title = {"text": shade, "side": "bottom", "font": {"size": 13}}
    # below the triangle: at its side the scale would leave no room on a narrow screen
    marker["colorbar"] |= {"orientation": "h", "y": -0.12, "yanchor": "top", "title": title}
    labels = [trial_text(row) for row in frame.iter_rows(named=True)]
    figure = blank("", "")
    figure.add_scatterternary(
        a=frame[first].to_list(),
        b=frame[second].to_list(),
        c=frame[third].to_list(),
        mode="markers",
        marker={**marker, "size": 10},
        text=labels,
        hovertemplate="%{text}<br>%{a:.2f} / %{b:.2f} / %{c:.2f}<extra></extra>",
        cliponaxis=False,
    )
    axes = zip(("aaxis", "baxis", "caxis"), (first, second, third), strict=True)
    titles = {axis: {"title": escaped(name.rpartition(".")[2]), "tickvals": [0.25, 0.5, 0.75]} for axis, name in axes}
    figure.update_layout(ternary={"sum": 1, **titles}, height=460, showlegend=False)
    figure.update_layout(margin={"l": 48, "r": 48, "t": 40, "b": 96})
    return figure
