"""Variants of methods side by side: the trials that takes, and one row of numbers for each.

All variants are scored on the same test subjects, and every bootstrap draws the same subjects: the interval of a
difference is that of paired replicates.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from model.metrics import Score, active_share, always_positive_f1, f1, rarest_third
from study.records.config import TrialConfig
from study.records.result import TrialResult
from study.scoring.bootstrap import Counts, Draws, Estimate, Floats, resample, subject_interval
from study.search.best_trial import final_trials

Cell = tuple[str, float]  # name of a variant, and the label noise it is trained with
Overall = tuple[float, Floats]  # mean over AUs, and its replicates [R]


@dataclass(frozen=True)
class AblationRow:
    """A variant at one label noise; F1 is the mean over AUs of the mean of folds, as on the page of a study."""

    variant: str
    label_noise: float
    f1: Estimate
    rare: Estimate  # over the rarest third of the AUs
    against: str  # what the gains are over; empty where that is itself, or not done
    f1_gain: Estimate | None
    rare_gain: Estimate | None
    by_au: dict[int, float]
    trials: int
    seconds: float  # of a trial, on average


@dataclass(frozen=True)
class Ablation:
    """All that is done, and the baseline on the same frames."""

    rows: list[AblationRow]
    base_rates: dict[int, float]  # of the rarest third of the AUs, on the test subjects
    always_positive: float
    always_positive_rare: float


def noisy_trials(config: TrialConfig, noise: float, fold_names: list[str], seeds: int) -> list[TrialConfig]:
    """The variant `config` trained with flipped labels, on every fold with every seed."""
    return final_trials(replace(config, data=replace(config.data, label_noise=noise)), fold_names, seeds)


def compare(done: Mapping[Cell, Sequence[TrialResult]], against: Mapping[str, str]) -> Ablation:
    """Put the finished trials of each cell, at least one cell, beside those of what its variant is held against."""
    cubes = {cell: _cubes(results) for cell, results in done.items()}
    first = next(iter(cubes.values()))
    frames = scored_frames(first)
    rare = rarest_third(frames)
    draws = {cell: resample(cube, numpy_generator("bootstrap", "test")) for cell, cube in cubes.items()}
    numbers = {cell: _overall(drawn.mean_of_folds(f1), rare) for cell, drawn in draws.items()}
    trivial = _overall(next(iter(draws.values())).mean_of_folds(always_positive_f1), rare)
    aus = next(iter(done.values()))[0].scores["test"].aus
    rows = []
    for cell, results in done.items():
        other = against[cell[0]], cell[1]
        reference = numbers.get(other) if other != cell else None
        by_au = dict(zip(aus, draws[cell].mean_of_folds(f1).point.tolist(), strict=True))
        rows.append(_row(cell, numbers[cell], other[0], reference, by_au, results))
    rates = {aus[at]: float(active_share(frames)[at]) for at in rare}
    return Ablation(rows, rates, trivial[0][0], trivial[1][0])


def scored_frames(cubes: Mapping[str, Counts]) -> Counts:
    """Counts [A, 4] of the first seed over all folds: every seed scores the same frames."""
    return np.asarray(np.sum([cube[0].sum(axis=0) for cube in cubes.values()], axis=0))


def comparison_frame(comparison: Ablation) -> pl.DataFrame:
    """All numbers, one row a variant and label noise; scores are fractions, null is undefined."""
    rows = []
    for row in comparison.rows:
        plain: dict[str, Any] = {}
        for name, value in dataclasses.asdict(row).items():
            if name == "by_au":
                plain |= {f"f1_au_{au}": score for au, score in value.items()}
            elif name in ("f1", "rare", "f1_gain", "rare_gain"):
                parts = value or dict.fromkeys(("value", "low", "high"))
                plain |= {name: parts["value"], f"{name}_low": parts["low"], f"{name}_high": parts["high"]}
            else:
                plain[name] = value
        rows.append(plain)
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.selectors.float().fill_nan(None))


def score_cubes(scores: Iterable[tuple[str, int, Score]]) -> dict[str, Counts]:
    """(fold, seed, score) of each detector -> counts [K, S, A, 4] of each fold, over its seeds."""
    folds: dict[str, list[Counts]] = {}
    for fold, _, score in sorted(scores, key=lambda one: one[:2]):
        folds.setdefault(fold, []).append(score.counts)
    return {fold: np.stack(counts) for fold, counts in folds.items()}


def _cubes(results: Sequence[TrialResult]) -> dict[str, Counts]:
    """Counts of the test part of each fold."""
    return score_cubes((r.config.data.fold, r.config.seed, r.scores["test"]) for r in results)


def _overall(draws: Draws, rare: np.ndarray) -> tuple[Overall, Overall]:
    """Over all AUs, and over the rare ones."""
    return draws.overall(), Draws(draws.point[rare], draws.replicates[:, rare]).overall()


def _row(
    cell: Cell,
    numbers: tuple[Overall, Overall],
    against: str,
    reference: tuple[Overall, Overall] | None,
    by_au: dict[int, float],
    results: Sequence[TrialResult],
) -> AblationRow:
    people = {result.config.data.fold: len(result.scores["test"].subjects) for result in results}

    def estimate(value: float, replicates: Floats, least: float) -> Estimate:
        low, high = subject_interval(value, replicates, sum(people.values()), len(people))
        return Estimate(value, float(np.clip(low, least, 1)), float(np.clip(high, least, 1)))

    values = [estimate(*number, least=0) for number in numbers]
    gains: list[Estimate | None] = [None, None]
    if reference is not None:
        pairs = zip(numbers, reference, strict=True)
        gains = [estimate(value - base, drawn - base_drawn, least=-1) for (value, drawn), (base, base_drawn) in pairs]
    return AblationRow(
        variant=cell[0],
        label_noise=cell[1],
        f1=values[0],
        rare=values[1],
        against=against if reference else "",
        f1_gain=gains[0],
        rare_gain=gains[1],
        by_au=by_au,
        trials=len(results),
        seconds=float(np.mean([result.seconds for result in results])),
    )
