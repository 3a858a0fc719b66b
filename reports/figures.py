"""Frames in, plotly figures out: nothing is computed here but what a drawing needs.

Colours are mid-tones that keep their contrast on white and on near-black; blue, orange and grey stay apart
for colour-blind readers. Text and grid colours come from `template`, which the page swaps with the theme.
"""

import html
from typing import Any

import plotly.graph_objects as go
import polars as pl

from reports import text

BLUE, ORANGE, GREY, RED = "#3b82c4", "#d9730d", "#8b929c", "#c8507a"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STATE_MARKS = {"DONE": (BLUE, "circle"), "PRUNED": (GREY, "circle-open")}


def plain(value: object) -> str:
    """Text for a figure: plotly reads a few HTML tags, so that names from files are escaped."""
    return html.escape(str(value), quote=False)


def template(dark: bool) -> dict[str, Any]:
    """The look that all figures share, for a light or a dark page."""
    ink, grid, paper = ("#d8dce2", "#343a43", "#22272e") if dark else ("#2b3138", "#e3e6ea", "#ffffff")
    title = {"font": {"size": 13}}
    axis = {"gridcolor": grid, "linecolor": grid, "zerolinecolor": grid, "automargin": True, "title": title}
    clear = "rgba(0,0,0,0)"
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
            "itemsizing": "constant",
        },
        "modebar": {"bgcolor": clear, "color": GREY, "activecolor": ink},
        "xaxis": axis,
        "yaxis": axis,
        "ternary": {"bgcolor": clear} | {f"{name}axis": axis for name in "abc"},
    }
    # Error bars stand half inside their bars: only the text colour keeps its contrast on both.
    return {"layout": layout, "data": {"bar": [{"error_y": {"color": ink}}]}}


def history(frame: pl.DataFrame, objective: str) -> go.Figure:
    """Objective of every trial in the order of their start, with the best so far."""
    figure = blank("trial", f"{objective} (%)")
    for state, (colour, symbol) in STATE_MARKS.items():
        rows = frame.filter(pl.col("status") == state, pl.col("value").is_not_null())
        marker = {"color": colour, "symbol": symbol, "size": 8, "line": {"width": 1.5, "color": colour}}
        figure.add_scatter(
            x=rows["trial"].to_list(),
            y=percents(rows["value"]),
            mode="markers",
            name=state,
            marker=marker,
            text=[plain(key[:8]) for key in rows["key"]],
            hovertemplate="trial %{x} (%{text})<br>%{y:.1f}",
        )
    best = {"color": ORANGE, "width": 2, "shape": "hv"}
    figure.add_scatter(
        x=frame["trial"].to_list(),
        y=percents(frame["best_so_far"]),
        mode="lines",
        name="best so far",
        line=best,
        hoverinfo="skip",
    )
    _count_axis(figure, frame["trial"])
    _add_failed(figure, frame.filter(pl.col("status") == "FAILED"))
    return figure


def _add_failed(figure: go.Figure, failed: pl.DataFrame) -> None:
    """A failed trial has no value: its cross stands at the foot of the plot."""
    if failed.is_empty():
        return
    figure.add_scatter(
        x=failed["trial"].to_list(),
        y=[0.03] * failed.height,
        yaxis="y2",
        mode="markers",
        name="FAILED",
        marker={"color": RED, "symbol": "x", "size": 8},
        text=[plain(key[:8]) for key in failed["key"]],
        hovertemplate="trial %{x} (%{text})",
    )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def importance(frame: pl.DataFrame) -> go.Figure:
    """Horizontal bars, the most important parameter on top."""
    rows = frame.sort("importance")
    names = text.short_names(rows["parameter"].to_list())
    figure = blank("share of importance (%)", "")
    figure.add_bar(
        x=percents(rows["importance"]),
        y=[plain(names[name]) for name in rows["parameter"]],
        orientation="h",
        marker={"color": BLUE},
        text=[text.percent(share) for share in rows["importance"]],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
    )
    figure.update_layout(showlegend=False, height=max(200, 90 + 30 * rows.height), margin={"r": 48})
    figure.update_yaxes(type="category", showgrid=False)
    return figure


def curves(frame: pl.DataFrame, objective: str) -> go.Figure:
    """Validation objective by epoch, one line a trial, the best one on top."""
    figure = blank("epoch", f"{objective} (%)")
    usual = frame.filter(~pl.col("best"))
    styles = [
        ("PRUNED", usual.filter(pl.col("status") == "PRUNED"), GREY, 1.0, 0.55),
        ("DONE", usual.filter(pl.col("status") == "DONE"), BLUE, 1.2, 0.55),
        ("FAILED", usual.filter(pl.col("status") == "FAILED"), RED, 1.0, 0.8),
        ("chosen trial", frame.filter("best"), ORANGE, 3.0, 1.0),
    ]
    for name, rows, colour, width, opacity in styles:
        if rows.height:
            line = {"color": colour, "width": width}
            figure.add_scatter(**_lines(rows), name=name, mode="lines", line=line, opacity=opacity)
    figure.update_traces(hovertemplate="trial %{text}, epoch %{x}: %{y:.1f}<extra></extra>")
    if frame["epoch"].n_unique() == 1:
        figure.update_traces(mode="markers")
    figure.update_layout(showlegend=True, hovermode="closest")
    _count_axis(figure, frame["epoch"])
    return figure


