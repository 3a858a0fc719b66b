"""A grid as a Markdown table; text from files and users cannot become markup."""

import re

from reports.frames import text
from reports.frames.grid import Cell, Grid, Row
from study.records.said import ALARM, Said


def markdown(grid: Grid) -> str:
    """What is said before any number, and the table below its caption."""
    marks = [":--" if at == 0 else "--:" for at in range(len(grid.heads))]
    rows = [_row(row) for group in grid.groups for row in group]
    notes = [f"\n{markdown_text(note)}\n" for note in grid.notes]
    lines = [
        *(line for one in grid.said for line in (said_line(one), "")),
        f"**{markdown_text(grid.caption)}**",
        "",
        _line([markdown_text(head) for head in grid.heads]),
        _line(marks),
        *rows,
    ]
    return "\n".join(lines) + "\n" + "".join(notes)


def said_line(said: Said) -> str:
    """One sentence of a verdict; a detector of no worth in bold."""
    words = markdown_text(said.words)
    return f"**{words}**" if said.tone == ALARM else words


def markdown_text(words: object) -> str:
    """Text for one line of Markdown: no markup, no HTML, no link, no new cell."""
    # a line break would end the row of the table
    line = text.clean(" ".join(str(words).split()))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", line)
    # many viewers make links even of plain addresses
    return re.sub(r"(?i)(?<=http)(s?):|(?<=www)\.", lambda found: f"{found[1] or ''}&#{ord(found[0][-1])};", line)


def _row(row: Row) -> str:
    return _line([_cell(cell) for cell in row.cells])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    """**61.2** (59.1 to 63.0); best bold, second underlined."""
    if cell.score is None:
        return markdown_text(cell.words)
    value = {1: f"**{cell.shown}**", 2: f"<u>{cell.shown}</u>"}.get(cell.rank, cell.shown)
    if cell.low is None:
        return value
    ends = [text.points(end) if cell.signed else text.percent(end) for end in (cell.low, cell.high)]
    return f"{value} ({ends[0]} to {ends[1]})"
