"""Figures of the search with one panel for each fold: scores of different folds are of different people."""

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import (
    BLUE,
    NEUTRAL,
    ORANGE,
    RED,
    SYMBOLS,
    count_axis,
    escaped,
    grid,
    lines,
    percents,
    places,
)
from reports.frames import text

BEYOND, WITHIN, LIMIT = "beyond chance", "not beyond chance", "limit of chance"


def _panels(frame: pl.DataFrame, height: int, shared_y: bool = True) -> tuple[go.Figure, list[tuple[str, int, int]]]:
    """An empty panel for each fold, and the place of each fold."""
    folds = frame["fold"].unique().sort().to_list()
    columns = min(3, len(folds))
    titles = [f"fold {fold}" for fold in folds] if len(folds) > 1 else []
    figure = grid(len(folds), columns, titles, height, shared_y=shared_y, legend=True)
    return figure, [(fold, *place) for fold, place in zip(folds, places(len(folds), columns), strict=True)]


def importance(frame: pl.DataFrame) -> go.Figure:
    """Bars, the most important parameter on top, each with the limit of what chance makes of it; grey is within it."""
    # ascending, because plotly draws the first category at the bottom
    means = frame.group_by("parameter", maintain_order=True).agg(pl.col("importance").mean())
    order = means.sort("importance", "parameter")["parameter"].to_list()
    figure, panels = _panels(frame, max(160, 60 + 26 * len(order)))
    short = text.short_names(order)
    for fold, row, column in panels:
        _add_importance(figure, frame.filter(pl.col("fold") == fold), short, row, column)
    named = [escaped(short[name]) for name in order]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=named, showgrid=False)
    figure.update_xaxes(title="share of importance (%)", rangemode="tozero")
    figure.update_layout(barmode="overlay", bargap=0.45)
    return figure


def _add_importance(figure: go.Figure, frame: pl.DataFrame, short: dict[str, str], row: int, column: int) -> None:
    first = (row, column) == (1, 1)
    for name, rows, colour in (
        (BEYOND, frame.filter("beyond"), BLUE),
        (WITHIN, frame.filter(~pl.col("beyond")), NEUTRAL),
    ):
        figure.add_bar(
            x=percents(rows["importance"]),
            y=[escaped(short[parameter]) for parameter in rows["parameter"]],
            orientation="h",
            name=name,
            legendgroup=name,
            showlegend=first,
            marker={"color": colour},
            hovertemplate=f"%{{y}}: %{{x:.1f}} %, {name}<extra></extra>",
            row=row,
            col=column,
        )
    figure.add_scatter(
        x=percents(frame["limit"]),
        y=[escaped(short[parameter]) for parameter in frame["parameter"]],
        mode="markers",
        name=LIMIT,
        legendgroup=LIMIT,
        showlegend=first,
        marker={"symbol": "line-ns", "size": 14, "color": ORANGE, "line": {"width": 2, "color": ORANGE}},
        hovertemplate=f"%{{y}}: {LIMIT} %{{x:.1f}} %<extra></extra>",
        row=row,
        col=column,
    )


def curves(frame: pl.DataFrame, objective: str) -> go.Figure:
    """Validation objective by epoch, one line for each trial, the best one of the fold on top."""
    figure, panels = _panels(frame, 320)
    shown: set[str] = set()
    for fold, row, column in panels:
        part = frame.filter(pl.col("fold") == fold)
        usual = part.filter(~pl.col("best"))
        # plotly draws later traces over earlier ones
        styles = [
            ("PRUNED", usual.filter(pl.col("status") == "PRUNED"), NEUTRAL, 1.0, 0.55),
            ("DONE", usual.filter(pl.col("status") == "DONE"), BLUE, 1.2, 0.55),
            ("FAILED", usual.filter(pl.col("status") == "FAILED"), RED, 1.0, 0.8),
            ("chosen trial", part.filter("best"), ORANGE, 3.0, 1.0),
        ]
        for name, rows, colour, width, opacity in styles:
            if rows.height:
                line, group = {"color": colour, "width": width}, {"legendgroup": name, "showlegend": name not in shown}
                drawing = {**lines(rows), **group, "name": name, "mode": "lines", "line": line, "opacity": opacity}
                figure.add_scatter(**drawing, row=row, col=column)
                shown.add(name)
    figure.update_traces(hovertemplate="trial %{text}, epoch %{x}: %{y:.1f}<extra></extra>")
    if frame["epoch"].n_unique() == 1:  # a line of one point is invisible
        figure.update_traces(mode="markers")
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title=escaped(f"{objective} (%)"), col=1)
    count_axis(figure, frame["epoch"])
    return figure


def pareto(frame: pl.DataFrame, x: str, y: str) -> go.Figure:
    """Two objectives of every finished trial, and the Pareto front as a line; columns fold, x, y, front."""
    figure, panels = _panels(frame, 320)
    for fold, row, column in panels:
        part = frame.filter(pl.col("fold") == fold)
        for at, (name, rows, colour) in enumerate(
            (
                ("dominated", part.filter(~pl.col("front")), NEUTRAL),
                ("Pareto front", part.filter("front").sort("x"), ORANGE),
            )
        ):
            figure.add_scatter(
                x=rows["x"].to_list(),
                y=rows["y"].to_list(),
                mode="lines+markers" if colour == ORANGE else "markers",
                name=name,
                legendgroup=name,
                showlegend=(row, column) == (1, 1),
                line={"color": colour, "width": 1, "shape": "hv"},
                marker={"color": colour, "size": 9, "symbol": SYMBOLS[at]},
                text=[f"trial {trial}" for trial in rows["trial"]],
                hovertemplate="%{text}: %{x:.4g}, %{y:.4g}<extra></extra>",
                row=row,
                col=column,
            )
    figure.update_xaxes(title=escaped(x))
    figure.update_yaxes(title=escaped(y), col=1)
    return figure
