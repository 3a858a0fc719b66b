"""What a page is made of: sections of paragraphs, tables and figures, as plain text and JSON."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
import polars as pl

from reports import text

SHOWN_ROWS = 200  # of a table on the page; the download has them all
Format = Callable[[Any], str]


@dataclass(frozen=True)
class Table:
    """Cells as text; `marked` are the numbers of rows to point out."""

    name: str
    heads: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    total: int
    csv: str
    marked: frozenset[int] = frozenset()
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A drawing and the table of its numbers, folded away unless `unfolded`; `width` is the least it needs, in px."""

    name: str
    title: str
    caption: str
    spec: str
    height: int
    table: Table
    width: int = 0
    unfolded: bool = False
    kind: str = "figure"


@dataclass(frozen=True)
class Paragraph:
    """Running text; `tone` is lead, note or plain."""

    words: str
    tone: str = "plain"
    kind: str = "paragraph"


@dataclass(frozen=True)
class Verbatim:
    """Text that keeps its lines, folded away under `title`."""

    title: str
    words: str
    kind: str = "verbatim"


Block = Table | Figure | Paragraph | Verbatim


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
) -> Table:
    """A frame as a table: the columns of `titles` in their order (all, without one), printed by `formats`."""
    titles = titles or {column: column for column in frame.columns}
    printers = [(formats or {}).get(column, text.plain) for column in titles]
    head = frame.head(SHOWN_ROWS).select(titles.keys())
    rows = [[show(value) for show, value in zip(printers, row, strict=True)] for row in head.iter_rows()]
    return Table(
        name=name,
        heads=list(titles.values()),
        numeric=[frame.schema[column].is_numeric() for column in titles],
        rows=rows,
        total=frame.height,
        csv=data_uri(frame.write_csv(), "text/csv"),
        marked=marked,
    )


def figure(name: str, title: str, caption: str, drawing: go.Figure, numbers: Table, width: int = 0) -> Figure:
    """A plotly figure with its heading, caption and numbers."""
    return Figure(
        name=name,
        title=title,
        caption=caption,
        spec=script_json(json.loads(drawing.to_json())),
        height=int(drawing.layout.height),
        table=numbers,
        width=width,
    )


def script_json(value: object) -> str:
    """JSON that stands inside a script element: nothing in it can end the element or start a comment."""
    written = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return written.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def data_uri(content: str, kind: str) -> str:
    """`content` as an address that needs no network."""
    coded = base64.b64encode(content.encode("utf-8", "replace")).decode("ascii")
    return f"data:{kind};charset=utf-8;base64,{coded}"
