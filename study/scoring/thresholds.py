"""Threshold rules: from which probability on an AU counts as active."""

from collections.abc import Sequence

import numpy as np

from model.metrics import ratio
from study.records.predictions import Predictions
from study.scoring.base_rates import matched_thresholds
from study.scoring.bootstrap import Floats

DEFAULT = 0.5


def rule_thresholds(
    found: Predictions,
    val: Predictions | None = None,
    rates: Sequence[float] | None = None,
    oracle: bool = False,
) -> dict[str, Floats]:
    """Thresholds [A] for the frames `found`, for each rule of `study.records.score_table.RULES` that is possible.

    `validation` needs validation frames `val` of the same detector, `base_rate` needs the assumed `rates` [A]. Only
    `oracle` uses the labels of `found`.
    """
    rules = {"0.5": fixed_thresholds(found.aus)}
    if val is not None:
        rules["validation"] = tuned_thresholds(val.on(found.aus))
    if rates is not None:
        rules["base_rate"] = matched_thresholds(found, rates)
    if oracle:
        rules["oracle"] = tuned_thresholds(found)
    return rules


def fixed_thresholds(aus: tuple[int, ...]) -> Floats:
    """0.5 for every AU."""
    return np.full(len(aus), DEFAULT)


def tuned_thresholds(predictions: Predictions) -> Floats:
    """Thresholds [A] with the highest F1 on these frames, AU by AU; see `best_threshold`."""
    probabilities, labels = predictions.probabilities, predictions.labels
    return np.array([best_threshold(probabilities[:, at], labels[:, at]) for at in range(len(predictions.aus))])


def best_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the highest F1 of one AU, among 0.5 and all predicted probabilities.

    Of equal ones the one nearest to 0.5, of two equally near the lower; 0.5 if no frame is active. Frames [n] with the
    label -1 do not count.
    """
    coded = labels >= 0
    values, at = np.unique(probabilities[coded], return_inverse=True)
    active = np.bincount(at, weights=labels[coded] == 1, minlength=len(values))
    # F1 is 0 at every threshold
    if not active.sum():
        return DEFAULT
    tp, predicted = (np.cumsum(frames[::-1])[::-1] for frames in (active, np.bincount(at, minlength=len(values))))
    scores = ratio(2 * tp, predicted + active.sum())
    at_default = np.searchsorted(values, DEFAULT)  # the first value that is positive at 0.5
    candidates = np.append(values.astype(float), DEFAULT)
    scores = np.append(scores, scores[at_default] if at_default < len(values) else 0.0)
    best = candidates[scores == scores.max()]
    return float(best[np.lexsort((best, np.abs(best - DEFAULT)))[0]])
