"""The one schema of all score tables: one row for each number, with columns that say what it measures."""

from collections.abc import Mapping, Sequence

import polars as pl

from data.errors import raise_all

# How the configuration of a fold was chosen; "bias" rows are oracle minus nested, in paired replicates.
SELECTIONS = ("nested", "shared", "oracle")
BIAS = "bias"
# How a candidate of a study on several datasets was chosen; see `study.experiments.domain_generalization`.
CANDIDATE_SELECTIONS = ("pooled", "leave_one_source_out", "oracle", "none", "own")
# The threshold on a probability; metrics without a threshold (auc, always_positive) have "0.5" as well.
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
# Further metrics of single kinds of study: F1 on the rarest third of the AUs, the share of active frames, the share of
# the target's own score that a foreign detector keeps, the loss of a configuration on another dataset, the number of
# trials, the seconds of one trial, and how far people, training seed and partition into folds move a study's mean F1
# (standard deviations).
FURTHER_METRICS = (
    "rare_f1",
    "rare_always_positive",
    "base_rate",
    "retention_f1",
    "retention_auc",
    "regret",
    "trials",
    "seconds",
    "sd_people",
    "sd_seed",
    "sd_partition",
)
# folds: in every fold by itself, then the mean, as the field does; pooled: of all folds' frames together.
AGGREGATES = ("folds", "pooled")

# A text is null where it does not apply. `condition` is what else distinguishes rows, in the words of its study: a
# disturbance and its level, a set of AUs, a chosen candidate, the scheme of a random partition. `au` is null for the
# mean over those of `aus` that occur. `low` and `high` are the ends of the 95 % interval, see `covers`; `seed_sd` is
# the standard deviation over seeds. `n_seeds` is the number of training runs of the fold that has the fewest. With
# `against`, the value is the difference to that method, from paired replicates, with its p-value before and after
# Holm's correction over all tests of the file. All but trials and seconds are fractions; a null number is undefined.
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
    """A score table of `rows`; NaN becomes null. `InputError` for rows that break the schema."""
    # NaN would be ordered above all numbers, null is left out of means and sorts
    frame = pl.DataFrame(list(rows), schema=SCORES).with_columns(pl.selectors.float().fill_nan(None))
    check_scores(frame)
    return frame


def fewest_runs(scores: pl.DataFrame) -> int:
    """Training runs of the fold that has the fewest, over all rows that have any."""
    runs: list[int] = scores["n_seeds"].drop_nulls().to_list()
    return min(runs, default=0)


def covers(n_seeds: int) -> str:
    """Which chance the 95 % interval of a score with so many training runs covers."""
    return "people and training" if n_seeds > 1 else "people alone"


def interval_note(n_seeds: int) -> str:
    """What the intervals of a table of differences are, in words."""
    if n_seeds > 1:
        return "In brackets 95 % intervals over people and training runs."
    return (
        "In brackets 95 % intervals over people alone, because there is one training run of each. Differences have no "
        "interval and no p-value: nobody knows how much of them is the chance of training. Give seeds=2 or more."
    )


def with_level(kind: str, level: float) -> str:
    """The `condition` of a disturbance at a level, e.g. "blur=4"."""
    return f"{kind}={level:.12g}"


def level_of(condition: str) -> tuple[str, float]:
    """The disturbance and the level of such a condition."""
    kind, _, level = condition.rpartition("=")
    return kind, float(level)


def noise_name(kind: str) -> str:
    """The disturbance that flips training labels in the way `kind` of `DataSettings.noise_kind`, e.g. event_noise."""
    return "label_noise" if kind == "symmetric" else f"{kind}_noise"


def label_noise(share: float, kind: str = "symmetric") -> str:
    """The `condition` of flipped training labels; the share is written in percent, like levels."""
    return with_level(noise_name(kind), 100 * share)


def noise_in(condition: str) -> tuple[float, str]:
    """The share of flipped labels in such a condition, and the kind of noise; empty for none."""
    name, level = level_of(condition)
    kind = "symmetric" if name == "label_noise" else name.removesuffix("_noise")
    return level / 100, kind if level else ""


def check_scores(frame: pl.DataFrame) -> None:
    """Raise one `InputError` that lists everything in `frame` that breaks the schema."""
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
