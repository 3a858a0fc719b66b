"""The frames behind the figures, so that a figure only draws and a test looks at numbers."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from reports import text
from reports.tables import PARAM, parameters

LOG_SPAN = 20.0  # without a declared scale: positive values that span this factor are shown on a log axis


def history(sweep: pl.DataFrame) -> pl.DataFrame:
    """One row a sweep trial: its objective, and the best of the finished ones so far."""
    finished = pl.when(pl.col("status") == "DONE").then("value")
    return sweep.select(
        "trial",
        "key",
        "status",
        "value",
        best_so_far=finished.cum_max().forward_fill(),
        epochs="epochs",
        seconds="seconds",
    )


def trial_parameters(sweep: pl.DataFrame) -> pl.DataFrame:
    """One row a finished sweep trial: trial, key, objective `value`, then its `param/` columns."""
    done = pl.col("status") == "DONE", pl.col("value").is_not_null()
    return sweep.filter(*done).select("trial", "key", "value", pl.col(f"^{PARAM}.*$"))


def curves(epochs: pl.DataFrame, trials: pl.DataFrame, best: str | None) -> pl.DataFrame:
    """One row a trial and epoch: validation objective and loss, whether the trial is `best`."""
    if epochs.is_empty():
        return pl.DataFrame()
    joined = epochs.join(trials.select("key", "trial", "status"), on="key", how="inner")
    joined = joined.filter(pl.col("value").is_not_null() & pl.col("value").is_finite())
    return joined.select(
        "trial", "key", "status", "epoch", "value", "loss", best=pl.col("key").eq_missing(pl.lit(best))
    ).sort("trial", "epoch")


def coordinates(values: pl.DataFrame, space: Mapping[str, Any]) -> pl.DataFrame:
    """One row a trial and parameter: `position` 0..1 on its axis, `shown` as text, `log` scale or not.

    `values` comes from `trial_parameters`; parameters with one value tell nothing and are left out.
    """
    parts = []
    for name in parameters(values):
        known = values.select("trial", "key", score="value", raw=PARAM + name).drop_nulls("raw")
        if known["raw"].n_unique() > 1:
            parts.append(_axis(name, known, space))
    return pl.concat(parts) if parts else pl.DataFrame()


def _axis(name: str, known: pl.DataFrame, space: Mapping[str, Any]) -> pl.DataFrame:
    raw = known["raw"]
    log = raw.dtype.is_numeric() and is_log(raw, _leaf(space, name))
    if not raw.dtype.is_numeric():
        choices = raw.unique().sort().to_list()
        scale = raw.replace_strict(choices, list(range(len(choices))), return_dtype=pl.Float64)
    else:
        scale = raw.cast(pl.Float64).log10() if log else raw.cast(pl.Float64)
    low, high = scale.min(), scale.max()
    assert isinstance(low, float)
    assert isinstance(high, float)
    return known.select(
        "trial",
        "key",
        "score",
        parameter=pl.lit(name),
        position=((scale - low) / (high - low)).round(9),  # so that both ends are 0 and 1 exactly
        shown=pl.Series([text.rounded(value) for value in raw], dtype=pl.String),
        log=pl.lit(log),
        category=pl.lit(not raw.dtype.is_numeric()),
    )


def _leaf(space: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What the nested `space` says of the dotted `name`; a part of a simplex has the leaf of its simplex."""
    place: Any = space
    for step in name.split("."):
        if not isinstance(place, Mapping) or "simplex" in place:
            break
        place = place.get(step)
    return place if isinstance(place, Mapping) else {}


def is_log(values: pl.Series, leaf: Mapping[str, Any]) -> bool:
    """Whether the space draws on a log scale; where it does not say, whether the values span `LOG_SPAN`."""
    low, high = float(values.min() or 0), float(values.max() or 0)  # type: ignore[arg-type]
    if low <= 0:
        return False
    if leaf.keys() & {"uniform", "log_uniform", "int", "simplex"}:
        return "log_uniform" in leaf
    return high / low >= LOG_SPAN


def ratios(values: pl.DataFrame) -> pl.DataFrame:
    """Pair-sampling ratios, one row a trial: three parts that sum to 1; empty unless there are just three."""
    names = [name for name in values.columns if ".ratios." in name]
    if len(names) != 3 or len({name.rpartition(".")[0] for name in names}) != 1:
        return pl.DataFrame()
    return values.select("trial", "key", "value", *names).drop_nulls()
