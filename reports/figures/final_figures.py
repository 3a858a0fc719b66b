"""Figures of the final evaluation: AUs, folds, selection, thresholds, reliability, confusion, AU co-occurrence."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from data.aus import AU_NAMES
from reports.figures.figures import (
    BLUE,
    NEUTRAL,
    ORANGE,
    SERIES,
    SYMBOLS,
    blank,
    escaped,
    grid,
    interval_bars,
    percents,
    places,
)
from reports.figures.heat import CELL_TEXT, Scale, difference_scale
from reports.frames import text

_COLUMNS = 4
_CELLS = {"tp": ("true positive", BLUE), "fn": ("false negative", "#a9c9ea"), "fp": ("false positive", ORANGE)}
_CELLS |= {"tn": ("true negative", "#c4c9d0")}
_SHARE, _GAP = Scale("share (%)", 0, 100, ("0", "50", "100")), difference_scale("difference (points)", 50)


def au_titles(aus: list[int]) -> list[str]:
    """AU12 lip corner puller"""
    return [f"AU{au} {AU_NAMES.get(au, '')}".strip() for au in aus]


def au_bars(frame: pl.DataFrame) -> go.Figure:
    """F1 of every AU with its interval, and the F1 of the always-positive detector."""
    rows = frame.filter(pl.col("f1").is_not_null())
    error = interval_bars(rows, "f1")
    figure = blank("action unit", "F1 (%)")
    figure.add_bar(
        x=list(range(rows.height)),  # numbers and not names, so that `_levels` can end at the edges of a bar
        y=percents(rows["f1"]),
        name="F1, 95 % interval" if error else "F1",
        width=0.6,
        marker={"color": BLUE},
        error_y=error,
        text=_au_labels(rows),
        textposition="none",
        hovertemplate="%{text}<br>F1 %{y:.1f}<extra></extra>",
    )
    line = {"color": ORANGE, "width": 3}
    figure.add_scatter(**_levels(rows), mode="lines", name="always-positive", line=line)
    figure.update_yaxes(range=[0, 100])
    figure.update_xaxes(tickvals=list(range(rows.height)), ticktext=[str(au) for au in rows["au"]], showgrid=False)
    figure.update_xaxes(range=[-0.6, max(rows.height, 4) - 0.4])  # a few bars would be very wide otherwise
    figure.update_layout(hovermode="closest")
    return figure


def _au_labels(rows: pl.DataFrame) -> list[str]:
    return [escaped(f"AU{au} {name}") for au, name in rows.select("au", "name").iter_rows()]


def _levels(rows: pl.DataFrame) -> dict[str, Any]:
    """A short horizontal line across every bar, as wide as the bar at any size of the page."""
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
    folds = [f"fold {escaped(fold)}" for fold in frame["fold"]]
    figure.add_scatter(
        x=percents(frame["test_f1"]),
        y=folds,
        mode="markers",
        name="test F1, one dot for each seed",
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
    figure.update_yaxes(type="category", autorange="reversed")  # plotly counts from the bottom
    return figure


def selections(frame: pl.DataFrame) -> go.Figure:
    """Mean F1 by threshold rule and by selection of the configuration; selection, rule, value, low, high."""
    figure = blank("mean F1 (%)", "")
    for at, name in enumerate(frame["selection"].unique(maintain_order=True)):
        rows = frame.filter(pl.col("selection") == name, pl.col("value").is_not_null())
        figure.add_scatter(
            x=percents(rows["value"]),
            y=[f"threshold {escaped(rule)}" for rule in rows["rule"]],
            mode="markers",
            name=escaped(name),
            error_x=interval_bars(rows),
            marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 10},
            hovertemplate=f"{escaped(name)}, %{{y}}: %{{x:.1f}}<extra></extra>",
        )
    # "group" puts dots of one rule next to each other: their intervals would cover each other on one line
    figure.update_layout(scattermode="group", height=150 + 60 * frame["rule"].n_unique())
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def thresholds(frame: pl.DataFrame) -> go.Figure:
    """F1, precision and recall of every AU against the threshold, one panel for each AU."""
    aus = frame["au"].unique(maintain_order=True).to_list()
    figure = grid(len(aus), _COLUMNS, au_titles(aus), 200, legend=True)
    lines = [
        ("f1", "F1", BLUE, "solid"),
        ("precision", "precision", ORANGE, "dash"),
        ("recall", "recall", NEUTRAL, "dot"),
    ]
    for au, (row, column) in zip(aus, places(len(aus), _COLUMNS), strict=True):
        rows = frame.filter(pl.col("au") == au)
        for score, name, colour, dash in lines:
            figure.add_scatter(
                x=rows["threshold"].to_list(),
                y=percents(rows[score]),
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=(row, column) == (1, 1),
                line={"color": colour, "width": 2, "dash": dash},
                hovertemplate=f"{name} at %{{x}}: %{{y:.1f}}<extra></extra>",
                row=row,
                col=column,
            )
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.5, 1])
    figure.update_yaxes(range=[0, 100], tickvals=[0, 50, 100])
    return figure


def reliability(frame: pl.DataFrame) -> go.Figure:
    """Share of active frames against the probability, one panel for each AU; marks grow with the number of frames."""
    aus = frame["au"].unique(maintain_order=True).to_list()
    figure = grid(len(aus), _COLUMNS, au_titles(aus), 210)
    for au, (row, column) in zip(aus, places(len(aus), _COLUMNS), strict=True):
        rows = frame.filter(pl.col("au") == au, pl.col("frames") > 0)
        most = float(rows["frames"].max() or 1)  # type: ignore[arg-type]
        line = {"color": NEUTRAL, "width": 1, "dash": "dash"}
        ideal = {"mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=[0, 100], y=[0, 100], **ideal, row=row, col=column)
        figure.add_scatter(
            x=percents(rows["mean_probability"]),
            y=percents(rows["share_active"]),
            mode="lines+markers",
            line={"color": BLUE, "width": 1.5},
            # the square root makes the area grow with the number of frames; 5 px keep small bins visible
            marker={"color": BLUE, "size": [5 + 11 * (frames / most) ** 0.5 for frames in rows["frames"]]},
            text=[text.count(frames) for frames in rows["frames"]],
            hovertemplate="probability %{x:.0f} %, active %{y:.0f} %, %{text} frames<extra></extra>",
            showlegend=False,
            row=row,
            col=column,
        )
    # beyond 0 and 100, so that marks at the ends are not cut
    figure.update_xaxes(range=[-4, 104], tickvals=[0, 50, 100])
    figure.update_yaxes(range=[-4, 104], tickvals=[0, 50, 100])
    return figure


def confusion(frame: pl.DataFrame) -> go.Figure:
    """Confusion counts of every AU, as shares of its coded frames."""
    labels = [escaped(title) for title in au_titles(frame["au"].to_list())]
    figure = blank("share of the coded frames (%)", "")
    total = frame.select(pl.sum_horizontal(*_CELLS)).to_series()
    for cell, (name, colour) in _CELLS.items():
        figure.add_bar(
            x=percents(frame[cell] / total),
            y=labels,
            orientation="h",
            name=name,
            marker={"color": colour},
            text=[text.count(count) for count in frame[cell]],
            textposition="none",
            # <extra></extra> removes plotly's second box with the name of the trace
            hovertemplate=f"%{{y}}: {name} %{{x:.1f}} %, %{{text}} frames<extra></extra>",
        )
    figure.update_layout(barmode="stack", height=130 + 28 * frame.height)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_xaxes(range=[0, 100])
    return figure


def cooccurrence(frame: pl.DataFrame) -> go.Figure:
    """Share of the frames with one AU that also have another: in the labels, in the detections, and the difference."""
    aus = frame["given"].unique(maintain_order=True).to_list()
    figure = grid(3, 3, ["labelled (%)", "detected (%)", "detected − labelled (points)"], 130 + 26 * len(aus))
    gap = frame["predicted"] - frame["labelled"]
    for at, values in enumerate((frame["labelled"], frame["predicted"], gap), start=1):
        # rows of the frame are in the order given AU, other AU
        z = _square(percents(values), len(aus))
        figure.add_heatmap(
            z=z,
            x=[str(au) for au in aus],
            y=[str(au) for au in aus],
            coloraxis="coloraxis2" if at == 3 else "coloraxis",
            xgap=1,
            ygap=1,
            text=[["" if cell is None else f"{cell:.0f}" for cell in line] for line in z],
            texttemplate="%{text}" if len(aus) <= 17 else None,  # numbers in smaller cells would overlap
            textfont={"size": 10, "color": CELL_TEXT},
            hovertemplate="of the frames with AU%{y}, %{z:.1f} have AU%{x}<extra></extra>",
            row=1,
            col=at,
        )
    figure.update_layout(coloraxis=_SHARE.axis, coloraxis2=_GAP.axis)
    figure.update_layout(coloraxis2_colorbar_x=1.12)  # beside the other bar
    figure.update_xaxes(type="category", showgrid=False, title="AU")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title="given AU", col=1)
    return figure


def _square(values: list[float | None], side: int) -> list[list[float | None]]:
    return [values[at * side : (at + 1) * side] for at in range(side)]
