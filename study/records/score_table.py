"""The one schema of score tables: a row a selection, threshold rule, metric, aggregate and AU."""

from collections.abc import Mapping, Sequence

import polars as pl

from data.errors import raise_all

# How the configuration of a fold was chosen; "bias" rows are oracle minus nested, in paired replicates.
SELECTIONS = ("nested", "shared", "oracle")
BIAS = "bias"
# Where a probability becomes a detection; metrics that read no threshold (auc, always_positive) stand under "0.5".
RULES = ("0.5", "validation", "base_rate", "oracle")
METRICS = (
    "f1",
    "auc",
    "balanced_accuracy",
    "mcc",
    "accuracy",
    "precision",
    "recall",
    "lift",
    "always_positive",
)
# folds: in every fold by itself, then the mean, as the field does; pooled: of all folds' frames together.
AGGREGATES = ("folds", "pooled")

# `low` and `high` are the ends of the 95 % interval of the subject bootstrap, `seed_sd` the standard deviation over
# seeds of the number that one seed gives. All are fractions; null is undefined. `au` is null for the mean over AUs.
SCORES: dict[str, type[pl.DataType]] = {
    "selection": pl.String,
    "rule": pl.String,
    "metric": pl.String,
    "aggregate": pl.String,
    "au": pl.Int64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "seed_sd": pl.Float64,
}


def scores_frame(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """A score table of `rows`; NaN becomes null, and what breaks the schema is an `InputError`."""
    frame = pl.DataFrame(list(rows), schema=SCORES).with_columns(pl.selectors.float().fill_nan(None))
    check_scores(frame)
    return frame


def check_scores(frame: pl.DataFrame) -> None:
    """Raise one `InputError` with everything in `frame` that is not of the schema."""
    if dict(frame.schema) != SCORES:
        raise_all("the score table is not valid:", [f"columns {dict(frame.schema)}, expected {SCORES}"])
    allowed = {"selection": (*SELECTIONS, BIAS), "rule": RULES, "metric": METRICS, "aggregate": AGGREGATES}
    raise_all(
        "the score table is not valid:",
        [
            f"{column}={value!r}; allowed: {', '.join(values)}"
            for column, values in allowed.items()
            for value in frame[column].unique().sort().to_list()
            if value not in values
        ],
    )
