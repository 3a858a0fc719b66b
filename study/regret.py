"""Hyper-parameters on other datasets: what the best configuration of one search is worth where it was not searched.

Every configuration is trained anew on the target, its own best one, too: a search names the luckiest of many trials.
Regret is the test F1 of the target's own configuration less that of the other, on the same people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from data.errors import InputError
from study.compare import compare
from study.config import TrialConfig
from study.result import TrialResult
from study.store import StudyStore

REGRET: dict[str, type[pl.DataType]] = {
    "source": pl.String,
    "target": pl.String,
    **dict.fromkeys(("f1", "low", "high", "regret", "regret_low", "regret_high"), pl.Float64),
}


def configuration_on(chosen: TrialConfig, target: TrialConfig) -> TrialConfig:
    """The settings of `chosen` with the frames, the epochs and the objective of `target`'s study."""
    return replace(
        chosen,
        data=target.data,
        views=replace(chosen.views, crop=target.views.crop),
        backbone=replace(chosen.backbone, weights=target.backbone.weights),
        optim=replace(chosen.optim, epochs=target.optim.epochs, objective=target.optim.objective),
        pretrain=replace(chosen.pretrain, stores=target.pretrain.stores),
    )


def regrets(target: str, results: Mapping[str, Sequence[TrialResult]]) -> pl.DataFrame:
    """REGRET rows of one target from the final trials of each source's configuration, its own among them."""
    compared = compare({(source, 0.0): found for source, found in results.items()}, dict.fromkeys(results, target))
    rows = []
    for row in compared.rows:
        gain = row.f1_gain
        regret = (0.0, 0.0, 0.0) if gain is None else (-gain.value, -gain.high, -gain.low)
        rows.append((row.variant, target, row.f1.value, row.f1.low, row.f1.high, *regret))
    return pl.DataFrame(rows, schema=REGRET, orient="row").with_columns(pl.selectors.float().fill_nan(None))


@dataclass(frozen=True)
class Saved:
    """How soon two searches of the same thing reached the best score of the worse of them."""

    score: float
    cold: int  # trials until then, that one included
    warm: int


def trials_saved(cold: StudyStore, warm: StudyStore) -> Saved:
    """Compare a search that began from nothing with one that began from another study's best trials."""
    values = [_values(cold), _values(warm)]
    score = min(max(best for best in found if best is not None) for found in values)
    return Saved(score, *(_reached(found, score) for found in values))


def _values(store: StudyStore) -> list[float | None]:
    """The value of every trial of a search, None where it has none, in the order of their start."""
    found = [r.value if r.status == "DONE" else None for r in store.results() if r.stage == "sweep"]
    if not any(value is not None for value in found):
        raise InputError(f"no finished trial in {store.root}: run launch/sweep.py name={store.root.name}")
    return found


def _reached(values: Sequence[float | None], score: float) -> int:
    return next(number for number, value in enumerate(values, start=1) if value is not None and value >= score)
