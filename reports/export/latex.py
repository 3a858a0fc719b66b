"""A grid as a LaTeX table that needs only booktabs; text from files and users cannot become a command."""

import re
import unicodedata

from reports.frames.grid import Cell, Grid, Row
from study.records.said import ALARM, PLAIN

ESCAPES = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    # At the start of a row, LaTeX would read these as the option or the star of the line break before it.
    **{mark: f"{{{mark}}}" for mark in "[]*"},
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "·": r"$\cdot$",
}
HEAD = "% A fragment for \\input; the preamble needs \\usepackage{booktabs}.\n"
WIDE = 8  # with so many columns, a table takes both text columns of a paper


def latex(grid: Grid) -> str:
    """The table as a float with caption and label; what is said before any number is a comment.

    Its limits are a part of the caption, too, where readers of a paper see them.
    """
    caption = " ".join([latex_text(grid.caption), *_limits(grid)])
    # a wide table would run over the margin of a column
    floating = "table*" if len(grid.heads) >= WIDE else "table"
    notes = [f"\\par\\smallskip\n\\raggedright\\scriptsize {latex_text(note)}" for note in grid.notes]
    lines = [
        f"\\begin{{{floating}}}[t]",
        "\\centering",
        f"\\caption{{{caption}}}",
        f"\\label{{tab:{slug(grid.name)}}}",
        "\\scriptsize",
        "\\setlength{\\tabcolsep}{3pt}",
        f"\\begin{{tabular}}{{@{{}}{_columns(grid)}@{{}}}}",
        "\\toprule",
        _line([latex_text(head) for head in grid.heads]),
        *_body(grid),
        "\\bottomrule",
        "\\end{tabular}",
        *notes,
        f"\\end{{{floating}}}",
    ]
    said = "".join(f"% {latex_text(one.words)}\n" for one in grid.said)
    return HEAD + said + "\n".join(lines) + "\n"


def _limits(grid: Grid) -> list[str]:
    """What is said with another tone than a plain fact; a detector of no worth in bold."""
    words = [(latex_text(one.words), one.tone) for one in grid.said if one.tone != PLAIN]
    return [f"\\textbf{{{said}}}" if tone == ALARM else said for said, tone in words]


def latex_text(words: str) -> str:
    """Text for LaTeX: no command, no comment, no new line; a letter that pdflatex does not know becomes its code."""
    written = "".join(_escaped(mark) for mark in " ".join(words.split()))
    return re.sub("-(?=-)", "-{}", written)  # LaTeX would join two hyphens to one long dash


def slug(name: str) -> str:
    """A name for labels and files: small letters, digits and single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "table"


def _escaped(mark: str) -> str:
    if mark in ESCAPES:
        return ESCAPES[mark]
    # inputenc knows Latin-1 and Latin Extended-A.
    if unicodedata.category(mark)[0] in "LNPSZ" and ord(mark) <= 0x17F:
        return mark
    return f"{{[}}U+{ord(mark):04X}{{]}}"


def _columns(grid: Grid) -> str:
    """The alignment of each column: scores centred, words to the left."""
    rows = [row for group in grid.groups for row in group]
    scores = [any(row.cells[at].score is not None for row in rows) for at in range(len(grid.heads))]
    return "".join("c" if score else "l" for score in scores)


def _body(grid: Grid) -> list[str]:
    return [line for group in grid.groups if group for line in ("\\midrule", *map(_row, group))]


def _row(row: Row) -> str:
    return _line([_cell(cell) for cell in row.cells])


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    """$61.2_{-2.1}^{+1.8}$: the score and the distances to the ends of its interval; best bold, second underlined."""
    if cell.score is None:
        return latex_text(cell.words)
    value = cell.shown.replace("−", "-")  # in math mode a hyphen is printed as a minus
    value = {1: f"\\mathbf{{{value}}}", 2: f"\\underline{{{value}}}"}.get(cell.rank, value)
    if cell.low is None or cell.high is None:
        return f"${value}$"
    down, up = 100 * (cell.score - cell.low), 100 * (cell.high - cell.score)
    return f"${value}_{{{-down:+.1f}}}^{{{up:+.1f}}}$"
