"""Hyper-parameter transfer: the score of the best configuration of one search on other datasets.

Every configuration is trained again on the target, also the target's own best one, because the best of many trials was
in part lucky. Regret is the test F1 of the target's own configuration minus that of the other, on the same subjects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from data.errors import InputError
from study.records.config import TrialConfig
from study.records.result import TrialResult
from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS, scores_frame
from study.records.store import StudyStore
from study.scoring.evaluation import evaluation_of_scores
from study.scoring.sampled import ScoreRow, difference_row, mean_row

_ENDS = {"f1": ("f1", "low", "high"), "regret": ("regret", "regret_low", "regret_high")}


def configuration_on(chosen: TrialConfig, target: TrialConfig) -> TrialConfig:
    """The settings of `chosen` with the frames, epochs and objective of the study of `target`."""
    return replace(
        chosen,
        data=target.data,
        # size and weights belong to the target's frames, not to the searched settings
        views=replace(chosen.views, crop=target.views.crop),
        backbone=replace(chosen.backbone, weights=target.backbone.weights),
        optim=replace(chosen.optim, epochs=target.optim.epochs, objective=target.optim.objective),
        pretrain=replace(chosen.pretrain, stores=target.pretrain.stores),
    )


def regret_table(target: str, results: Mapping[str, Sequence[TrialResult]]) -> pl.DataFrame:
    """F1 and regret of the configuration of each source, from its final trials on one target.

    Sources and targets are named after their studies; the target is one of the sources.
    """
    f1 = {
        source: evaluation_of_scores((r.config.data.fold, r.config.seed, r.scores["test"]) for r in found).number("f1")
        for source, found in results.items()
    }
    rows: list[ScoreRow] = []
    for source, found in results.items():
        names = {"method": found[0].config.method_name, "source": source, "target": target}
        names |= {"rule": FIXED_THRESHOLD, "aggregate": "folds"}
        rows.append(mean_row(f1[source], names | {"metric": "f1"}))
        regret = difference_row(f1[target], f1[source], names | {"metric": "regret", "against": target})
        # a configuration against itself: exactly 0, no test
        none = dict.fromkeys(INTERVAL_ENDS, 0.0) | {"p": None}
        rows.append(regret | (none if source == target else {}))
    return scores_frame(rows)


def regret_matrix(scores: pl.DataFrame) -> pl.DataFrame:
    """One row for each source and target: f1, low, high, regret, regret_low, regret_high."""
    parts = [
        scores.filter(metric=metric).select(
            "source", "target", **dict(zip(names, map(pl.col, INTERVAL_ENDS), strict=True))
        )
        for metric, names in _ENDS.items()
    ]
    return parts[0].join(parts[1], on=["source", "target"], how="left", maintain_order="left")


@dataclass(frozen=True)
class Saved:
    """How many trials two searches of the same study need for a score that both reach, fold by fold."""

    score: float  # the best score of the weaker search, mean over folds
    cold: int  # trials up to this score, summed over folds
    warm: int


def trials_saved(cold: StudyStore, warm: StudyStore) -> Saved:
    """Compare a search without start points with one that started from the best trials of another study."""
    ours, theirs = _values(warm), _values(cold)
    shared = [fold for fold in ours if fold in theirs]
    if not shared:
        raise InputError(f"{cold.root} and {warm.root} share no fold with finished trials: run launch/sweep.py")
    scores = {fold: min(_best(ours[fold]), _best(theirs[fold])) for fold in shared}
    reached = [sum(_reached(values[fold], scores[fold]) for fold in shared) for values in (theirs, ours)]
    return Saved(sum(scores.values()) / len(shared), *reached)


def _values(store: StudyStore) -> dict[str, list[float | None]]:
    """Values of the trials of each fold in the order of their start; None for a trial that was not finished."""
    found: dict[str, list[float | None]] = {}
    for one in store.outcomes("sweep"):
        found.setdefault(one.fold, []).append(one.value if one.status == "DONE" else None)
    return {fold: values for fold, values in found.items() if any(value is not None for value in values)}


def _best(values: Sequence[float | None]) -> float:
    return max(value for value in values if value is not None)


def _reached(values: Sequence[float | None], score: float) -> int:
    return next(number for number, value in enumerate(values, start=1) if value is not None and value >= score)
