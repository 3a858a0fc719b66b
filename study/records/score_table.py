"""The one schema of score tables: every number that is shown, in a row that says what it is of."""

from collections.abc import Mapping, Sequence

import polars as pl

from data.errors import raise_all

# How the configuration of a fold was chosen; "bias" rows are oracle minus nested, in paired replicates.
SELECTIONS = ("nested", "shared", "oracle")
BIAS = "bias"
# How a candidate of a study on several datasets was chosen; see `study.experiments.domain_generalization`.
CANDIDATE_SELECTIONS = ("pooled", "leave_one_source_out", "oracle", "none", "own")
# Where a probability becomes a detection; metrics that read no threshold (auc, always_positive) stand under "0.5".
FIXED_THRESHOLD = "0.5"
RULES = (FIXED_THRESHOLD, "validation", "base_rate", "oracle")
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
# What single kinds of study have beside: the rarest third of the AUs, the share of active frames, what is left of the
# score of a target's own detectors, what a configuration loses on another dataset, trials, and seconds of one.
FURTHER_METRICS = (
    "rare_f1",
    "rare_always_positive",
    "base_rate",
    "retention_f1",
    "retention_auc",
    "regret",
    "trials",
    "seconds",
)
# folds: in every fold by itself, then the mean, as the field does; pooled: of all folds' frames together.
AGGREGATES = ("folds", "pooled")

# A word is null where it does not apply. `condition` is what else tells rows apart, in the words of the study's kind:
# a disturbance and its level, a set of AUs, a chosen candidate. `au` is null for the mean over `aus`. `low` and `high`
# are the ends of the 95 % interval of the subject bootstrap, `seed_sd` the standard deviation over seeds of the number
# that one seed gives. Where `against` names something, the row is the difference to it, in paired replicates, with its
# p-value, and that after Holm's correction. All but trials and seconds are fractions; null is undefined.
SCORES: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("method", "source", "target", "condition"), pl.String),
    **dict.fromkeys(("selection", "rule", "metric", "aggregate"), pl.String),
    "au": pl.Int64,
    "aus": pl.String,
    **dict.fromkeys(("value", "low", "high", "seed_sd"), pl.Float64),
    **dict.fromkeys(("n_people", "n_seeds"), pl.Int64),
    "against": pl.String,
    **dict.fromkeys(("p", "p_holm"), pl.Float64),
}
INTERVAL_ENDS = ("value", "low", "high")
_ALLOWED = {
    "selection": (*SELECTIONS, BIAS, *CANDIDATE_SELECTIONS),
    "rule": RULES,
    "metric": (*METRICS, *FURTHER_METRICS),
    "aggregate": AGGREGATES,
}


def scores_frame(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """A score table of `rows`; NaN becomes null, and what breaks the schema is an `InputError`."""
    frame = pl.DataFrame(list(rows), schema=SCORES).with_columns(pl.selectors.float().fill_nan(None))
    check_scores(frame)
    return frame


def with_level(kind: str, level: float) -> str:
    """The `condition` of a disturbance at a level, e.g. "blur=4"."""
    return f"{kind}={level:.12g}"


def level_of(condition: str) -> tuple[str, float]:
    """The disturbance and the level of such a condition."""
    kind, _, level = condition.rpartition("=")
    return kind, float(level)


def label_noise(share: float) -> str:
    """The `condition` of training labels of which a share is flipped; in percent, as levels are."""
    return with_level("label_noise", 100 * share)


def check_scores(frame: pl.DataFrame) -> None:
    """Raise one `InputError` with everything in `frame` that is not of the schema."""
    if dict(frame.schema) != SCORES:
        raise_all("the score table is not valid:", [f"columns {dict(frame.schema)}, expected {SCORES}"])
    raise_all(
        "the score table is not valid:",
        [
            f"{column}={value!r}; allowed: {', '.join(dict.fromkeys(values))}"
            for column, values in _ALLOWED.items()
            for value in frame[column].drop_nulls().unique().sort().to_list()
            if value not in values
        ],
    )
