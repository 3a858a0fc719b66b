"""Heat maps of scores: the same rows and columns in every panel, fixed ranges of colour, a colour bar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import polars as pl

from reports.figures.figures import escaped
from reports.frames import text

# Lightness rises from the first to the last colour, so a print in grey keeps the order; dark text can be read on all.
# Sequential: cividis mixed with white.
SEQUENTIAL = (
    "#73859e",
    "#7d90b0",
    "#939bae",
    "#a3a6af",
    "#b0b1b2",
    "#bab8af",
    "#c5c0a6",
    "#d6cb98",
    "#e8d980",
    "#feed60",
)
DIVERGING = ("#cf7a48", "#d0a58c", "#c9ccd0", "#c5dff2", "#def2ff")  # grey in the middle
CELL_TEXT = "#10151a"  # the same in both themes, as the colours of the cells
_ROOM = 12  # columns of all panels side by side that leave room for intervals in the cells


@dataclass(frozen=True)
class Scale:
    """What colours mean: percent from `low` to `high`, the same in every figure; `ticks` name the ends and the middle.

    A value beyond an end has the colour of that end. Values of a `signed` scale are printed with their sign.
    """

    title: str
    low: float
    high: float
    ticks: tuple[str, str, str]
    colours: tuple[str, ...] = SEQUENTIAL
    signed: bool = False

    @property
    def axis(self) -> dict[str, Any]:
        """The colour axis of a figure with its bar."""
        steps = len(self.colours) - 1
        places = [self.low, (self.low + self.high) / 2, self.high]
        bar = {"title": {"text": self.title, "side": "right"}, "thickness": 10, "outlinewidth": 0}
        return {
            "colorscale": [[at / steps, colour] for at, colour in enumerate(self.colours)],
            "cmin": self.low,
            "cmax": self.high,
            "colorbar": bar | {"tickvals": places, "ticktext": list(self.ticks)},
        }

    def shown(self, value: float | None) -> str:
        """A fraction as it is printed in a cell."""
        return text.points(value) if self.signed else text.percent(value)

    def span(self, low: float | None, high: float | None) -> str:
        """The interval as it is printed in a cell; empty without one."""
        return f"{self.shown(low)} to {self.shown(high)}" if text.known(low) and text.known(high) else ""


def difference_scale(title: str, most: int, colours: tuple[str, ...] = DIVERGING) -> Scale:
    """Points from minus `most` to `most`, 0 in the middle."""
    return Scale(title, -most, most, (f"≤ −{most}", "0", f"≥ +{most}"), colours, signed=True)


F1 = Scale("F1 (%)", 0, 100, ("0", "50", "100"))
AUC = Scale("AUC (%)", 50, 100, ("≤ 50", "75", "100"))
RETENTION = Scale("retention (%)", 50, 150, ("≤ 50", "100", "≥ 150"), DIVERGING)
REGRET = difference_scale("regret (points)", 20, DIVERGING[::-1])  # high regret is bad, as low retention: orange


def heat_map(
    cells: pl.DataFrame, rows: Sequence[Any], columns: Sequence[Any], scale: Scale, intervals: bool = False
) -> go.Heatmap:
    """The `cells` (row, column, value, and perhaps low and high, as fractions) with their numbers printed.

    `rows` and `columns` are the same for all panels of a figure, so a missing one stays empty. With `intervals`, they
    stand in the cells; hovering shows them always.
    """
    # by number, not by name: plotly joins equal names, and orders names of panels that share an axis on its own
    ends = [name for name in ("low", "high") if name in cells.columns]
    known = {(row, column): rest for row, column, *rest in cells.select("row", "column", "value", *ends).iter_rows()}
    grid = [[known.get((row, column), [None]) for column in columns] for row in rows]
    return go.Heatmap(
        x=list(range(len(columns))),
        y=list(range(len(rows))),
        z=[[None if not text.known(cell[0]) else round(100 * cell[0], 3) for cell in line] for line in grid],
        coloraxis="coloraxis",
        xgap=2,
        ygap=2,
        text=[[_printed(cell, scale, intervals) for cell in line] for line in grid],
        texttemplate="%{text}",
        textfont={
            "color": CELL_TEXT,
            "size": 12,
        },  # without a size, plotly counts the letters of tags and shrinks the text
        customdata=[[_hover(*place, scale) for place in line] for line in _named(grid, rows, columns)],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
    )


def set_axes(figure: go.Figure, rows: Sequence[Any], columns: Sequence[Any], **place: Any) -> None:
    """Name the rows and columns of a heat map; the first row is on top. `place`: row and col of a panel."""
    for update, names, way in (("update_xaxes", columns, 1), ("update_yaxes", rows, -1)):
        ends = [-0.5, len(names) - 0.5][::way]
        ticks = {"tickvals": list(range(len(names))), "ticktext": [escaped(name) for name in names]}
        getattr(figure, update)(range=ends, showgrid=False, zeroline=False, **ticks, **place)


def room(columns: int) -> bool:
    """Whether cells of so many columns side by side are wide enough for intervals."""
    return columns <= _ROOM


def _printed(cell: Sequence[float | None], scale: Scale, intervals: bool) -> str:
    span = scale.span(*cell[1:]) if intervals and len(cell) == 3 else ""
    return scale.shown(cell[0]) + (f'<br><span style="font-size: 10px">{span}</span>' if span else "")


def _named(
    grid: Sequence[Sequence[Sequence[float | None]]], rows: Sequence[Any], columns: Sequence[Any]
) -> Iterator[list[tuple[Any, Any, Sequence[float | None]]]]:
    """Each cell with the names of its row and column."""
    for row, line in zip(rows, grid, strict=True):
        yield [(row, column, cell) for column, cell in zip(columns, line, strict=True)]


def _hover(row: Any, column: Any, cell: Sequence[float | None], scale: Scale) -> str:
    span = scale.span(*cell[1:]) if len(cell) == 3 else ""
    return escaped(f"{row} → {column}: {scale.shown(cell[0])}") + (f" ({span})" if span else "")
