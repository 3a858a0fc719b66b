"""External predictions: probabilities of any other detector, as parquet or CSV in long form; ours are exported alike.

    dataset, subject, sequence, frame, au, probability      one row for each frame and AU

Column names may be upper or lower case, and further columns are ignored; an AU is written 1, AU1, AU01 or au_1. Wrong
values are an `InputError`; missing and unknown frames are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from data.errors import InputError, first_line, raise_all
from data.files import atomic_path
from data.frames import KEY, SCHEMA, aus_of
from data.store import FrameStore
from study.records.predictions import Predictions, predictions_of, probability_column

LONG: dict[str, type[pl.DataType]] = {
    **{name: SCHEMA[name] for name in KEY},
    "au": pl.Int64,
    "probability": pl.Float64,
}
_NAMES, VALUES = ("dataset", "subject", "sequence"), ("frame", "au", "probability")
AU = r"^(?i:au)?_?0*([1-9]\d?)(?:\.0*)?$"
SCALES = {"probability": 1.0, "intensity5": 5.0}  # value in the file that means probability 1
SUFFIXES = (".parquet", ".csv")
_SHOWN = 3  # examples in a message


@dataclass(frozen=True)
class Coverage:
    """How the frames of a file match those of a store; a frame is covered when it has all AUs."""

    frames: int  # of the store
    covered: int
    unknown: int  # frames of the file that are not in the store
    missing: tuple[str, ...] = ()  # examples of frames that are not covered
    strangers: tuple[str, ...] = ()  # examples of unknown frames
    dropped: tuple[int, ...] = ()  # AUs of the file that the store does not code
    others: dict[str, int] = field(default_factory=dict)  # rows by other dataset

    def notes(self) -> list[str]:
        """Notes for the user, one line each; none when everything matches."""
        lost, lines = self.frames - self.covered, []
        if lost:
            lines.append(f"{lost:,} of {self.frames:,} frames have no predictions, e.g. {', '.join(self.missing)}")
        if self.unknown:
            names = ", ".join(self.strangers)
            lines.append(f"{self.unknown:,} frames of the file are not in the store, e.g. {names}")
        if self.dropped:
            lines.append(f"AU {', '.join(map(str, self.dropped))} of the file are not coded by the store")
        lines += [f"{rows:,} rows are of {name!r}" for name, rows in sorted(self.others.items())]
        return lines


def read_foreign(path: Path, store: FrameStore, scale: str = "probability") -> tuple[Predictions, Coverage]:
    """The probabilities in `path` for the frames of `store`, in their order, and how well the two match.

    With `scale` "intensity5" the file holds intensities 0 to 5, and 0.5 stands for 2.5.
    """
    if scale not in SCALES:
        raise InputError(f"scale={scale!r}; allowed: {', '.join(SCALES)}")
    rows, name = _checked(_long(path), path, SCALES[scale]), str(store.table["dataset"][0])
    mine = rows.filter(dataset=name)
    others = dict(rows.filter(pl.col("dataset") != name).group_by("dataset").len().iter_rows())
    if mine.is_empty():
        raise InputError(f"{path} has no row of dataset {name!r}; it has {sorted(others)}")
    coded, found = aus_of(store.table), mine["au"].unique().sort().to_list()
    aus = tuple(au for au in found if au in coded)
    if not aus:
        raise InputError(f"{path} has AU {found}, of which {store.path.name} codes none; it codes {list(coded)}")
    _refuse_repeated(mine, path)
    predictions, coverage = _put(_wide(mine, aus), aus, store, path)
    dropped = tuple(au for au in found if au not in coded)
    return predictions, replace(coverage, dropped=dropped, others=others)


def long_form(predictions: Predictions) -> pl.DataFrame:
    """Our predictions in the form that `read_foreign` reads."""
    parts = [
        predictions.frame.select(*KEY, pl.lit(au).cast(pl.Int64).alias("au"), probability=probability_column(au))
        for au in predictions.aus
    ]
    return pl.concat(parts).with_columns(pl.col("probability").cast(pl.Float64))


def write_long(frame: pl.DataFrame, path: Path) -> None:
    """Write a table in long form as .parquet or .csv, by the suffix of `path`."""
    with atomic_path(path) as temporary:
        frame.write_parquet(temporary, compression="zstd") if path.suffix == ".parquet" else frame.write_csv(temporary)


def check_suffix(path: Path) -> None:
    """`InputError` unless the suffix is .parquet or .csv."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is neither {' nor '.join(SUFFIXES)}")


def check_file(path: Path) -> None:
    """`InputError` unless `path` is a file with the suffix .parquet or .csv."""
    check_suffix(path)
    if not path.is_file():
        raise InputError(f"no file {path}; give predictions=<file>.parquet or .csv")


