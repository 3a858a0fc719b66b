"""The frames of the figures of the search: a figure only draws, and tests check the frames."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from reports.frames import text
from reports.frames.tables import PARAM, parameters

LOG_SPAN = 20.0  # if the space declares no scale: positive values over this range (high / low) get a log axis


def history_frame(sweep: pl.DataFrame) -> pl.DataFrame:
    """One row for each sweep trial: its objective, and the best so far among the finished trials of its fold."""
    finished = pl.when(pl.col("status") == "DONE").then("value")
    return sweep.select(
        "trial",
        "key",
        "fold",
        "status",
        "value",
        best_so_far=finished.cum_max().forward_fill().over("fold"),
        epochs="epochs",
        seconds="seconds",
    )


def trial_parameters(sweep: pl.DataFrame) -> pl.DataFrame:
    """One row for each finished sweep trial: trial, key, fold, objective `value`, then its `param/` columns."""
    done = pl.col("status") == "DONE", pl.col("value").is_not_null()
    return sweep.filter(*done).select("trial", "key", "fold", "value", pl.col(f"^{PARAM}.*$"))


def curves_frame(epochs: pl.DataFrame, trials: pl.DataFrame, best: list[str]) -> pl.DataFrame:
    """One row for each trial and epoch: validation objective, loss, and whether the trial is among the `best` keys."""
    if epochs.is_empty():
        return pl.DataFrame()
    joined = epochs.join(trials.select("key", "trial", "fold", "status"), on="key", how="inner")
    # plotly cannot draw infinite values
    joined = joined.filter(pl.col("value").is_not_null() & pl.col("value").is_finite())
    return joined.select(
        "trial", "key", "fold", "status", "epoch", "value", "loss", best=pl.col("key").is_in(best)
    ).sort("trial", "epoch")


def thinned(frame: pl.DataFrame, most: int, keep: pl.Series | None = None, by: str = "trial") -> pl.DataFrame:
    """The rows of at most `most` trials: those with their number in `keep` first, then others, evenly spread."""
    numbers = frame[by].unique().sort()
    if numbers.len() <= most:
        return frame
    kept = (keep.head(most) if keep is not None else numbers.head(0)).to_list()
    others = numbers.filter(~numbers.is_in(kept))
    room = most - len(kept)
    # evenly spread over time, so that the shape of the search stays visible
    places = [at * others.len() // room for at in range(room)] if room else []
    return frame.filter(pl.col(by).is_in([*kept, *others[places].to_list()]))


def shaded(values: pl.DataFrame) -> pl.DataFrame:
    """`values` with `shade`, by which figures colour the trials: larger is better.

    Scores of different folds are of different people, so with several folds it is the rank within the fold, from 0 to
    1. With one fold it is the score itself.
    """
    if values.is_empty() or values["fold"].n_unique() == 1:
        return values.with_columns(shade=pl.col("score"))
    rank = pl.col("score").rank("dense").cast(pl.Float64) - 1
    return values.with_columns(shade=(rank / rank.max().clip(1)).over("fold"))


def coordinates(values: pl.DataFrame, space: Mapping[str, Any]) -> pl.DataFrame:
    """One row for each trial and parameter: `raw` number, `position` 0..1 on its axis, `shown` as text, `log` scale.

    `score` is the objective, and `shade` as in `shaded`.

    `values` comes from `trial_parameters`. Parameters with a single value are left out, and trials of another method
    that do not have the parameter. `raw` is null where the values are words.
    """
    parts = []
    for name in parameters(values):
        known = values.select("trial", "key", "fold", score="value", raw=PARAM + name).drop_nulls("raw")
        if known["raw"].n_unique() > 1:
            parts.append(_axis(name, known, space))
    return shaded(pl.concat(parts)) if parts else pl.DataFrame()


def _axis(name: str, known: pl.DataFrame, space: Mapping[str, Any]) -> pl.DataFrame:
    raw = known["raw"]
    number = raw.dtype.is_numeric()
    log = number and is_log(raw, _leaf(space, name))
    if not number:
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
        "fold",
        "score",
        parameter=pl.lit(name),
        raw=raw.cast(pl.Float64) if number else pl.lit(None, pl.Float64),
        position=((scale - low) / (high - low)).round(9),  # so that both ends are 0 and 1 exactly
        shown=pl.Series([text.rounded(value) for value in raw], dtype=pl.String),
        log=pl.lit(log),
        category=pl.lit(not number),
    )


def _leaf(space: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The entry of the nested `space` for the dotted `name`; for a part of a simplex, that of the simplex."""
    place: Any = space
    for step in name.split("."):
        if not isinstance(place, Mapping) or "simplex" in place:
            break
        place = place.get(step)
    return place if isinstance(place, Mapping) else {}


