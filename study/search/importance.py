"""How much each searched setting matters to the objective."""

from typing import Any

import optuna
import polars as pl
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

MIN_TRIALS = 4


def ped_anova(trials: pl.DataFrame) -> pl.DataFrame:
    """Importance of each searched setting by PED-ANOVA (Watanabe et al., IJCAI 2023), largest first.

    `trials` as in `StudyStore.trials()`; only finished ones count. Empty with fewer than 4 of them, and when all have
    the same value. Settings of a single method are compared with each other over the trials of that method: the
    importances of such a group sum to 1.
    """
    done = trials.filter((pl.col("status") == "DONE") & (pl.col("stage") == "sweep"))
    groups: dict[tuple[bool, ...], list[str]] = {}
    for name in done.columns:
        if name.startswith("param/"):
            # settings with the same missing trials belong to the same method
            groups.setdefault(tuple(done[name].is_null()), []).append(name)
    rows = [row for names in groups.values() for row in _shares(done.drop_nulls(names), names)]
    schema = {"parameter": pl.String, "importance": pl.Float64}
    return pl.DataFrame(rows, schema=schema).sort("importance", "parameter", descending=[True, False])


def _shares(done: pl.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """Importances of settings that every trial in `done` has."""
    # PED-ANOVA cannot rate a setting with one value
    names = [name for name in names if done[name].n_unique() > 1]
    if done.height < MIN_TRIALS or not names or done["value"].n_unique() == 1:
        return []
    distributions = {name: _distribution(done[name]) for name in names}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for row in done.iter_rows(named=True):
        params = {name: row[name] for name in names}
        study.add_trial(create_trial(value=row["value"], params=params, distributions=distributions))
    shares = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    return [{"parameter": name.removeprefix("param/"), "importance": share} for name, share in shares.items()]


def _distribution(values: pl.Series) -> BaseDistribution:
    """The observed range; on a log scale when it is wide."""
    if not values.dtype.is_numeric():
        return CategoricalDistribution(values.unique().sort().to_list())
    low, high = values.to_list()[values.arg_min() or 0], values.to_list()[values.arg_max() or 0]
    if values.dtype.is_integer():
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=low > 0 and high / low > 30)