def _count_axis(figure: go.Figure, numbers: pl.Series) -> None:
    """Ticks on whole numbers only."""
    figure.update_xaxes(tickformat="d", **({"dtick": 1} if numbers.n_unique() <= 12 else {}))


def _lines(rows: pl.DataFrame) -> dict[str, list[Any]]:
    points: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
    for part in rows.partition_by("trial", maintain_order=True):
        points["x"] += [*part["epoch"].to_list(), None]
        points["y"] += [*percents(part["value"]), None]
        points["text"] += [*(str(trial) for trial in part["trial"]), ""]
    return points


def au_bars(frame: pl.DataFrame) -> go.Figure:
    """F1 of every AU with its interval, and the F1 of the always-positive detector."""
    rows = frame.filter(pl.col("f1").is_not_null())
    error = {
        "type": "data",
        "symmetric": False,
        "array": percents((rows["high"] - rows["f1"]).clip(0)),
        "arrayminus": percents((rows["f1"] - rows["low"]).clip(0)),
        "thickness": 1.4,
    }
    figure = blank("action unit", "F1 (%)")
    figure.add_bar(
        x=list(range(rows.height)),
        y=percents(rows["f1"]),
        name="F1, 95 % interval" if rows["high"].count() else "F1",
        width=0.6,
        marker={"color": BLUE},
        error_y=error if rows["high"].count() else None,
        text=_au_labels(rows),
        textposition="none",
        hovertemplate="%{text}<br>F1 %{y:.1f}<extra></extra>",
    )
    line = {"color": ORANGE, "width": 3}
    figure.add_scatter(**_levels(rows), mode="lines", name="always-positive", line=line)
    figure.update_yaxes(range=[0, 100])
    figure.update_xaxes(tickvals=list(range(rows.height)), ticktext=[str(au) for au in rows["au"]], showgrid=False)
    figure.update_xaxes(range=[-0.6, max(rows.height, 4) - 0.4])
    figure.update_layout(hovermode="closest")
    return figure


def _au_labels(rows: pl.DataFrame) -> list[str]:
    return [plain(f"AU{au} {name}") for au, name in rows.select("au", "name").iter_rows()]


def _levels(rows: pl.DataFrame) -> dict[str, Any]:
    """A short level line across every bar, as wide as the bar at any size of the page."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    labels: list[str] = []
    for at, (level, label) in enumerate(zip(percents(rows["always_positive"]), _au_labels(rows), strict=True)):
        xs += [at - 0.36, at, at + 0.36, None]
        ys += [level, level, level, None]
        labels += [label] * 4
    return {"x": xs, "y": ys, "text": labels, "hovertemplate": "%{text}<br>always-positive %{y:.1f}<extra></extra>"}


def fold_dots(frame: pl.DataFrame) -> go.Figure:
    """Test F1 of every fold and seed, and the always-positive detector on the same fold."""
    figure = blank("F1 (%)", "")
    folds = [f"fold {plain(fold)}" for fold in frame["fold"]]
    figure.add_scatter(
        x=percents(frame["test_f1"]),
        y=folds,
        mode="markers",
        name="test F1, one dot a seed",
        marker={"color": BLUE, "size": 11, "opacity": 0.75},
        text=[str(seed) for seed in frame["seed"]],
        hovertemplate="%{y}, seed %{text}: %{x:.1f}<extra></extra>",
    )
    mark = {"symbol": "line-ns", "size": 22, "color": ORANGE, "line": {"width": 3, "color": ORANGE}}
    figure.add_scatter(
        x=percents(frame["always_positive"]),
        y=folds,
        mode="markers",
        name="always-positive",
        marker=mark,
        hovertemplate="%{y} always-positive %{x:.1f}<extra></extra>",
    )
    height = 140 + 44 * frame["fold"].n_unique()
    figure.update_layout(height=height, hovermode="closest")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def blank(x: str, y: str) -> go.Figure:
    """A figure without traces whose look the page decides."""
    figure = go.Figure(layout={"template": "none", "height": 360})
    figure.update_xaxes(title=plain(x))
    figure.update_yaxes(title=plain(y))
    return figure


def percents(values: pl.Series) -> list[float | None]:
    """Fractions as percent, gaps where they are undefined."""
    return [None if not text.known(value) else round(100 * value, 3) for value in values.to_list()]