def is_log(values: pl.Series, leaf: Mapping[str, Any]) -> bool:
    """Whether the space draws on a log scale; if it declares no scale, whether the values span `LOG_SPAN`."""
    low, high = float(values.min() or 0), float(values.max() or 0)  # type: ignore[arg-type]
    if low <= 0:
        return False
    if leaf.keys() & {"uniform", "log_uniform", "int", "simplex"}:
        return "log_uniform" in leaf
    return high / low >= LOG_SPAN


def ratios(values: pl.DataFrame) -> pl.DataFrame:
    """Pair-sampling ratios, one row for each trial: three parts that sum to 1; empty for any other number of parts."""
    names = [name for name in values.columns if ".ratios." in name]
    # a triangle can show three shares only
    if len(names) != 3 or len({name.rpartition(".")[0] for name in names}) != 1:
        return pl.DataFrame()
    shares = values.select("trial", "key", "fold", pl.col("value").alias("score"), *names).drop_nulls()
    return shaded(shares).select("trial", "key", "fold", "score", "shade", *names)


def pairs_frame(axes: pl.DataFrame, importance: pl.DataFrame, most: int = 3) -> pl.DataFrame:
    """The first `most` numeric parameters, two by two: pair, x, y, x_log, y_log, score and shade of every trial.

    Those that matter beyond chance come first.
    """
    numeric = axes.filter(~pl.col("category"))["parameter"].unique(maintain_order=True).to_list()
    first = [name for name in ranking(importance) if name in numeric]
    chosen = [*first, *(name for name in numeric if name not in first)][:most]
    parts = [_pair(axes, first, second) for at, first in enumerate(chosen) for second in chosen[at + 1 :]]
    return pl.concat(parts) if parts else pl.DataFrame()


def _pair(axes: pl.DataFrame, first: str, second: str) -> pl.DataFrame:
    x, y = (axes.filter(pl.col("parameter") == name) for name in (first, second))
    joined = x.join(y.select("trial", y="raw", y_log="log"), on="trial")
    names = {"x_parameter": pl.lit(first), "y_parameter": pl.lit(second)}
    same = ("trial", "key", "fold", "score", "shade")
    return joined.select(*same, **names, x="raw", y="y", x_log="log", y_log="y_log")


def ranking(importance: pl.DataFrame) -> list[str]:
    """Parameters that matter beyond chance in some fold, the most important on average over the folds first."""
    means = importance.group_by("parameter").agg(pl.col("importance").mean(), pl.col("beyond").any())
    return means.filter("beyond").sort("importance", "parameter", descending=[True, False])["parameter"].to_list()


def pareto_frame(trials: pl.DataFrame, directions: Sequence[str]) -> pl.DataFrame:
    """`trials` (fold, x, y) with `front`: the Pareto front of each fold, of trials that no other trial dominates."""
    signs = [1 if direction == "maximize" else -1 for direction in directions[:2]]
    fronts: list[bool] = []
    for fold, x, y in trials.select("fold", "x", "y").iter_rows():
        gain_x, gain_y = ((pl.col(name) - value) * sign for name, value, sign in zip("xy", (x, y), signs, strict=True))
        beats = (gain_x >= 0) & (gain_y >= 0) & ((gain_x > 0) | (gain_y > 0)) & (pl.col("fold") == fold)
        fronts.append(not trials.select(beats.any()).item())
    return trials.with_columns(front=pl.Series(fronts, dtype=pl.Boolean))
