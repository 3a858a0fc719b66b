"""The parts of a page: sections of paragraphs, tables, figures and pictures, as plain text and JSON."""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
import polars as pl

from reports.frames import text
from reports.html.pack import packed
from study.records.said import ALARM, NOTE, PLAIN, Said

SHOWN_ROWS = 200  # of a table on the page, which would be slow with more; the download has all
PANEL = 190  # px, the smallest width of one of several panels side by side
Format = Callable[[Any], str]


@dataclass(frozen=True)
class Table:
    """Cells as text; `marked` are the numbers of highlighted rows, `order` the sort keys of columns."""

    name: str
    heads: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    total: int
    csv: str  # all rows and columns of the frame, packed
    marked: frozenset[int] = frozenset()
    order: dict[int, list[str]] = field(default_factory=dict)  # by column, where the cells are not plain numbers
    caption: str = ""
    folded: bool = False
    kind: str = "table"

    @property
    def sortable(self) -> bool:
        """Whether the reader can sort the rows: not for a short list of facts, where the order has no meaning."""
        return len(self.rows) > 1 and (any(self.numeric) or len(self.rows) > 12)


@dataclass(frozen=True)
class Figure:
    """A drawing and the table of its numbers, folded unless `unfolded`; `width` is the smallest width in px.

    `alt` describes the drawing in words, for readers who cannot see it.
    """

    name: str
    title: str
    caption: str
    spec: str  # data and layout as JSON, packed
    height: int
    table: Table
    width: int = 0
    alt: str = ""
    unfolded: bool = False
    kind: str = "figure"


@dataclass(frozen=True)
class Picture:
    """An image of a section, as PNG."""

    name: str
    title: str
    caption: str
    source: str
    kind: str = "picture"


@dataclass(frozen=True)
class Paragraph:
    """Running text; `tone` is lead, plain or note, or that of a verdict: fact, limit or alarm."""

    words: str
    tone: str = "plain"
    kind: str = "paragraph"


@dataclass(frozen=True)
class Verbatim:
    """Text that keeps its lines, folded below `title`."""

    title: str
    words: str
    kind: str = "verbatim"


TONES = {PLAIN: "fact", NOTE: "limit", ALARM: "alarm"}


def said_blocks(said: Sequence[Said]) -> list["Block"]:
    """The sentences of a verdict, one paragraph each."""
    return [Paragraph(one.words, TONES[one.tone]) for one in said]


Block = Table | Figure | Picture | Paragraph | Verbatim


@dataclass(frozen=True)
class Section:
    """A heading with its blocks."""

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)


def table(
    name: str,
    frame: pl.DataFrame,
    titles: Mapping[str, str] | None = None,
    formats: Mapping[str, Format] | None = None,
    marked: frozenset[int] = frozenset(),
    caption: str = "",
) -> Table:
    """A frame as a table: the columns of `titles` in their order (default: all), printed by `formats`."""
    titles = titles or {column: column for column in frame.columns}
    printers = [(formats or {}).get(column, text.plain) for column in titles]
    # the download has all rows
    head = frame.head(SHOWN_ROWS).select(titles.keys())
    rows = [[show(value) for show, value in zip(printers, row, strict=True)] for row in head.iter_rows()]
    return Table(
        name=name,
        heads=list(titles.values()),
        numeric=[frame.schema[column].is_numeric() for column in titles],
        rows=rows,
        total=frame.height,
        csv=packed(frame.write_csv()),  # at full precision, under the names of the frame
        marked=marked,
        order=_order(head, rows),
        caption=caption or name.replace("-", " "),
    )


def _order(head: pl.DataFrame, rows: list[list[str]]) -> dict[int, list[str]]:
    """Sort keys of the columns whose cells print numbers in another form, such as durations."""
    found = {}
    for at, series in enumerate(head):
        if series.dtype.is_numeric() and not all(_reads(row[at]) for row in rows):
            found[at] = [f"{value:.9g}" if text.known(value) else "" for value in series.to_list()]
    return found


def _reads(cell: str) -> bool:
    """Whether the script of the page can read `cell` as a number."""
    try:
        return cell == text.NONE or math.isfinite(float(cell.replace("−", "-").replace(",", "")))
    except ValueError:
        return False


def figure(
    name: str, title: str, caption: str, drawing: go.Figure, numbers: Table, width: int = 0, alt: str = ""
) -> Figure:
    """A plotly figure with its heading, caption and numbers."""
    return Figure(
        name=name,
        title=title,
        caption=caption,
        # plotly's JSON turns NaN into null; Python's reader and writer then make it safe inside a script element
        spec=packed(script_json(json.loads(drawing.to_json()))),
        height=int(drawing.layout.height),
        table=numbers,
        width=max(width, _least_width(drawing)),
        alt=f"{title}. {alt or 'The numbers are in the table below.'}",
    )


def _least_width(drawing: go.Figure) -> int:
    """In px: on a narrow screen small multiples scroll sideways instead of becoming too narrow to read."""
    columns = {
        axis["domain"][0]
        for name, axis in drawing.layout.to_plotly_json().items()
        if name[:5] == "xaxis" and "domain" in axis
    }
    return PANEL * len(columns) if len(columns) > 1 else 0


def picture_block(name: str, title: str, caption: str, png: bytes) -> Picture:
    """An image that is part of the page file."""
    return Picture(name, title, caption, f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}")


def script_json(value: object) -> str:
    """JSON for a script element: nothing in it can end the element or start a comment."""
    written = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return written.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
