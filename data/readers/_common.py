"""What the readers share: forgiving listings of folders, strict reading of label files.

Label files are read as text and every cell is checked, so that a code nobody expected never becomes a label.
"""

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.aus import au_column
from data.errors import InputError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".mkv", ".wmv")
_NUMBER = re.compile(r"[0-9]{1,9}")
_AU_NAME = re.compile(r"(?:au)?_?0*([0-9]{1,2})", re.IGNORECASE)
_IMAGES = {"subject": pl.String, "sequence": pl.String, "number": pl.Int64, "path": pl.String}


@dataclass(frozen=True)
class Cells:
    """A comma separated file as text: `rows` has `line` (1-based) and `cells`, as many as `header` in each row."""

    file: str
    header: list[str]
    rows: pl.DataFrame


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries of `folder`, without hidden ones, `__MACOSX` and names that are not UTF-8."""
    try:
        # scandir knows the kind of an entry without one more call per file, which matters on network disks
        with os.scandir(folder) as found:
            for entry in found:
                if not entry.name.startswith((".", "__")) and _is_utf8(entry.name):
                    yield entry
    except OSError as error:
        raise InputError(f"cannot list {printable(folder)}: {error.strerror}") from error


def files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files of `folder` that end in one of the lower case `suffixes`, by name."""
    return sorted(
        folder / entry.name for entry in entries(folder) if entry.name.lower().endswith(suffixes) and _is(entry.is_file)
    )


def folders(folder: Path) -> list[Path]:
    """Folders in `folder`, by name."""
    return sorted(folder / entry.name for entry in entries(folder) if _is(entry.is_dir))


def resolve(root: Path, *choices: str) -> Path | None:
    """The first of `choices` (`/`-separated regular expressions, any case) that is a folder below `root`."""
    for choice in choices:
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
    held = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
    lines = [f"{printable(root)} is not laid out as expected. Looked below it for:"]
    lines += [f"  - {pattern}" for pattern in looked_for]
    return InputError("\n".join([*lines, f"It holds: {held or 'nothing'}. Give the folder that holds these."]))


def gather(items: Iterable[Path], read: Callable[[Path], pl.DataFrame]) -> tuple[list[pl.DataFrame], list[str]]:
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
    lines = pl.DataFrame({"line": read_lines(path)}).with_row_index("number", 1)
    rows = lines.filter(pl.col("line") != "").select(
        pl.col("number").cast(pl.Int64).alias("line"), pl.col("line").str.split(",").alias("cells")
    )
    if rows.height < (1 if header else 2):
        raise InputError(f"{file}: holds no label")
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
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.parent.name}/{path.name}: not a readable text file ({error})") from error


def au_positions(cells: Cells, aus: Sequence[int], first: int = 1) -> dict[int, int]:
    """Column of each of `aus` by the header (`1`, `AU1`, `au01`), looking from column `first` on."""
    positions: dict[int, list[int]] = {}
    for position, au in enumerate(header_aus(cells.header[first:]), start=first):
        positions.setdefault(au, []).append(position)
    missing = [au for au in aus if au not in positions]
    twice = [au for au in aus if len(positions.get(au, [])) > 1]
    if missing or twice:
        what = f"AU {missing} missing" if missing else f"AU {twice} in more than one column"
        raise InputError(f"{cells.file}, header: {what}; its columns are {_short(cells.header)}")
    return {au: positions[au][0] for au in aus}


def header_aus(names: Sequence[str]) -> list[int]:
    """The AU that each column name stands for; 0 where it names none."""
    matches = [_AU_NAME.fullmatch(name) for name in names]
    return [int(match[1]) if match else 0 for match in matches]


def frame_numbers(cells: Cells, position: int = 0) -> pl.Series:
    """Frame numbers (Int64, unique, not negative) in the column at `position`."""
    numbers = _numbers(cells, position)
    fits = (numbers >= 0) & (numbers < 2**31) & (numbers == numbers.floor())
    _refuse(cells, position, fits.fill_null(False), "a frame number")
    frames = numbers.cast(pl.Int64).alias("frame")
    repeated = frames.filter(frames.is_duplicated())
    if len(repeated):
        lines = cells.rows["line"].filter(frames == repeated[0]).to_list()
        raise InputError(f"{cells.file}: frame {repeated[0]} stands on lines {_short(lines)}")
    return frames


