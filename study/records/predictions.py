"""Predictions: the probabilities of one detector, frame by frame, with the labels beside them.

As a file (parquet, zstd) and as a polars frame, one row a frame:

    dataset, subject, sequence   String   as in the FrameTable
    frame                        Int32
    split                        String   the part of the detector's fold that the frame is in: "val" or "test"
    p_<n>                        Float32  probability of AU n, 0 to 1; one column per AU, in the detector's order
    y_<n>                        Int8     label of AU n: 1 active, 0 inactive, null not coded
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from data.errors import DamagedError, InputError, raise_all
from data.frames import KEY, SCHEMA
from data.parquet import read_sealed, write_sealed
from study.records.config import is_key
from study.records.folder import begun_name, train_again_text

_COLUMNS: dict[str, type[pl.DataType]] = {**{name: SCHEMA[name] for name in KEY}, "split": pl.String}
_SPLITS = ("val", "test")


@dataclass(frozen=True, eq=False)
class Predictions:
    """A frame with the columns above; `aus` in their order."""

    frame: pl.DataFrame
    aus: tuple[int, ...]

    def __len__(self) -> int:
        return self.frame.height

    @property
    def probabilities(self) -> np.ndarray:
        """float32 [n, A]."""
        return _matrix(self.frame.select(probability_column(au) for au in self.aus), np.float32)

    @property
    def labels(self) -> np.ndarray:
        """int8 [n, A]: 1, 0, or -1 where not coded."""
        return _matrix(self.frame.select(pl.col(label_column(au)).fill_null(-1) for au in self.aus), np.int8)

    @property
    def subjects(self) -> np.ndarray:
        """Subject of each frame, [n] of str."""
        return self.frame["subject"].to_numpy()

    def part(self, split: str) -> "Predictions":
        """The frames of one split; `InputError` when there is none."""
        rows = self.frame.filter(pl.col("split") == split)
        if rows.is_empty():
            raise InputError(f"no predictions of the {split} part; there are {self.frame['split'].unique().to_list()}")
        return Predictions(rows, self.aus)

    def on(self, aus: Sequence[int]) -> "Predictions":
        """The same frames with some of the AUs, in the order asked for."""
        unknown = [au for au in aus if au not in self.aus]
        if unknown:
            raise InputError(f"no predictions of AU {unknown}; there are {list(self.aus)}")
        columns = [name for au in aus for name in (probability_column(au), label_column(au))]
        return Predictions(self.frame.select(*_COLUMNS, *columns), tuple(aus))


def probability_column(au: int) -> str:
    """Name of the column with the probabilities of an AU."""
    return f"p_{au}"


def label_column(au: int) -> str:
    """Name of the column with the labels of an AU."""
    return f"y_{au}"


def predictions_of(
    table: pl.DataFrame,
    probabilities: np.ndarray,
    labels: np.ndarray,
    aus: tuple[int, ...],
    splits: str | Sequence[str],
) -> Predictions:
    """Join probabilities [n, A] and labels [n, A] (-1 is not coded) to the `n` rows of a FrameTable.

    `splits` is one word for all rows, or one for each. `InputError` for NaN and for values outside 0 to 1.
    """
    assert probabilities.shape == labels.shape == (table.height, len(aus))
    names = [splits] * table.height if isinstance(splits, str) else splits
    columns = [table[name] for name in KEY] + [pl.Series("split", names, pl.String)]
    for at, au in enumerate(aus):
        columns.append(pl.Series(probability_column(au), probabilities[:, at].astype(np.float32)))
        # null and not -1 in files, so that a mean over labels cannot count it by mistake
        coded = pl.Series(label_column(au), labels[:, at].astype(np.int8))
        columns.append(coded.set(coded < 0, None))
    predictions = Predictions(pl.DataFrame(columns), aus)
    raise_all("these predictions are not valid:", _problems(predictions.frame))
    return predictions


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write `predictions` to `path`; a killed process never leaves half a file."""
    write_sealed(predictions.frame, path, _name(path))


