"""Figures of the labels: base rates, and how they differ between folds."""

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import BLUE, NEUTRAL, blank, escaped, percents


def base_rates(frame: pl.DataFrame) -> go.Figure:
    """Base rate of every AU, and its range over subjects; au, name, base_rate, least, most."""
    # an AU that is never coded has no base rate
    rows = frame.drop_nulls("base_rate")
    figure = blank("action unit", "active frames (%)")
    titles = [escaped(f"AU{au} {name}") for au, name in rows.select("au", "name").iter_rows()]
    names = [str(au) for au in rows["au"]]
    figure.add_bar(
        x=names,
        y=percents(rows["base_rate"]),
        name="all frames",
        width=0.6,
        marker={"color": BLUE},
        text=titles,
        textposition="none",
        error_y={
            "type": "data",
            "symmetric": False,
            "array": percents((rows["most"] - rows["base_rate"]).clip(0)),
            "arrayminus": percents((rows["base_rate"] - rows["least"]).clip(0)),
            "thickness": 1.2,
        },
        hovertemplate="%{text}: %{y:.1f} %<extra></extra>",
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(type="category", showgrid=False)  # AU numbers are names: no gap between AU7 and AU12
    figure.update_yaxes(range=[0, 100])
    return figure


def shift(frame: pl.DataFrame) -> go.Figure:
    """Difference of base rates by AU and fold, printed in every cell; fold, au, difference."""
    folds = frame["fold"].unique().sort().to_list()
    aus = frame["au"].unique().sort().to_list()
    cells = {(fold, au): value for fold, au, value in frame.select("fold", "au", "difference").iter_rows()}
    z = [[None if (v := cells.get((fold, au))) is None else round(100 * v, 2) for au in aus] for fold in folds]
    # a symmetric scale, so that white is no shift; 1 where all folds are equal, because a scale needs a length
    most = max((abs(value) for line in z for value in line if value is not None), default=1) or 1
    figure = blank("action unit", "")
    figure.add_heatmap(
        z=z,
        x=[str(au) for au in aus],
        y=[escaped(fold) for fold in folds],
        colorscale=[[0, "#5b9bd5"], [0.5, "#f2f2f2"], [1, "#e08a3c"]],
        zmin=-most,
        zmax=most,
        showscale=False,
        xgap=2,
        ygap=2,
        text=[["–" if value is None else f"{value:+.1f}".replace("-", "−") for value in line] for line in z],
        texttemplate="%{text}",
        textfont={"color": "#10151a"},
        hovertemplate="fold %{y}, AU%{x}: %{text} points<extra></extra>",
    )
    figure.update_layout(height=120 + 44 * len(folds))
    figure.update_xaxes(type="category", showgrid=False, linecolor=NEUTRAL)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure
