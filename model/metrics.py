"""Metrics as whole numbers: confusion counts by subject and AU, and histograms of the probabilities.

Every score that is printed (F1, AUC, any mean of them) is computed from these integers, so that folds, seeds and
subjects can be put together afterwards in any of the ways the literature does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 200
TP, FP, FN, TN = range(4)


@dataclass(frozen=True)
class Score:
    """Whole numbers of one detector on one set of frames; frames whose AU is not coded are in none of them."""

    subjects: tuple[str, ...]
    aus: tuple[int, ...]
    counts: np.ndarray  # [S, A, 4] int64: tp, fp, fn, tn
    histogram: np.ndarray  # [A, 2, BINS] int64: inactive and active labels by predicted probability


def score_predictions(
    probabilities: np.ndarray,
    labels: np.ndarray,
    subjects: Sequence[str] | np.ndarray,
    aus: tuple[int, ...],
    threshold: float = 0.5,
) -> Score:
    """Count predictions [n, A] against labels [n, A] (1, 0, -1 not coded), frame by frame from `subjects` [n].

    A probability equal to the threshold is a positive prediction. Raises `ValueError` for NaN probabilities.
    """
    if np.isnan(probabilities).any():
        raise ValueError(f"{int(np.isnan(probabilities).any(axis=1).sum())} frames have a NaN probability")
    names, person = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    predicted, active = probabilities >= threshold, labels == 1
    cell = np.where(active, np.where(predicted, TP, FN), np.where(predicted, FP, TN))
    coded = labels >= 0
    frame, au = np.nonzero(coded)
    counts = np.zeros((len(names), len(aus), 4), dtype=np.int64)
    np.add.at(counts, (person[frame], au, cell[coded]), 1)
    histogram = np.zeros((len(aus), 2, BINS), dtype=np.int64)
    bins = np.clip((probabilities * BINS).astype(np.int64), 0, BINS - 1)
    np.add.at(histogram, (au, active[coded].astype(np.int64), bins[coded]), 1)
    return Score(tuple(names.tolist()), aus, counts, histogram)


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 of counts [..., 4] -> [...]; NaN where nothing is active and nothing is predicted (undefined)."""
    tp, fp, fn = counts[..., TP], counts[..., FP], counts[..., FN]
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * tp / (2 * tp + fp + fn))


def always_positive_f1(counts: np.ndarray) -> np.ndarray:
    """F1 [...] of calling every coded frame active: the baseline that any detector must beat."""
    active = counts[..., TP] + counts[..., FN]
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * active / (active + counts.sum(axis=-1)))


def auc(histogram: np.ndarray) -> np.ndarray:
    """Area under the ROC curve [A] from a histogram [A, 2, BINS], ties within a bin counted half; NaN for one class."""
    inactive, active = histogram[:, 0].astype(float), histogram[:, 1].astype(float)
    below = np.cumsum(inactive, axis=1) - inactive
    won = (active * (below + inactive / 2)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(won / (active.sum(axis=1) * inactive.sum(axis=1)))


def mean_defined(values: np.ndarray) -> float:
    """Mean over the AUs for which the metric is defined; 0 when it is defined for none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else 0.0


OBJECTIVES = ("f1", "auc")


def objective_value(score: Score, objective: str) -> float:
    """The number a search maximises: mean over AUs of the pooled F1, or of the AUC."""
    assert objective in OBJECTIVES
    per_au = f1(score.counts.sum(axis=0)) if objective == "f1" else auc(score.histogram)
    return mean_defined(per_au)
