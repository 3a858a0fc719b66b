"""Tables for a paper as plain cells, before they become LaTeX or Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reports.frames import text
from study.records.said import Said


@dataclass(frozen=True)
class Cell:
    """A word, or a score (a fraction) with its interval; `rank` 1 is best, 2 second among rows of one protocol."""

    words: str = ""
    score: float | None = None
    low: float | None = None
    high: float | None = None
    signed: bool = False
    rank: int = 0
    competes: bool = True  # False for a baseline, which is never marked as best

    @property
    def shown(self) -> str:
        """The score in percent, or the words."""
        if self.score is None:
            return self.words
        return text.points(self.score) if self.signed else text.percent(self.score)


@dataclass(frozen=True)
class Row:
    """Cells from left to right; rows without a protocol are not ranked."""

    cells: list[Cell]
    protocol: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: what is `said` before any number, `groups` of rows with a line between them, and `notes` below."""

    name: str
    caption: str
    heads: list[str]
    groups: list[list[Row]]
    notes: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


def word(value: object) -> Cell:
    """A cell of text."""
    return Cell(text.plain(value))


def score(value: float | None, low: float | None = None, high: float | None = None, signed: bool = False) -> Cell:
    """A cell of a score; a dash if the score is undefined, no interval if that is."""
    if not text.known(value):
        return Cell(text.NONE)
    ends = (low, high) if text.known(low) and text.known(high) else (None, None)
    return Cell("", value, *ends, signed=signed)


def ranked(grid: Grid) -> Grid:
    """`grid` with the best and the second score of each column marked, among rows of one protocol only.

    Scores that are printed alike get the same rank: two rows can both be best. A single row of a protocol gets none.
    """
    rows = [row for group in grid.groups for row in group]
    levels = {
        (protocol, column): _levels([row.cells[column] for row in rows if row.protocol == protocol])
        for protocol in {row.protocol for row in rows} - {""}
        for column in range(len(grid.heads))
    }
    groups = [[_ranked_row(row, levels) for row in group] for group in grid.groups]
    return replace(grid, groups=groups)


def _levels(cells: Sequence[Cell]) -> list[float]:
    """The two highest printed scores of a column, where it has at least two."""
    printed = [_printed(cell) for cell in cells if cell.score is not None and cell.competes]
    return sorted(set(printed), reverse=True)[:2] if len(printed) > 1 else []


def _ranked_row(row: Row, levels: dict[tuple[str, int], list[float]]) -> Row:
    if not row.protocol:
        return row
    ranked = [_ranked_cell(cell, levels[row.protocol, column]) for column, cell in enumerate(row.cells)]
    return replace(row, cells=ranked)


def _ranked_cell(cell: Cell, levels: list[float]) -> Cell:
    known = cell.score is not None and cell.competes and _printed(cell) in levels
    return replace(cell, rank=levels.index(_printed(cell)) + 1) if known else cell


def _printed(cell: Cell) -> float:
    assert cell.score is not None
    # a reader cannot see a difference in the second digit, so it must not decide
    return text.as_shown(cell.score)
