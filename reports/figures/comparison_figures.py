"""Figures of comparisons: studies by AU, differences with intervals, variants by AU."""

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import BLUE, NEUTRAL, ORANGE, RED, blank, escaped, interval_bars, percents
from reports.figures.heat import F1, heat_map, set_axes

GREEN, VIOLET = "#3f9165", "#8a6fc0"
STUDIES = (BLUE, ORANGE, GREEN, RED, VIOLET, NEUTRAL)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
LONGEST = 32  # letters of a name on an axis; a longer one would leave no room for the drawing


def study_dots(frame: pl.DataFrame) -> go.Figure:
    """F1 of every AU with its interval, one colour and symbol for each study; study, au, name, f1, low, high."""
    names = frame["study"].unique(maintain_order=True).to_list()
    aus = frame["au"].unique().sort().to_list()
    place = {au: at for at, au in enumerate(aus)}
    figure = blank("action unit", "F1 (%)")
    step = 0.7 / max(len(names), 1)  # studies side by side within 0.7 of the distance between two AUs
    for at, name in enumerate(names):
        rows = frame.filter(pl.col("study") == name, pl.col("f1").is_not_null())
        colour, symbol = study_mark(at)
        figure.add_scatter(
            x=[place[au] + (at - (len(names) - 1) / 2) * step for au in rows["au"]],
            y=percents(rows["f1"]),
            error_y=interval_bars(rows, "f1"),
            mode="markers",
            name=escaped(shortened(name)),
            marker={"color": colour, "symbol": symbol, "size": 8},
            text=[escaped(f"AU{au} {words}") for au, words in rows.select("au", "name").iter_rows()],
            hovertemplate="%{text}<br>%{y:.1f}",
        )
    figure.update_xaxes(tickvals=list(place.values()), ticktext=[str(au) for au in aus], showgrid=False)
    figure.update_xaxes(range=[-0.6, max(len(aus), 4) - 0.4], zeroline=False)
    figure.update_yaxes(range=[0, 100])
    # every study needs room in the legend
    figure.update_layout(hovermode="closest", showlegend=True, height=400 + 12 * len(names))
    return figure


def study_mark(at: int) -> tuple[str, str]:
    """Colour and symbol of study number `at`: 36 different pairs, and neighbours differ in both."""
    return STUDIES[at % len(STUDIES)], _SYMBOLS[(at + at // len(STUDIES)) % len(_SYMBOLS)]


def difference_dots(frame: pl.DataFrame) -> go.Figure:
    """Differences with their intervals, one row each: columns label, difference, low, high, pairing."""
    rows = frame.filter(pl.col("difference").is_not_null()).with_row_index("at")
    figure = blank("difference of F1 (points)", "")
    # open circles: unpaired differences also contain the difference of the protocols
    for pairing, colour, symbol in (("paired", BLUE, "circle"), ("unpaired", NEUTRAL, "circle-open")):
        part = rows.filter(pl.col("pairing") == pairing)
        if part.height:
            figure.add_scatter(
                x=percents(part["difference"]),
                y=part["at"].to_list(),
                error_x=interval_bars(part, "difference"),
                mode="markers",
                name=pairing,
                marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 1.5, "color": colour}},
                text=[escaped(label) for label in part["label"]],
                hovertemplate="%{text}<br>%{x:+.1f} points",
            )
    labels = [escaped(shortened(label, 2 * LONGEST)) for label in rows["label"]]
    figure.update_yaxes(tickvals=rows["at"].to_list(), ticktext=labels, autorange="reversed", zeroline=False)
    # an interval across this line means that the difference may be chance
    figure.update_xaxes(zeroline=True, zerolinewidth=2, zerolinecolor=ORANGE)
    figure.update_layout(height=150 + 30 * max(rows.height, 1), hovermode="closest", showlegend=True)
    return figure


def variant_heat(frame: pl.DataFrame) -> go.Figure:
    """F1 of every variant and AU, and the mean, as numbers on colours; label, au (null: mean), f1, low, high."""
    labels = frame["label"].unique(maintain_order=True).to_list()
    aus = frame["au"].drop_nulls().unique().sort().to_list()
    columns = [*(f"AU{au}" for au in aus), "mean"]
    named = pl.when(pl.col("au").is_null()).then(pl.lit("mean")).otherwise(pl.format("AU{}", "au"))
    cells = frame.select("low", "high", row="label", column=named, value="f1")
    figure = blank("", "")
    figure.add_trace(heat_map(cells, labels, columns, F1))
    set_axes(figure, [shortened(label) for label in labels], columns)
    figure.update_xaxes(side="top")
    figure.update_layout(height=110 + 27 * max(len(labels), 2), margin={"t": 48, "b": 16}, coloraxis=F1.axis)
    return figure


def shortened(name: str, longest: int = LONGEST) -> str:
    """`name`, cut to at most `longest` letters."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