def _long(path: Path) -> pl.LazyFrame:
    """The rows of the file, not yet checked, with our column names."""
    check_file(path)
    try:
        # as text, so that our own message names a wrong value and not a parser
        rows = (
            pl.scan_parquet(path, glob=False)
            if path.suffix == ".parquet"
            else pl.scan_csv(path, infer_schema=False, glob=False)
        )
        names = rows.collect_schema().names()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read as {path.suffix[1:]}: {first_line(error)}") from error
    by_name: dict[str, list[str]] = {}
    for name in names:
        by_name.setdefault(name.strip().lower(), []).append(name)
    problems = [f"no column {name!r}; it has {names}" for name in LONG if name not in by_name]
    problems += [f"{' and '.join(by_name[name])} name one column" for name in LONG if len(by_name.get(name, ())) > 1]
    raise_all(f"{path} is no table of predictions:", problems)
    return rows.select(pl.col(by_name[name][0]).alias(name) for name in LONG)


def _checked(rows: pl.LazyFrame, path: Path, one: float) -> pl.DataFrame:
    """The rows with our types and probabilities from 0 to 1; `InputError` lists wrong values."""
    number, text = pl.col("frame").cast(pl.Float64, strict=False), pl.col("au").cast(pl.String).str.strip_chars()
    value = pl.col("probability").cast(pl.Float64, strict=False)
    try:
        typed = rows.select(
            *(pl.col(name).cast(pl.String) for name in _NAMES),
            frame=pl.when(number == number.floor()).then(number).cast(SCHEMA["frame"], strict=False),
            au=text.str.extract(AU).cast(pl.Int64, strict=False),
            probability=pl.when(value.is_between(0, one)).then(value / one),
            **{f"given_{name}": pl.col(name) for name in VALUES},
        ).collect()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    problems = []
    if typed.is_empty():
        problems.append("no row at all")
    problems += [f"{name}: {typed[name].null_count():,} rows are empty" for name in _NAMES if typed[name].null_count()]
    scales = f"from 0 to {one:g} (scale=probability from 0 to 1, scale=intensity5 from 0 to 5)"
    wanted = {"frame": "whole numbers", "au": "AUs such as 1, AU1 or AU01", "probability": scales}
    problems += [line for name in VALUES for line in _not(typed, name, wanted[name])]
    raise_all(f"{path} is no table of predictions:", problems)
    return typed.select(*LONG)


def _not(rows: pl.DataFrame, name: str, wanted: str) -> list[str]:
    """One line for the rows with a wrong value of `name`, with examples."""
    given = rows.filter(pl.col(name).is_null())[f"given_{name}"]
    if given.is_empty():
        return []
    return [f"{name}: {len(given):,} rows are not {wanted}: {given.unique(maintain_order=True).head(5).to_list()}"]


def _refuse_repeated(rows: pl.DataFrame, path: Path) -> None:
    keys = [name for name in LONG if name != "probability"]
    repeated = rows.group_by(keys, maintain_order=True).len().filter(pl.col("len") > 1)
    lines = [
        f"AU {row['au']} of frame {row['frame']} of {row['subject']}/{row['sequence']} is listed {row['len']} times"
        for row in repeated.head(_SHOWN).iter_rows(named=True)
    ]
    raise_all(f"{path} lists {repeated.height:,} probabilities more than once:", lines)


def _wide(rows: pl.DataFrame, aus: Sequence[int]) -> pl.DataFrame:
    """One row for each frame and one column for each AU, null where there is no probability."""
    columns = [pl.col("probability").filter(pl.col("au") == au).first().alias(probability_column(au)) for au in aus]
    return rows.group_by(*KEY).agg(columns)


def _put(wide: pl.DataFrame, aus: tuple[int, ...], store: FrameStore, path: Path) -> tuple[Predictions, Coverage]:
    """The covered frames in the order of the store."""
    strangers = wide.join(store.table, on=KEY, how="anti").sort(KEY)
    joined = store.table.select(KEY).join(wide, on=KEY, how="left", maintain_order="left")
    names = [probability_column(au) for au in aus]
    there = joined.select(pl.all_horizontal(pl.col(names).is_not_null())).to_series()
    if not there.any():
        raise InputError(
            f"no frame of {store.path.name} has predictions in {path}: the store has {', '.join(_named(store.table))}, "
            f"the file {', '.join(_named(strangers))}"
        )
    probabilities = joined.filter(there).select(names).to_numpy().astype(np.float32)
    labels = store.labels(aus)[there.to_numpy()]
    predictions = predictions_of(store.table.filter(there), probabilities, labels, aus, "test")
    missing, unknown = _named(joined.filter(~there)), _named(strangers)
    return predictions, Coverage(len(store), len(predictions), strangers.height, missing, unknown)


def _named(rows: pl.DataFrame) -> tuple[str, ...]:
    keys = rows.head(_SHOWN).select("subject", "sequence", "frame").iter_rows()
    return tuple(f"{subject}/{sequence}/{frame}" for subject, sequence, frame in keys)
