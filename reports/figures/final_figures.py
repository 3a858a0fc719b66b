"""Figures of the final evaluation: selection, thresholds, reliability, confusion counts, AU co-occurrence."""

import plotly.graph_objects as go
import polars as pl

from data.aus import AU_NAMES
from reports.figures.figures import BLUE, NEUTRAL, ORANGE, SERIES, SYMBOLS, blank, escaped, grid, percents, places
from reports.figures.space_figures import SCALE
from reports.frames import text

_COLUMNS = 4
_CELLS = {"tp": ("true positive", BLUE), "fn": ("false negative", "#a9c9ea"), "fp": ("false positive", ORANGE)}
_CELLS |= {"tn": ("true negative", "#c4c9d0")}


def au_titles(aus: list[int]) -> list[str]:
    """AU12 lip corner puller"""
    return [f"AU{au} {AU_NAMES.get(au, '')}".strip() for au in aus]


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
            error_x=_error(rows),
            marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 10},
            hovertemplate=f"{escaped(name)}, %{{y}}: %{{x:.1f}}<extra></extra>",
        )
    # "group" puts dots of one rule next to each other: their intervals would cover each other on one line
    figure.update_layout(scattermode="group", height=150 + 60 * frame["rule"].n_unique())
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def _error(rows: pl.DataFrame) -> dict[str, object] | None:
    if not rows["high"].count():
        return None
    high, low = (rows["high"] - rows["value"]).clip(0), (rows["value"] - rows["low"]).clip(0)
    return {"type": "data", "symmetric": False, "array": percents(high), "arrayminus": percents(low), "thickness": 1.4}


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
    shades = [[0, "#ffffff"], [1, "#1f5f99"]]
    apart = [[0, "#1f5f99"], [0.5, "#ffffff"], [1, "#b4540a"]]
    most = max((abs(value) for value in percents(gap) if value is not None), default=0) or 1
    panels = [(frame["labelled"], shades, 0, 100), (frame["predicted"], shades, 0, 100), (gap, apart, -most, most)]
    for at, (values, colours, low, high) in enumerate(panels, start=1):
        # rows of the frame are in the order given AU, other AU
        z = _square(percents(values), len(aus))
        figure.add_heatmap(
            z=z,
            x=[str(au) for au in aus],
            y=[str(au) for au in aus],
            colorscale=colours,
            zmin=low,
            zmax=high,
            showscale=False,
            xgap=1,
            ygap=1,
            text=[["" if cell is None else f"{cell:.0f}" for cell in line] for line in z],
            texttemplate="%{text}" if len(aus) <= 17 else None,  # numbers in smaller cells would overlap
            textfont={"size": 10},
            hovertemplate="of the frames with AU%{y}, %{z:.1f} have AU%{x}<extra></extra>",
            row=1,
            col=at,
        )
    figure.update_xaxes(type="category", showgrid=False, title="AU")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title="given AU", col=1)
    return figure


def _square(values: list[float | None], side: int) -> list[list[float | None]]:
    return [values[at * side : (at + 1) * side] for at in range(side)]


def heat(
    frame: pl.DataFrame, columns: str, rows: str, value: str, middle: float | None = None
) -> tuple[list[str], list[str], list[list[float | None]]]:
    """Names of the columns and rows, and the values in percent as a matrix; null where a value is missing."""
    xs, ys = (frame[name].unique(maintain_order=True).to_list() for name in (columns, rows))
    cells = {(x, y): cell for x, y, cell in frame.select(columns, rows, value).iter_rows()}
    shift = middle or 0.0
    matrix = [[None if cells.get((x, y)) is None else round(100 * (cells[x, y] - shift), 3) for x in xs] for y in ys]
    return [escaped(x) for x in xs], [escaped(y) for y in ys], matrix


def annotated(xs: list[str], ys: list[str], matrix: list[list[float | None]], percent: bool = True) -> go.Heatmap:
    """A heat map with the number in every cell."""
    return go.Heatmap(
        x=xs,
        y=ys,
        z=matrix,
        colorscale=[[at / (len(SCALE) - 1), colour] for at, colour in enumerate(SCALE)],
        showscale=False,
        xgap=2,
        ygap=2,
        text=[["–" if cell is None else f"{cell:.1f}" for cell in line] for line in matrix],
        texttemplate="%{text}",
        textfont={"color": "#10151a"},  # dark in both themes: the colours of the cells do not change
        hovertemplate="%{y} → %{x}: %{text}<extra></extra>",
    )
