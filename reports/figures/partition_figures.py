"""Mean F1 on random partitions of the people, and what moves it."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from reports.figures.comparison_figures import shortened, study_mark
from reports.figures.figures import escaped, grid, percents


def partition_figure(dots: pl.DataFrame, components: pl.DataFrame) -> go.Figure:
    """Left a dot for each partition and study (study, partition, value), right the components (component, sd)."""
    studies = dots["study"].unique(maintain_order=True).to_list()
    titles = ["mean F1 (%) on each partition", "sd of mean F1 (points), with 95 % interval"]
    figure = grid(2, 2, titles, 300, shared_y=False, legend=len(studies) > 1)
    names = components["component"].unique(maintain_order=True).to_list()
    step = min(0.16, 0.8 / len(studies))  # studies stand side by side within 0.8 of the distance of two partitions
    for at, study in enumerate(studies):
        marked = {"name": escaped(shortened(study)), "legendgroup": study, **_mark(at)}
        beside = (at - (len(studies) - 1) / 2) * step
        rows = dots.filter(pl.col("study") == study)
        figure.add_scatter(
            x=[number + beside for number in rows["partition"]],
            y=percents(rows["value"]),
            error_y=_bars(rows["seed_sd"], rows["seed_sd"]),
            hovertemplate="partition %{x:.0f}: %{y:.1f}",
            row=1,
            col=1,
            **marked,
        )
        rows = components.filter(pl.col("study") == study, pl.col("sd").is_not_null())
        figure.add_scatter(
            x=[names.index(name) + beside for name in rows["component"]],
            y=percents(rows["sd"]),
            error_y=_bars(rows["high"] - rows["sd"], rows["sd"] - rows["low"]),
            hovertemplate="%{y:.1f} points",
            showlegend=False,
            row=1,
            col=2,
            **marked,
        )
    figure.update_xaxes(title="partition", dtick=1, showgrid=False, zeroline=False, col=1)
    words = [name.replace(" ", "<br>", 1) for name in names]
    figure.update_xaxes(tickvals=[*range(len(names))], ticktext=words, range=[-0.6, len(names) - 0.4], col=2)
    figure.update_xaxes(showgrid=False, zeroline=False, col=2)
    figure.update_yaxes(rangemode="tozero", col=2)
    return figure


def _mark(at: int) -> dict[str, Any]:
    colour, symbol = study_mark(at)
    return {"mode": "markers", "marker": {"color": colour, "symbol": symbol, "size": 9}}


def _bars(up: pl.Series, down: pl.Series) -> dict[str, Any]:
    ends = {"array": percents(up), "arrayminus": percents(down)}
    return {"type": "data", "symmetric": False, "thickness": 1.4, "width": 0, **ends}
