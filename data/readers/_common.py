"""What the readers share: tolerant listings of folders, strict reading of label files.

Label files are read as text and every cell is checked, so that an unexpected code never becomes a label.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from data.aus import au_column
from data.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".mkv", ".wmv")
_AU_NAME = re.compile(r"(?:au)?_?0*([0-9]{1,2})", re.IGNORECASE)


@dataclass(frozen=True)
class Cells:
    """A comma separated file as text: `rows` has `line` (1-based) and `cells`, as many as `header` in each row."""

    file: str
    header: list[str]
    rows: pl.DataFrame


class Names(NamedTuple):
    """Names of files, sorted, and how many were left out."""

    found: list[str]
    not_utf8: int  # names that are not UTF-8
    broken: int  # links without a target

    def notes(self, folder: str) -> list[str]:
        """What was left out of `folder`."""
        notes = []
        if self.not_utf8:
            notes.append(f"{folder}: {self.not_utf8} file names are not UTF-8 and were left out")
        if self.broken:
            notes.append(f"{folder}: {self.broken} broken links were left out")
        return notes


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries of `folder`, without hidden ones, `__MACOSX` and names that are not UTF-8."""
    return (entry for entry in _scan(folder) if _is_utf8(entry.name))


def names(folder: Path, suffixes: tuple[str, ...]) -> Names:
    """Files of `folder` that end in one of the lower case `suffixes`."""
    found, not_utf8, broken = [], 0, 0
    for entry in _scan(folder):
        if not entry.name.lower().endswith(suffixes):
            continue
        if not _is_utf8(entry.name):
            not_utf8 += 1
        elif _is(entry.is_file):
            found.append(entry.name)
        elif entry.is_symlink() and not _is(entry.is_dir):
            broken += 1
    return Names(sorted(found), not_utf8, broken)


def files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files of `folder` that end in one of the lower case `suffixes`, by name."""
    return [folder / name for name in names(folder, suffixes).found]


def folders(folder: Path) -> list[Path]:
    """Folders in `folder`, by name."""
    return sorted(folder / entry.name for entry in entries(folder) if _is(entry.is_dir))


def resolve(root: Path, *choices: str) -> Path | None:
    """The first of `choices` (`/`-separated regular expressions, any case) that is a folder below `root`."""
    for choice in choices:
        # every folder that fits: `aucoding` and `AUCoding` may lie side by side
        found = [root]
        for part in choice.split("/"):
            fits = re.compile(part, re.IGNORECASE).fullmatch
            found = [below for folder in found for below in folders(folder) if fits(below.name)]
        if found:
            return found[0]
    return None


def not_found(root: Path, looked_for: Sequence[str]) -> InputError:
    """The error for a root without the expected folders: what was looked for, and what is there."""
    there = sorted(entry.name for entry in entries(root))
    held = listed(there, 8)
    lines = [f"{printable(root)} does not have the expected layout. Looked in it for:"]
    lines += [f"  - {pattern}" for pattern in looked_for]
    return InputError(
        "\n".join([*lines, f"It contains: {held or 'nothing'}. Give the folder that contains the files above."])
    )


def read_all(items: Iterable[Path], read: Callable[[Path], pl.DataFrame]) -> tuple[list[pl.DataFrame], list[str]]:
    """Tables that `read` gives, and the problems of the items for which it raised `InputError`."""
    tables, problems = [], []
    for item in items:
        try:
            tables.append(read(item))
        except InputError as error:
            problems += str(error).splitlines()
    return tables, problems


def read_cells(path: Path, header: Sequence[str] | None = None) -> Cells:
    """Read a comma separated file; its first line is the header unless `header` is given."""
    file = f"{path.parent.name}/{path.name}"
    lines = pl.DataFrame({"line": read_lines(path)}, schema={"line": pl.String}).with_row_index("number", 1)
    # numbered before empty lines go, so that errors name the line of the file
    rows = lines.filter(pl.col("line") != "").select(
        pl.col("number").cast(pl.Int64).alias("line"), pl.col("line").str.split(",").alias("cells")
    )
    if rows.height < (1 if header else 2):
        raise InputError(f"{file}: contains no label")
    names = list(header or (cell.strip() for cell in rows["cells"][0]))
    body = rows if header else rows.slice(1)
    ragged = body.filter(pl.col("cells").list.len() != len(names))
    if ragged.height:
        count = len(ragged["cells"][0])
        raise InputError(f"{file}, line {ragged['line'][0]}: {count} values, expected {len(names)}")
    return Cells(file, names, body)


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, stripped; `InputError` if it is not readable UTF-8."""
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines()]  # spreadsheets add a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.parent.name}/{path.name}: not a readable text file ({error})") from error


