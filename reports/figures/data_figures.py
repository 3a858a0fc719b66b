"""Figures of the labels: base rates, and how they differ between folds."""

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import BLUE, ORANGE, blank, escaped, percents
from reports.figures.heat import difference_scale, heat_map, set_axes

_SHIFT = difference_scale("shift (points)", 20)


def base_rates(frame: pl.DataFrame) -> go.Figure:
    """Base rate of every AU, and the lowest and highest of any subject; au, name, base_rate, least, most."""
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
        hovertemplate="%{text}: %{y:.1f} %<extra></extra>",
    )
    # marks without a line between them, which would look like an interval
    for column, which, symbol in (("least", "lowest", "triangle-up"), ("most", "highest", "triangle-down")):
        figure.add_scatter(
            x=names,
            y=percents(rows[column]),
            mode="markers",
            name=f"subject with the {which} share",
            # the white edge separates it from the bar
            marker={"color": ORANGE, "symbol": symbol, "size": 10, "line": {"width": 1, "color": "#ffffff"}},
            text=titles,
            hovertemplate=f"%{{text}}: {which} %{{y:.1f}} %<extra></extra>",
        )
    figure.update_layout(showlegend=True)
    figure.update_xaxes(type="category", showgrid=False)  # AU numbers are names: no gap between AU7 and AU12
    figure.update_yaxes(range=[0, 100])
    return figure


def shift(frame: pl.DataFrame) -> go.Figure:
    """Difference of base rates by AU and fold, printed in every cell; fold, au, difference."""
    folds, aus = (frame[name].unique().sort().to_list() for name in ("fold", "au"))
    rows, columns = [f"fold {fold}" for fold in folds], [f"AU{au}" for au in aus]
    cells = frame.select(row=pl.format("fold {}", "fold"), column=pl.format("AU{}", "au"), value="difference")
    figure = blank("", "")
    figure.add_trace(heat_map(cells, rows, columns, _SHIFT))
    set_axes(figure, rows, columns)
    figure.update_layout(height=120 + 44 * len(folds), coloraxis=_SHIFT.axis)
    return figure
