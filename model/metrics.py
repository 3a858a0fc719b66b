"""Metrics as whole numbers: confusion counts by subject and AU, and histograms of the probabilities.

Every score that is printed (F1, AUC, any mean of them) is computed from these integers, so that folds, seeds and
subjects can be put together afterwards in any of the ways the literature does.

Zero division. A metric is undefined, NaN here and null in tables, where the frames leave it open: F1, lift,
always-positive F1, precision and recall where no frame is active (an AU that does not occur cannot be found, and its
F1 would be 0 for any detector), precision also where none is predicted active, balanced accuracy, MCC and AUC where all
labels are the same, accuracy where no frame is coded. Whether F1, lift and always-positive F1 are defined depends on
the labels alone, so their means are over the same AUs for every detector. Undefined values are left out of means and
counted, never taken as 0 or 1. A detector that gives every frame the same answer has MCC 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.settings import OBJECTIVES

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
    counts = count_predictions(probabilities, labels, person, np.full(len(aus), threshold))
    histograms = [_histogram(probabilities[:, at], labels[:, at]) for at in range(len(aus))]
    return Score(tuple(names.tolist()), aus, counts, np.array(histograms).reshape(len(aus), 2, BINS))


def count_predictions(
    probabilities: np.ndarray, labels: np.ndarray, person: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Counts [S, A, 4] of predictions [n, A] at `thresholds` [A]; `person` [n] numbers the subjects from 0 to S - 1."""
    subjects = int(person.max()) + 1 if len(person) else 0
    counts = np.zeros((subjects, len(thresholds), 4), dtype=np.int64)
    for at, threshold in enumerate(thresholds):  # one AU at a time limits the memory
        coded = np.flatnonzero(labels[:, at] >= 0)
        predicted, active = probabilities[coded, at] >= threshold, labels[coded, at] == 1
        cell = np.where(active, np.where(predicted, TP, FN), np.where(predicted, FP, TN))
        # subject and cell as one number: one bincount counts all subjects at once
        counts[:, at] = np.bincount(4 * person[coded] + cell, minlength=4 * subjects).reshape(subjects, 4)
    return counts


def _histogram(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[2, BINS] of one AU."""
    coded = labels >= 0
    bins = np.clip((probabilities[coded] * BINS).astype(np.int64), 0, BINS - 1)  # probability 1 is in the last bin
    return np.bincount(BINS * (labels[coded] == 1) + bins, minlength=2 * BINS).reshape(2, BINS)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above / below`, NaN where `below` is 0."""
    undefined = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=undefined, where=below != 0)
    return undefined


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 of counts [..., 4] -> [...]."""
    tp, fp, fn = counts[..., TP], counts[..., FP], counts[..., FN]
    return _where_active(counts, ratio(2 * tp, 2 * tp + fp + fn))


def precision(counts: np.ndarray) -> np.ndarray:
    """Precision [...] of counts [..., 4]."""
    return _where_active(counts, ratio(counts[..., TP], counts[..., TP] + counts[..., FP]))


def _where_active(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` [...], NaN where no frame of counts [..., 4] is active."""
    return np.where(counts[..., TP] + counts[..., FN] > 0, values, np.nan)


def recall(counts: np.ndarray) -> np.ndarray:
    """Recall [...] of counts [..., 4]."""
    return ratio(counts[..., TP], counts[..., TP] + counts[..., FN])


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Accuracy [...] of counts [..., 4]."""
    return ratio(counts[..., TP] + counts[..., TN], counts.sum(axis=-1))


def balanced_accuracy(counts: np.ndarray) -> np.ndarray:
    """Mean of recall and specificity [...] of counts [..., 4]."""
    return np.asarray((recall(counts) + ratio(counts[..., TN], counts[..., TN] + counts[..., FP])) / 2)


def mcc(counts: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient [...] of counts [..., 4]."""
    tp, fp, fn, tn = (counts[..., cell].astype(float) for cell in (TP, FP, FN, TN))
    predicted, rejected, active, inactive = tp + fp, tn + fn, tp + fn, tn + fp
    # two roots: a product of two counts is exact as a float, that of all four would be rounded
    scale = np.sqrt(predicted * rejected) * np.sqrt(active * inactive)
    value = (tp * tn - fp * fn) / np.where(scale > 0, scale, 1)
    return np.where(active * inactive > 0, value, np.nan)


def always_positive_f1(counts: np.ndarray) -> np.ndarray:
    """F1 [...] of predicting every coded frame active: the baseline that any detector must beat."""
    active = counts[..., TP] + counts[..., FN]
    return _where_active(counts, ratio(2 * active, active + counts.sum(axis=-1)))


def active_share(counts: np.ndarray) -> np.ndarray:
    """Share [...] of active among the coded frames of counts [..., 4]."""
    return ratio(counts[..., TP] + counts[..., FN], counts.sum(axis=-1))


def rarest_third(counts: np.ndarray) -> np.ndarray:
    """Positions, ascending, of the AUs of counts [A, 4] that are active least often: a third, but at least one."""
    shares = active_share(counts)
    # stable: of equally rare AUs the first counts as rarer, on every machine
    return np.sort(np.argsort(shares, kind="stable")[: max(len(shares) // 3, 1)])


def lift(counts: np.ndarray) -> np.ndarray:
    """F1 [...] minus the F1 of predicting every coded frame active."""
    return np.asarray(f1(counts) - always_positive_f1(counts))


def auc(histogram: np.ndarray) -> np.ndarray:
    """Area under the ROC curve [A] from a histogram [A, 2, BINS], ties within a bin counted half."""
    inactive, active = histogram[:, 0].astype(float), histogram[:, 1].astype(float)
    # Mann-Whitney: the share of (active, inactive) pairs in which the active frame has the higher probability
    below = np.cumsum(inactive, axis=1) - inactive
    won = (active * (below + inactive / 2)).sum(axis=1)
    return ratio(won, active.sum(axis=1) * inactive.sum(axis=1))


def mean_defined(values: np.ndarray) -> float:
    """Mean over the AUs for which the metric is defined; 0 when it is defined for none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else 0.0


def objective_value(score: Score, objective: str) -> float:
    """The number a search maximises: mean over AUs of the pooled F1, or of the AUC."""
    assert objective in OBJECTIVES
    per_au = f1(score.counts.sum(axis=0)) if objective == "f1" else auc(score.histogram)
    return mean_defined(per_au)