def labels(cells: Cells, positions: Mapping[int, int], codes: Mapping[int, int | None]) -> list[pl.Series]:
    """`au_<n>` columns (Int8) with each code translated; `InputError` names every column with another code."""
    columns, problems = [], []
    for au, position in positions.items():
        numbers = _numbers(cells, position)
        try:
            _refuse(cells, position, numbers.is_in([float(code) for code in codes]).fill_null(False), codes)
        except InputError as error:
            problems.append(str(error))
            continue
        translation = {float(code): label for code, label in codes.items()}
        columns.append(numbers.replace_strict(translation, return_dtype=pl.Int8).alias(au_column(au)))
    if problems:
        raise InputError("\n".join(problems))
    return columns


def numbered_images(root: Path, sequences: Iterable[tuple[str, str, Path]]) -> tuple[pl.DataFrame, list[str]]:
    """Images of (subject, sequence, folder) by the whole number that is their name, whatever its padding."""
    rows: list[tuple[str, str, int, str]] = []
    problems: list[str] = []
    for subject, sequence, folder in sequences:
        names: dict[int, list[str]] = {}
        for path in files(folder, IMAGE_SUFFIXES):
            if _NUMBER.fullmatch(path.stem):
                names.setdefault(int(path.stem), []).append(path.name)
        below = folder.relative_to(root).as_posix()
        rows += [(subject, sequence, number, f"{below}/{found[0]}") for number, found in names.items()]
        problems += [f"{below}: {sorted(found)} are all image {n}" for n, found in names.items() if len(found) > 1]
    return pl.DataFrame(rows, schema=_IMAGES, orient="row"), problems


def attach_images(coded: pl.DataFrame, images: pl.DataFrame, offset: int = 0) -> tuple[pl.DataFrame, list[str]]:
    """`coded` with the `path` of image number frame + `offset`, and a problem per sequence that lacks images."""
    key = ["subject", "sequence", "number"]
    numbered = coded.with_columns(number=pl.col("frame") + offset)
    joined = numbered.join(images, on=key, how="left", maintain_order="left")
    lacking = joined.group_by("subject", "sequence").agg(
        coded=pl.len(),
        missing=pl.col("path").is_null().sum(),
        first=pl.col("number").filter(pl.col("path").is_null()).min(),
        last=pl.col("number").filter(pl.col("path").is_null()).max(),
    )
    return joined.drop("number"), [
        f"{row['subject']}/{row['sequence']}: {row['missing']} of {row['coded']} coded frames have no image "
        f"(image {row['first']} to {row['last']})"
        for row in lacking.filter(pl.col("missing") > 0).sort("subject", "sequence").iter_rows(named=True)
    ]


def printable(path: Path | str) -> str:
    """The path as text that can always be printed."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _numbers(cells: Cells, position: int) -> pl.Series:
    text = cells.rows["cells"].list.get(position).str.strip_chars()
    return text.cast(pl.Float64, strict=False)


def _refuse(cells: Cells, position: int, fits: pl.Series, allowed: object) -> None:
    wrong = cells.rows.filter(~fits)
    if wrong.is_empty():
        return
    choices = allowed if isinstance(allowed, str) else ", ".join(str(code) for code in allowed)  # type: ignore[attr-defined]
    more = f" and {wrong.height - 1} more lines" if wrong.height > 1 else ""
    raise InputError(
        f"{cells.file}, line {wrong['line'][0]}{more}, column {cells.header[position]!r}: "
        f"{wrong['cells'][0][position]!r}; allowed: {choices}"
    )


def _short(values: Sequence[object], limit: int = 12) -> str:
    return ", ".join(str(value) for value in values[:limit]) + (", ..." if len(values) > limit else "")


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _is(check: Callable[[], bool]) -> bool:
    with suppress(OSError):
        return check()
    return False