def au_positions(cells: Cells, aus: Sequence[int], first: int = 1) -> dict[int, int]:
    """Column of each of `aus` by the header (`1`, `AU1`, `au01`), looking from column `first` on."""
    positions: dict[int, list[int]] = {}
    for position, au in enumerate(header_aus(cells.header[first:]), start=first):
        positions.setdefault(au, []).append(position)
    # columns of other AUs are ignored, whatever they hold
    missing = [au for au in aus if au not in positions]
    twice = [au for au in aus if len(positions.get(au, [])) > 1]
    if missing or twice:
        what = f"AU {missing} missing" if missing else f"AU {twice} in more than one column"
        raise InputError(f"{cells.file}, header: {what}; its columns are {short(cells.header)}")
    return {au: positions[au][0] for au in aus}


def header_aus(names: Sequence[str]) -> list[int]:
    """The AU that each column name stands for; 0 where it names none."""
    matches = [_AU_NAME.fullmatch(name) for name in names]
    return [int(match[1]) if match else 0 for match in matches]


def frame_numbers(cells: Cells, position: int = 0) -> pl.Series:
    """Frame numbers (Int64, unique, not negative) in the column at `position`."""
    values = numbers(cells, position)  # "7.0" is a frame number too: spreadsheets write it
    fits = (values >= 0) & (values < 2**31) & (values == values.floor())
    _refuse(cells, position, fits.fill_null(False), "a frame number")
    frames = values.cast(pl.Int64).alias("frame")
    repeated = frames.filter(frames.is_duplicated())
    if len(repeated):
        lines = cells.rows["line"].filter(frames == repeated[0]).to_list()
        raise InputError(f"{cells.file}: frame {repeated[0]} is listed on lines {short(lines)}")
    return frames


def labels(cells: Cells, positions: Mapping[int, int], codes: Mapping[int, int | None]) -> list[pl.Series]:
    """`au_<n>` columns (Int8) with each code translated; `InputError` names every column with another code."""
    return _coded(cells, {au_column(au): position for au, position in positions.items()}, codes).get_columns()


def coded(cells: Cells, position: int, codes: Mapping[int, int | None]) -> pl.Series:
    """The column at `position` (Int8) with each code translated; `InputError` names the first other code."""
    return _coded(cells, {cells.header[position]: position}, codes).to_series()


def numbers(cells: Cells, position: int) -> pl.Series:
    """The column at `position` (Float64); null where the text is no number."""
    return cells.rows.select(_number(position)).to_series()


def printable(path: Path | str) -> str:
    """The path as text that can always be printed."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def short(values: Sequence[object], limit: int = 12) -> str:
    """The first of `values`, separated by commas."""
    return ", ".join(str(value) for value in values[:limit]) + (", ..." if len(values) > limit else "")


def listed(values: Sequence[object], limit: int = 6) -> str:
    """The first of `values`, and how many more there are."""
    return ", ".join(str(v) for v in values[:limit]) + (
        f" and {len(values) - limit} more" if len(values) > limit else ""
    )


def _number(position: int) -> pl.Expr:
    return pl.col("cells").list.get(position).str.strip_chars().cast(pl.Float64, strict=False)


def _coded(cells: Cells, positions: Mapping[str, int], codes: Mapping[int, int | None]) -> pl.DataFrame:
    """The columns at `positions` by name, all in few calls: a call of polars costs more than one column takes."""
    values = cells.rows.select(_number(position).alias(name) for name, position in positions.items())
    known = values.select(pl.all().is_in([float(code) for code in codes]).fill_null(False))
    problems = []
    for name, position in positions.items():
        try:
            _refuse(cells, position, known[name], codes)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))  # `read_all` takes it apart again
    translation = {float(code): label for code, label in codes.items()}
    return values.select(pl.all().replace_strict(translation, return_dtype=pl.Int8))


def _refuse(cells: Cells, position: int, fits: pl.Series, allowed: object) -> None:
    if fits.all():
        return
    wrong = cells.rows.filter(~fits)
    choices = allowed if isinstance(allowed, str) else ", ".join(str(code) for code in allowed)  # type: ignore[attr-defined]
    more = f" and {wrong.height - 1} more lines" if wrong.height > 1 else ""
    raise InputError(
        f"{cells.file}, line {wrong['line'][0]}{more}, column {cells.header[position]!r}: "
        f"{wrong['cells'][0][position]!r}; allowed: {choices}"
    )


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        # scandir knows the kind of an entry without one more call per file, which matters on network disks
        with os.scandir(folder) as found:
            for entry in found:
                if not entry.name.startswith((".", "__")):
                    yield entry
    except OSError as error:
        raise InputError(f"cannot list {printable(folder)}: {error.strerror}") from error


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is(check: Callable[[], bool]) -> bool:
    with suppress(OSError):
        return check()
    return False
