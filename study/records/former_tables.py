"""Score tables of former revisions, converted to the present schema; one function for each old file format.

Used by `score_files` only. Formerly each kind of study had its own file; scores/final.parquet had fewer columns.
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS, SCORES, label_noise, with_level

_FOLDS = {"aggregate": pl.lit("folds")}
# former tables of these kinds had only this rule and this aggregate
_FIXED = {"rule": pl.lit(FIXED_THRESHOLD), **_FOLDS}


def upgraded(kind: str, root: Path) -> pl.DataFrame | None:
    """The scores of `kind` that a former revision wrote to `root`; None when there are none."""
    paths = [root / name for name in _FILES.get(kind, ())]
    # both tables of a transfer were written together; one alone is damage
    if not paths or not all(path.exists() for path in paths):
        return None
    return _UPGRADES[kind](*map(_read, paths))


def completed(scores: pl.DataFrame) -> pl.DataFrame:
    """`scores` with the missing columns of the schema as null; rows of the selection bias are against "nested"."""
    if "against" in scores.columns or "selection" not in scores.columns:
        return scores
    nested = pl.when(pl.col("selection") == "bias").then(pl.lit("nested"))
    return _scores(scores.with_columns(against=nested))


def of_people_alone(scores: pl.DataFrame) -> pl.DataFrame:
    """`scores` of a former revision, whose intervals and p-values did not count the variance from training.

    Differences lose both; for other intervals no training run counts (`n_seeds` is null), so they say "people alone".
    """
    scored = pl.col("against").is_null()
    ends = [pl.when(scored).then(pl.col(end)).alias(end) for end in ("low", "high")]
    unknown = [pl.lit(None, SCORES[name]).alias(name) for name in ("n_seeds", "p", "p_holm")]
    return scores.with_columns(*ends, *unknown)


def _read(path: Path) -> pl.DataFrame:
    if path.suffix == ".csv":
        return pl.read_csv(path, infer_schema_length=None, glob=False)
    return pl.read_parquet(path, glob=False)


def _scores(frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """The frame with `columns` added, in the order of the schema; missing columns are null."""
    whole = frame.with_columns(**columns)
    return whole.select(
        pl.col(name).cast(kind) if name in whole.columns else pl.lit(None, kind).alias(name)
        for name, kind in SCORES.items()
    )


def _of_transfer(table: pl.DataFrame, tests: pl.DataFrame) -> pl.DataFrame:
    values = _scores(table, condition=pl.col("aus_kind"), **_FOLDS)
    named = {"method": pl.col("method_a"), "against": pl.col("method_b"), "value": pl.col("difference")}
    return pl.concat([values, _scores(tests, condition=pl.lit("pair"), **named, **_FOLDS)])


def _of_stress(curves: pl.DataFrame) -> pl.DataFrame:
    conditions = [with_level(kind, level) for kind, level in curves.select("kind", "level").iter_rows()]
    return _scores(curves.with_columns(condition=pl.Series(conditions, dtype=pl.String)), **_FIXED)


def _of_generalize(table: pl.DataFrame) -> pl.DataFrame:
    condition = pl.format("{} of {}", "chosen", "candidates")
    return _scores(table, source=pl.col("sources"), condition=condition, **_FOLDS)


def _of_regret(matrix: pl.DataFrame) -> pl.DataFrame:
    own = pl.col("target")
    f1 = _scores(matrix, metric=pl.lit("f1"), value=pl.col("f1"), **_FIXED)
    ends = {end: pl.col(f"regret{suffix}") for end, suffix in zip(INTERVAL_ENDS, ("", "_low", "_high"), strict=True)}
    return pl.concat([f1, _scores(matrix, metric=pl.lit("regret"), against=own, **ends, **_FIXED)])


def _of_comparison(table: pl.DataFrame) -> pl.DataFrame:
    conditions = [label_noise(share) for share in table["label_noise"]]
    named = table.with_columns(
        pl.col("variant").cast(pl.String).alias("method"),
        pl.col("against").cast(pl.String).alias("over"),
        pl.Series("condition", conditions, dtype=pl.String),
    ).drop("against")
    parts = []
    for name, metric in (("f1", "f1"), ("rare", "rare_f1")):
        parts.append(_columns(named, name, metric))
        parts.append(
            _columns(named.filter(pl.col(f"{name}_gain").is_not_null()), f"{name}_gain", metric, pl.col("over"))
        )
    for column in table.columns:
        if column.startswith("f1_au_"):
            au = {"au": pl.lit(int(column.removeprefix("f1_au_"))), "value": pl.col(column)}
            parts.append(_scores(named, metric=pl.lit("f1"), **au, **_FIXED))
    parts += [_scores(named, metric=pl.lit(cost), value=pl.col(cost), **_FOLDS) for cost in ("trials", "seconds")]
    return pl.concat(parts)


def _columns(table: pl.DataFrame, name: str, metric: str, against: pl.Expr | None = None) -> pl.DataFrame:
    ends = {end: pl.col(f"{name}{suffix}") for end, suffix in zip(INTERVAL_ENDS, ("", "_low", "_high"), strict=True)}
    over = {} if against is None else {"against": against}
    return _scores(table, metric=pl.lit(metric), **ends, **over, **_FIXED)


_FILES = {
    "transfer": ("transfer.parquet", "tests.parquet"),
    "robustness": ("stress.parquet",),
    "domain_generalization": ("generalize.parquet",),
    "hyperparameter_transfer": ("regret.parquet",),
    "ablation": ("comparison.csv",),
}
_UPGRADES: dict[str, Callable[..., pl.DataFrame]] = {
    "transfer": _of_transfer,
    "robustness": _of_stress,
    "domain_generalization": _of_generalize,
    "hyperparameter_transfer": _of_regret,
    "ablation": _of_comparison,
}
