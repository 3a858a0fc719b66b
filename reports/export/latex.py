"""A grid as a LaTeX table that needs nothing but booktabs; text from files and users stays text."""

import re
import unicodedata

from reports.frames.grid import Cell, Grid, Row

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
    # The start of a row may be read as the option or the star of the line break before it.
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
WIDE = 8  # columns, from which a table spans the page


def latex(grid: Grid) -> str:
    """The table as a float with caption and label."""
    floating = "table*" if len(grid.heads) >= WIDE else "table"
    notes = [f"\\par\\smallskip\n\\raggedright\\scriptsize {latex_text(note)}" for note in grid.notes]
    lines = [
        f"\\begin{{{floating}}}[t]",
        "\\centering",
        f"\\caption{{{latex_text(grid.caption)}}}",
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
    return HEAD + "\n".join(lines) + "\n"


def latex_text(words: str) -> str:
    """Text for LaTeX: no command, no comment, no new line; what pdflatex cannot set is named by its code point."""
    written = "".join(_escaped(mark) for mark in " ".join(words.split()))
    return re.sub("-(?=-)", "-{}", written)  # two would be set as one long dash


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
    """One column each: scores in the middle, words on the left."""
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
    """$61.2_{-2.1}^{+1.8}$: from the score to the ends of its interval; best bold, second underlined."""
    if cell.score is None:
        return latex_text(cell.words)
    value = cell.shown.replace("−", "-")
    value = {1: f"\\mathbf{{{value}}}", 2: f"\\underline{{{value}}}"}.get(cell.rank, value)
    if cell.low is None or cell.high is None:
        return f"${value}$"
    down, up = 100 * (cell.score - cell.low), 100 * (cell.high - cell.score)
    return f"${value}_{{{-down:+.1f}}}^{{{up:+.1f}}}$"
