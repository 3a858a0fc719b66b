"""Numbers from the probabilities of the final detectors: threshold curves, reliability, AU co-occurrence.

Each seed of a fold scores every test frame of the fold once. Threshold curves are averaged as is usual in the field:
the score of every fold and seed, mean over seeds, then over folds. Reliability and co-occurrence pool all frames.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from model.metrics import f1, precision, recall
from study.records.predictions import Predictions, read_predictions
from study.scoring.bootstrap import fold_mean

_THRESHOLDS = np.arange(1, 100) / 100
_BINS = 10
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Predicted:
    """The frames of the figures: see `thresholds_frame`, `reliability_frame` and `cooccurrence_frame`."""

    thresholds: pl.DataFrame
    reliability: pl.DataFrame
    cooccurrence: pl.DataFrame
    runs: int
    missing: int  # runs without a file of predictions


def predicted(runs: pl.DataFrame, path_of: Callable[[str], Path], aus: tuple[int, ...]) -> Predicted | None:
    """Read the predictions of final trials one by one; None when there are none."""
    at = [(str(fold), path_of(key)) for fold, key in runs.select("fold", "key").iter_rows()]
    there = [(fold, path) for fold, path in at if path.exists()]
    if not there:
        return None
    # one file at a time: the probabilities of all runs together may not fit into memory
    tallies = [(fold, _tally(read_predictions(path).part("test").on(aus))) for fold, path in there]
    return Predicted(
        thresholds=thresholds_frame([(fold, tally.above) for fold, tally in tallies], aus),
        reliability=reliability_frame(sum((tally.bins for _, tally in tallies[1:]), tallies[0][1].bins), aus),
        cooccurrence=cooccurrence_frame(sum((tally.pairs for _, tally in tallies[1:]), tallies[0][1].pairs), aus),
        runs=len(there),
        missing=len(at) - len(there),
    )


@dataclass(frozen=True)
class _Tally:
    """Sums over the frames of one run; they replace its probabilities, which would fill the memory."""

    above: Whole  # [A, T, 4] tp, fp, fn, tn at each threshold
    bins: NDArray[np.float64]  # [A, BINS, 3] frames, active frames, sum of probabilities
    pairs: Whole  # [A, A, 4] frames with both coded: row labelled, both labelled, row predicted, both predicted


def _tally(predictions: Predictions) -> _Tally:
    shown, labels = predictions.probabilities, predictions.labels
    columns = list(zip(shown.T, labels.T, strict=True))
    return _Tally(
        above=np.stack([_above(p[y >= 0], y[y >= 0] == 1) for p, y in columns]),
        bins=np.stack([_binned(p[y >= 0], y[y >= 0] == 1) for p, y in columns]),
        pairs=_pairs(shown >= 0.5, labels),
    )


def _above(probabilities: NDArray[np.float32], active: NDArray[np.bool_]) -> Whole:
    """Confusion counts [T, 4] at every threshold; a probability equal to it is a detection."""
    # 0.3 in float32 is not 0.3 in float64: thresholds get the precision of the probabilities.
    passed = np.searchsorted(_THRESHOLDS.astype(np.float32), probabilities, side="right")
    hit, false = (np.bincount(passed[which], minlength=_THRESHOLDS.size + 1) for which in (active, ~active))
    # frames that pass at least t thresholds are the detections at threshold t: one pass gives all thresholds
    tp, fp = (np.cumsum(counts[::-1])[::-1][1:] for counts in (hit, false))
    return np.stack([tp, fp, active.sum() - tp, (~active).sum() - fp], axis=-1).astype(np.int64)


def _binned(probabilities: NDArray[np.float32], active: NDArray[np.bool_]) -> NDArray[np.float64]:
    place = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)  # probability 1 is in the last bin
    sums = [np.bincount(place, weights=weights, minlength=_BINS) for weights in (None, active, probabilities)]
    return np.stack(sums, axis=-1).astype(np.float64)


def _pairs(predicted: NDArray[np.bool_], labels: NDArray[np.int8]) -> Whole:
    coded, active = ((labels >= 0), (labels == 1))
    # float64 products are exact for fewer than 2**53 frames, and much faster than those of integers.
    known, on, said = (part.astype(np.float64) for part in (coded, active, predicted & coded))
    return np.stack([on.T @ known, on.T @ on, said.T @ known, said.T @ said], axis=-1).astype(np.int64)


def thresholds_frame(runs: list[tuple[str, Whole]], aus: tuple[int, ...]) -> pl.DataFrame:
    """au, threshold, f1, precision, recall: the score of each run, mean over seeds, then over folds."""
    by_fold: dict[str, list[Whole]] = {}
    for fold, counts in runs:
        by_fold.setdefault(fold, []).append(counts)
    columns = {}
    for name, metric in (("f1", f1), ("precision", precision), ("recall", recall)):
        columns[name] = fold_mean([metric(np.stack(seeds)) for seeds in by_fold.values()]).ravel()
    grid = {"au": np.repeat(aus, _THRESHOLDS.size), "threshold": np.tile(_THRESHOLDS, len(aus))}
    return pl.DataFrame(grid | columns).fill_nan(None)


def reliability_frame(bins: NDArray[np.float64], aus: tuple[int, ...]) -> pl.DataFrame:
    """au, bin, frames, mean_probability, share_active of the coded frames in each tenth of the probabilities."""
    return pl.DataFrame(list(_reliability_rows(bins, aus)), schema=_RELIABILITY, orient="row")


_RELIABILITY = {"au": pl.Int64, "bin": pl.String, "frames": pl.Int64}
_RELIABILITY |= {"mean_probability": pl.Float64, "share_active": pl.Float64}


def _reliability_rows(bins: NDArray[np.float64], aus: tuple[int, ...]) -> Iterator[tuple[object, ...]]:
    for au, rows in zip(aus, bins.tolist(), strict=True):
        for at, (frames, active, total) in enumerate(rows):
            # an empty bin has no mean
            shares = (total / frames, active / frames) if frames else (None, None)
            yield au, f"{at / _BINS:.1f} to {(at + 1) / _BINS:.1f}", int(frames), *shares


def calibration_error(reliability_frame: pl.DataFrame) -> dict[int, float]:
    """By AU: expected calibration error, the mean gap between probability and share of active frames over the bins."""
    gap = (pl.col("mean_probability") - pl.col("share_active")).abs() * pl.col("frames")
    errors = reliability_frame.group_by("au", maintain_order=True).agg(error=gap.sum() / pl.col("frames").sum())
    return dict(errors.iter_rows())


def cooccurrence_frame(pairs: Whole, aus: tuple[int, ...]) -> pl.DataFrame:
    """given, au, labelled, predicted: share of the frames with AU `given` that also have `au`; both must be coded."""
    rows = []
    for at, given in enumerate(aus):
        for other, au in enumerate(aus):
            on, both, said, both_said = pairs[at, other].tolist()
            rows.append((given, au, both / on if on else None, both_said / said if said else None))
    schema = {"given": pl.Int64, "au": pl.Int64, "labelled": pl.Float64, "predicted": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
