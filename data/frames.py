"""FrameTable: the one schema in which every reader describes its frames.

A FrameTable is a polars frame with one row a frame, sorted by subject, sequence, frame:

    dataset   String   name of the dataset
    subject   String   the person; folds never divide one
    sequence  String   one recording of the subject
    frame     Int32    number of the frame in the label files
    path      String   image or video file, relative to the dataset's root
    index     Int32    0-based position in the video; null when `path` is an image
    split     String   official part, "train" | "val" | "test"; null where the dataset has none
    au_<n>    Int8     1 active, 0 inactive, null not coded; one column per coded AU, ascending; none without labels
    intensity_<n>  Int8  0 to 5, null not coded; only for AUs whose intensity the dataset codes
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from data.aus import AU_NAMES, au_column, intensity_column
from data.errors import DamagedError, raise_all
from data.parquet import read_sealed, write_sealed

KEY = ("dataset", "subject", "sequence", "frame")
SCHEMA: dict[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "subject": pl.String,
    "sequence": pl.String,
    "frame": pl.Int32,
    "path": pl.String,
    "index": pl.Int32,
    "split": pl.String,
}
SPLITS = ("train", "val", "test")
INTENSITIES = range(6)  # FACS: absent, then A to E
EXCLUDED: dict[str, type[pl.DataType]] = {
    "subject": pl.String,
    "sequence": pl.String,
    "frame": pl.Int32,
    "reason": pl.String,
}


def excluded_frames(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    """`rows` (with subject, sequence, frame) as frames that were left out for `reason`."""
    return rows.with_columns(reason=pl.lit(reason)).select(pl.col(name).cast(kind) for name, kind in EXCLUDED.items())


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader found: the frames, and every coded frame that it left out, with the reason."""

    table: pl.DataFrame
    excluded: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EXCLUDED))
    notes: tuple[str, ...] = ()  # for a person to read, e.g. how the numbering of the images was confirmed


def aus_of(table: pl.DataFrame) -> tuple[int, ...]:
    """Action units that have a column in `table`, in column order."""
    return tuple(int(name.removeprefix("au_")) for name in table.columns if name.startswith("au_"))


def intensities_of(table: pl.DataFrame) -> tuple[int, ...]:
    """Action units whose intensity `table` holds, in column order."""
    return tuple(int(name.removeprefix("intensity_")) for name in table.columns if name.startswith("intensity_"))


def frame_table(rows: pl.DataFrame, aus: tuple[int, ...]) -> pl.DataFrame:
    """Cast, order and validate `rows` as a FrameTable; absent `index` and `split` become null.

    Every `intensity_<n>` column of `rows` is kept.
    """
    optional = [pl.lit(None, dtype=SCHEMA[name]).alias(name) for name in ("index", "split") if name not in rows.columns]
    columns = [pl.col(name).cast(kind) for name, kind in SCHEMA.items()]
    labels = [pl.col(au_column(au)).cast(pl.Int8) for au in sorted(aus)]
    levels = [pl.col(intensity_column(au)).cast(pl.Int8) for au in sorted(intensities_of(rows))]
    table = rows.with_columns(optional).select(columns + labels + levels).sort("subject", "sequence", "frame")
    validate(table)
    return table


def validate(table: pl.DataFrame) -> None:
    """Raise one `InputError` with everything in `table` that breaks the schema."""
    raise_all("the frame table is not valid:", [*_schema_problems(table), *_row_problems(table)])


def _schema_problems(table: pl.DataFrame) -> list[str]:
    problems = [
        f"column {name!r} is {table.schema.get(name, 'missing')}, expected {kind.__name__}"
        for name, kind in SCHEMA.items()
        if table.schema.get(name) != kind
    ]
    unknown = [au for au in aus_of(table) if au not in AU_NAMES]
    if unknown:
        problems.append(f"AU columns {unknown}; allowed: {sorted(AU_NAMES)}")
    return problems


def _row_problems(table: pl.DataFrame) -> list[str]:
    if set(KEY) - set(table.columns):
        return []  # a problem of the schema, which is already listed
    problems = []
    if table.is_empty():
        problems.append("it has no frame")
    if not _in_order(table):
        # a sorted table is out of order only where a frame comes again
        twice = table.group_by(KEY).len().filter(pl.col("len") > 1).sort(KEY)
        problems += [
            f"frame {row['frame']} of {row['subject']}/{row['sequence']} is listed {row['len']} times"
            for row in twice.iter_rows(named=True)
        ]
    allowed = {au_column(au): [0, 1] for au in aus_of(table)}
    allowed |= {intensity_column(au): list(INTENSITIES) for au in intensities_of(table)}
    for name, values in allowed.items():
        wrong = table.filter(~pl.col(name).is_in(values)).get_column(name).unique().sort().to_list()
        if wrong:
            problems.append(f"{name} holds {wrong}; allowed: {', '.join(str(value) for value in values)}, null")
    return problems


def _in_order(table: pl.DataFrame) -> bool:
    """Whether every row comes after the one before it, so that none is there twice.

    Cheap, where a hash table of millions of rows would be the largest thing in memory.
    """
    after = pl.lit(False)
    for name in ("frame", "sequence", "subject"):
        now, before = pl.col(name), pl.col(name).shift()
        after = (now > before) | ((now == before) & after)
    return bool(table.select(after).to_series()[1:].all())


def save_table(table: pl.DataFrame, path: Path) -> None:
    """Write `table` as parquet, atomically."""
    validate(table)
    write_sealed(table, path, path.name)


def load_table(path: Path) -> pl.DataFrame:
    """Read a table that `save_table` wrote and validate it."""
    try:
        table = read_sealed(path, path.name)
    except DamagedError as error:
        raise DamagedError(f"{path.name}: {error}") from error
    validate(table)
    return table


def table_digest(table: pl.DataFrame) -> bytes:
    """sha256 of the values of a FrameTable, column by column; the same in every polars version."""
    digest = hashlib.sha256()
    levels = [intensity_column(au) for au in intensities_of(table)]
    for name in (*SCHEMA, *(au_column(au) for au in aus_of(table)), *levels):
        column = table[name]
        # separators that occur in no name, so that no two tables give the same bytes
        digest.update(f"\x1e{name}\x1e".encode())
        if column.dtype == pl.String:
            # in slices: the joined text of millions of paths would fill the memory
            for part in column.fill_null("\x00").to_frame().iter_slices(100_000):
                digest.update("".join(f"{cell}\x1f" for cell in part[name]).encode())
        else:
            digest.update(column.cast(pl.Int32).fill_null(-(2**31)).to_numpy().astype("<i4").tobytes())
    return digest.digest()