def _name(path: Path) -> str:
    # a trial's key includes its fold and its store, and the name has the store of a target
    if is_key(path.stem[:16]):
        return path.stem
    return f"{path.stem} of {begun_name(path.resolve().parents[1])}"


def read_predictions(path: Path) -> Predictions:
    """Read a file of `write_predictions`; `InputError` lists what is wrong in it."""
    frame = _read(path)
    raise_all(f"{path} is no file of predictions:", _problems(frame))
    return Predictions(frame, aus_of_predictions(frame))


def read_predicted(path: Path) -> pl.DataFrame:
    """The columns dataset, subject, sequence and frame of a file of `write_predictions`."""
    return _read(path, KEY)


def has_predictions(path: Path) -> bool:
    """Whether there is an undamaged file of predictions at `path`."""
    try:
        read_predicted(path)
    except InputError:
        return False
    return True


def _read(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    name, again = _name(path), train_again_text(path.parents[1])
    try:
        return read_sealed(path, name, columns)
    except FileNotFoundError:
        raise InputError(f"the predictions {path} are missing. {again}") from None
    except (OSError, DamagedError) as error:
        raise DamagedError(f"the predictions {path} are damaged: {error}. {again}") from error


def aus_of_predictions(frame: pl.DataFrame) -> tuple[int, ...]:
    """AUs that have a probability column, in column order."""
    return tuple(int(name[2:]) for name in frame.columns if name.startswith("p_") and name[2:].isdigit())


def _problems(frame: pl.DataFrame) -> list[str]:
    aus = aus_of_predictions(frame)
    wanted = _COLUMNS | {probability_column(au): pl.Float32 for au in aus} | {label_column(au): pl.Int8 for au in aus}
    problems = [
        f"column {name!r} is {frame.schema.get(name, 'missing')}, expected {kind.__name__}"
        for name, kind in wanted.items()
        if frame.schema.get(name) != kind
    ]
    problems += [f"unknown column {name!r}" for name in frame.columns if name not in wanted]
    if not aus:
        problems.append("no column p_<AU>")
    # values are checked only if all columns have the right types
    return problems or [*_value_problems(frame, aus), *_row_problems(frame)]


def _value_problems(frame: pl.DataFrame, aus: tuple[int, ...]) -> list[str]:
    problems = []
    for au in aus:
        p, y = frame[probability_column(au)], frame[label_column(au)]
        bad = p.is_null() | p.is_nan()
        outside = ~p.is_between(0, 1) & ~bad
        if bad.any():
            problems.append(f"AU {au}: {bad.sum()} frames without a probability (NaN or null)")
        if outside.any():
            problems.append(f"AU {au}: {outside.sum()} probabilities outside 0 to 1")
        if not y.drop_nulls().is_in([0, 1]).all():
            problems.append(f"AU {au}: labels {y.unique().sort().to_list()}; allowed: 0, 1, null")
    return problems


def _row_problems(frame: pl.DataFrame) -> list[str]:
    problems = []
    if frame.is_empty():
        problems.append("no frame at all")
    splits = [split for split in frame["split"].unique().to_list() if split not in _SPLITS]
    problems += [f"split {split!r}; allowed: {', '.join(_SPLITS)}" for split in splits]
    problems += [f"{name}: {frame[name].null_count()} empty" for name in KEY if frame[name].null_count()]
    # a frame counted twice would give its subject too much weight
    repeated = frame.height - frame.select(pl.struct(KEY).n_unique()).item() if frame.height else 0
    if repeated:
        problems.append(f"{repeated} frames are listed more than once")
    return problems


def _matrix(frame: pl.DataFrame, kind: type[np.generic]) -> np.ndarray:
    """The columns as one array [n, A], AU by AU in memory, because metrics read one AU at a time."""
    # filled column by column and transposed at the end: no second copy
    out = np.empty((frame.width, frame.height), kind)
    for at, column in enumerate(frame.iter_columns()):
        out[at] = column.to_numpy()
    return out.T
