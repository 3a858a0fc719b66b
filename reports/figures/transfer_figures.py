"""Figures of transfer between datasets, and robustness curves."""

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import NEUTRAL, SERIES, SYMBOLS, escaped, grid, percents, places
from reports.figures.final_figures import annotated, heat
from reports.frames import text


def matrices(frame: pl.DataFrame) -> go.Figure:
    """Source by target, one annotated heat map for each method; method, source, target, value."""
    methods = frame["method"].unique(maintain_order=True).to_list()
    columns = min(3, max(len(methods), 1))
    side = frame["source"].n_unique()
    figure = grid(len(methods), columns, methods, 150 + 46 * side)
    # the scale of all panels together
    ends = [100 * value for value in frame["value"].drop_nulls()]
    for method, (row, column) in zip(methods, places(len(methods), columns), strict=True):
        part = frame.filter(pl.col("method") == method)
        drawing = annotated(*heat(part, "target", "source", "value"))
        # one colour scale for all panels, so that methods can be compared; it needs a length above 0
        drawing.update(zmin=min(ends), zmax=max(ends) if max(ends) > min(ends) else min(ends) + 1)
        figure.add_trace(drawing, row=row, col=column)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title="trained on", col=1)
    figure.update_xaxes(type="category", showgrid=False, title="scored on")
    return figure


def au_dots(frame: pl.DataFrame) -> go.Figure:
    """F1 of every AU with its interval, one panel for each pair of datasets.

    Columns source, target, method, metric, au, value, low, high.
    """
    panels = frame.select("source", "target").unique(maintain_order=True).rows()
    columns = min(2, len(panels))
    figure = grid(len(panels), columns, [f"{source} → {target}" for source, target in panels], 260, legend=True)
    methods = frame["method"].unique(maintain_order=True).to_list()
    for (source, target), (row, column) in zip(panels, places(len(panels), columns), strict=True):
        here = frame.filter(pl.col("source") == source, pl.col("target") == target)
        for at, method in enumerate(methods):
            rows = here.filter(pl.col("method") == method, pl.col("metric") == "f1").sort("au")
            _add_dots(figure, rows, method, at, (row, column))
        # the same for every method: it depends on the labels of the target alone
        base = here.filter(pl.col("metric") == "always_positive").unique("au").sort("au")
        figure.add_scatter(
            x=[str(au) for au in base["au"]],
            y=percents(base["value"]),
            mode="markers",
            name="always-positive",
            legendgroup="always-positive",
            showlegend=(row, column) == (1, 1),
            marker={"symbol": "line-ew", "size": 16, "line": {"width": 3, "color": NEUTRAL}},
            hovertemplate="AU%{x} always-positive %{y:.1f}<extra></extra>",
            row=row,
            col=column,
        )
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[0, 100])
    figure.update_yaxes(title="F1 (%)", col=1)
    figure.update_layout(scattermode="group")
    return figure


def _add_dots(figure: go.Figure, rows: pl.DataFrame, name: str, at: int, place: tuple[int, int]) -> None:
    figure.add_scatter(
        x=[str(au) for au in rows["au"]],
        y=percents(rows["value"]),
        error_y=error_bars(rows),
        mode="markers",
        name=escaped(name),
        legendgroup=escaped(name),
        showlegend=place == (1, 1),
        marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 8},
        hovertemplate=f"AU%{{x}} {escaped(name)} %{{y:.1f}}<extra></extra>",
        row=place[0],
        col=place[1],
    )


def error_bars(rows: pl.DataFrame) -> dict[str, object] | None:
    """From `low` to `high` around `value`; None where there are no intervals."""
    if not rows["high"].count():
        return None
    high, low = (rows["high"] - rows["value"]).clip(0), (rows["value"] - rows["low"]).clip(0)
    return {"type": "data", "symmetric": False, "array": percents(high), "arrayminus": percents(low), "thickness": 1.4}


def rules(frame: pl.DataFrame) -> go.Figure:
    """Mean F1 by threshold rule, one panel for each pair; source, target, method, rule, value, low, high."""
    panels = frame.select("source", "target").unique(maintain_order=True).rows()
    columns = min(3, len(panels))
    figure = grid(len(panels), columns, [f"{source} → {target}" for source, target in panels], 240, legend=True)
    for (source, target), (row, column) in zip(panels, places(len(panels), columns), strict=True):
        here = frame.filter(pl.col("source") == source, pl.col("target") == target)
        for at, method in enumerate(frame["method"].unique(maintain_order=True)):
            rows = here.filter(pl.col("method") == method)
            figure.add_scatter(
                x=[escaped(rule) for rule in rows["rule"]],
                y=percents(rows["value"]),
                error_y=error_bars(rows),
                mode="markers",
                name=escaped(method),
                legendgroup=escaped(method),
                showlegend=(row, column) == (1, 1),
                marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 9},
                hovertemplate=f"{escaped(method)}, %{{x}}: %{{y:.1f}}<extra></extra>",
                row=row,
                col=column,
            )
    figure.update_xaxes(type="category")
    figure.update_yaxes(title="mean F1 (%)", col=1)
    figure.update_layout(scattermode="group")
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
                error_y=error_bars(rows),
                mode="lines+markers",
                name=escaped(method),
                legendgroup=escaped(method),
                showlegend=(row, column) == (1, 1),
                line={"color": SERIES[at % 6], "dash": ("solid", "dash", "dot")[at % 3]},
                marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 7},
                text=[text.rounded(level) for level in rows["level"]],
                hovertemplate=f"{escaped(method)} at %{{text}}: %{{y:.1f}}<extra></extra>",
                row=row,
                col=column,
            )
        figure.update_xaxes(title="people" if kind == "subjects" else "level (%)", row=row, col=column)
    figure.update_yaxes(title=f"{escaped(metric)} (%)", col=1)
    return figure
