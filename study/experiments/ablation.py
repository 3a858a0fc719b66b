"""Ablation studies: the trials of each variant of a method, and one row of scores for each.

All variants are scored on the same test subjects, and each bootstrap replicate draws the same subjects for all, so the
intervals of differences are from paired replicates. They also cover the chance of training, so a gain has an interval
and a p-value only with two seeds or more. Holm's correction is over all gains of the table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from model.metrics import active_share, rarest_third
from study.records.config import TrialConfig
from study.records.result import TrialResult
from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS, label_noise, level_of, scores_frame
from study.scoring.evaluation import Evaluation, evaluation_of_scores
from study.scoring.sampled import ScoreRow, difference_row, mean_row, sampled_rows, with_holm
from study.search.best_trial import final_trials

Condition = tuple[str, float]  # name of a variant, and the share of flipped training labels
_COLUMNS = {"f1": ("f1", False), "rare": ("rare_f1", False), "f1_gain": ("f1", True), "rare_gain": ("rare_f1", True)}
_SUFFIXES = dict(zip((*INTERVAL_ENDS, "p_holm"), ("", "_low", "_high", "_p_holm"), strict=True))


def noisy_trials(config: TrialConfig, noise: float, fold_names: list[str], seeds: int) -> list[TrialConfig]:
    """The variant `config` with a share `noise` of flipped labels, on every fold with every seed."""
    return final_trials(replace(config, data=replace(config.data, label_noise=noise)), fold_names, seeds)


def ablation_table(done: Mapping[Condition, Sequence[TrialResult]], against: Mapping[str, str]) -> pl.DataFrame:
    """Scores of each condition from its finished trials, and its gain over the variant that `against` names.

    There is no gain over the variant itself, and none over a variant without finished trials.
    """
    found = {
        cell: evaluation_of_scores((r.config.data.fold, r.config.seed, r.scores["test"]) for r in results)
        for cell, results in done.items()
    }
    # the same AUs for all conditions, because all score the same test frames
    rare = rare_aus(next(iter(found.values())))
    rows: list[ScoreRow] = []
    for cell, results in done.items():
        other = against[cell[0]], cell[1]
        rows += _rows(cell, found[cell], rare, results)
        # compared at the same share of label noise
        if other != cell and other in found:
            rows += _gains(cell, other[0], (found[cell], found[other]), rare)
    return scores_frame(with_holm(rows))


def rare_aus(evaluation: Evaluation) -> tuple[int, ...]:
    """The third of the AUs with the lowest base rates on the scored frames."""
    return tuple(evaluation.aus[at] for at in rarest_third(_frames(evaluation)))


def baseline_rows(evaluation: Evaluation, rare: Sequence[int], names: ScoreRow) -> Iterator[ScoreRow]:
    """The rows of a `Baseline`."""
    always, of = evaluation.number("always_positive"), names | {"aggregate": "folds"}
    yield mean_row(always, of | {"metric": "always_positive"})
    yield mean_row(always.on(rare), of | {"metric": "rare_always_positive"})
    for au, rate in zip(evaluation.aus, active_share(_frames(evaluation)).tolist(), strict=True):
        if au in rare:
            yield names | {"metric": "base_rate", "aggregate": "pooled", "au": au, "value": rate}


@dataclass(frozen=True)
class Baseline:
    """Chance level of all variants: F1 of always-positive over all AUs and over the rare ones, and their base rates."""

    always_positive: float | None
    rare_always_positive: float | None
    base_rates: dict[int, float]


def baseline_in(scores: pl.DataFrame) -> Baseline | None:
    """The baseline in the scores of an ablation study; None in files of a former revision, which have none."""
    always, rare, rates = (
        scores.filter(metric=metric) for metric in ("always_positive", "rare_always_positive", "base_rate")
    )
    if rates.is_empty():
        return None
    by_au = dict(rates.unique("au", keep="first", maintain_order=True).select("au", "value").iter_rows())
    return Baseline(always["value"][0], rare["value"][0], by_au)


def _frames(evaluation: Evaluation) -> np.ndarray:
    """Counts [A, 4] of the first seed; every seed scores the same frames."""
    return np.asarray(evaluation.groups[0][0].counts[FIXED_THRESHOLD].sum(axis=0))


def _names(cell: Condition) -> ScoreRow:
    return {"method": cell[0], "condition": label_noise(cell[1]), "rule": FIXED_THRESHOLD, "aggregate": "folds"}


def _rows(
    cell: Condition, evaluation: Evaluation, rare: Sequence[int], results: Sequence[TrialResult]
) -> Iterator[ScoreRow]:
    dataset, f1 = results[0].config.data.dataset, evaluation.number("f1")
    names = _names(cell) | {"source": dataset, "target": dataset}
    yield from sampled_rows(f1, names | {"metric": "f1"})
    yield mean_row(f1.on(rare), names | {"metric": "rare_f1"})
    yield from baseline_rows(evaluation, rare, names)
    costs = {"trials": len(results), "seconds": float(np.mean([result.seconds for result in results]))}
    yield from (names | {"metric": metric, "rule": None, "value": value} for metric, value in costs.items())


def _gains(
    cell: Condition, against: str, pair: tuple[Evaluation, Evaluation], rare: Sequence[int]
) -> Iterator[ScoreRow]:
    ours, theirs = (one.number("f1") for one in pair)
    names = _names(cell) | {"against": against}
    yield difference_row(ours, theirs, names | {"metric": "f1"})
    yield difference_row(ours.on(rare), theirs.on(rare), names | {"metric": "rare_f1"})


def comparison_frame(scores: pl.DataFrame) -> pl.DataFrame:
    """The table of comparison.csv, one row for each condition; scores are fractions, null is undefined."""
    cells = scores.group_by("method", "condition", maintain_order=True)
    rows = [_wide(str(variant), str(condition), part) for (variant, condition), part in cells]
    return pl.DataFrame(rows, infer_schema_length=None)


def _wide(variant: str, condition: str, part: pl.DataFrame) -> dict[str, object]:
    found = {(row["metric"], row["au"], row["against"] is not None): row for row in part.iter_rows(named=True)}
    gain = found.get(("f1", None, True), {})
    wide: dict[str, object] = {"variant": variant, "label_noise": level_of(condition)[1] / 100}
    for name, (metric, is_gain) in _COLUMNS.items():
        row = found.get((metric, None, is_gain), {})
        wide |= {"against": gain.get("against", "")} if name == "f1_gain" else {}
        wide |= {f"{name}{suffix}": row.get(end) for end, suffix in _SUFFIXES.items() if is_gain or end != "p_holm"}
    wide |= {f"f1_au_{au}": row["value"] for (metric, au, _), row in found.items() if metric == "f1" and au is not None}
    return wide | {
        "seeds": found["f1", None, False]["n_seeds"],
        "trials": int(found["trials", None, False]["value"]),
        "seconds": found["seconds", None, False]["value"],
    }
