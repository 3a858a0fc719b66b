"""Compute time of a study: the rungs of the pruner, the trials of each node, the hours used."""

import polars as pl

from study.records.study_spec import PruningSettings

HOUR = 3600.0


def rungs_frame(sweep: pl.DataFrame, pruning: PruningSettings, epochs: int) -> pl.DataFrame:
    """One row for each fold and rung of ASHA: trials that `reached` it, were `pruned`, `failed`, or continued (`on`).

    A rung is a number of epochs after which a trial may be stopped; the last one is the whole training. A pruned trial
    counts at the last rung that it reached. Empty for any other pruner, and without pruning.
    """
    levels = _levels(pruning.grace, pruning.reduction, epochs) if pruning.name == "asha" else []
    if len(levels) < 2:
        return pl.DataFrame()
    rows = []
    for (fold,), part in sweep.partition_by("fold", as_dict=True, maintain_order=True).items():
        for level, following in zip(levels, [*levels[1:], None], strict=True):
            rows.append((str(fold), level, *_rung(part, level, following)))
    schema = {"fold": pl.String} | dict.fromkeys(("rung", "reached", "pruned", "failed", "on"), pl.Int64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _levels(grace: int, reduction: int, epochs: int) -> list[int]:
    if grace < 1 or reduction < 2:
        return []
    levels = []
    while grace < epochs:
        levels.append(grace)
        grace *= reduction
    return [*levels, epochs] if levels else []


def _rung(part: pl.DataFrame, level: int, following: int | None) -> tuple[int, int, int, int]:
    whole = pl.col("status") == "DONE"  # a finished trial reached every rung
    reached = part.filter((pl.col("epochs") >= level) | whole)
    ended = reached.filter(~whole) if following is None else reached.filter(~whole & (pl.col("epochs") < following))
    pruned, failed = (int((ended["status"] == state).sum()) for state in ("PRUNED", "FAILED"))
    return reached.height, pruned, failed, reached.height - pruned - failed


def timeline_frame(trials: pl.DataFrame, environments: pl.DataFrame) -> pl.DataFrame:
    """One row for each trial: host, `lane` on the host, `begins` and `ends` in hours since the first trial began.

    Trials that overlap on a host get different lanes. The length is the time spent on the trial; a trial that was
    interrupted and continued later has no pause.
    """
    # a trial whose process died before its start has no time
    known = trials.filter(pl.col("started") > 0).sort("started", "key")
    if known.is_empty():
        return pl.DataFrame()
    placed = _with_environment(known, environments)
    first = float(known["started"][0])
    frame = placed.select(
        "key",
        "stage",
        "fold",
        "status",
        "host",
        begins=(pl.col("started") - first) / HOUR,
        ends=(pl.col("started") - first + pl.col("seconds").fill_null(0)) / HOUR,
    )
    return frame.with_columns(lane=_lanes(frame))


def _lanes(frame: pl.DataFrame) -> pl.Series:
    """The lowest free lane of the host at the time each trial begins."""
    ends: dict[str, list[float]] = {}
    lanes = []
    for host, begins, finish in frame.select("host", "begins", "ends").iter_rows():
        taken = ends.setdefault(host, [])
        # the lowest lane whose last trial has ended
        free = next((at for at, end in enumerate(taken) if end <= begins), len(taken))
        taken[free : free + 1] = [finish]  # the slice appends where `free` is the first new lane
        lanes.append(free + 1)
    return pl.Series(lanes, dtype=pl.Int64)


def hours_frame(trials: pl.DataFrame, environments: pl.DataFrame) -> pl.DataFrame:
    """One row for each stage, fold, kind of device and status: trials, and the device-hours they used.

    A trial on a GPU counts the share of the GPU in its environment (without one: a whole GPU), on a CPU its threads.
    """
    # the folds of random partitions are one row: there are dozens of them
    named = trials.with_columns(pl.col("fold").str.replace("@.*", ""))
    placed = _with_environment(named, environments)
    used = pl.col("seconds").fill_null(0) * pl.col("units") / HOUR
    return (
        placed.group_by("stage", "fold", "unit", "status", maintain_order=True)
        .agg(trials=pl.len(), hours=used.sum())
        .sort("stage", "fold", "unit", "status")
    )


def _with_environment(trials: pl.DataFrame, environments: pl.DataFrame) -> pl.DataFrame:
    """Trials with host, unit ("core" or "GPU") and the number of units that each of them used."""
    # trials of former revisions lack some of these facts
    facts = ["host", "device", "threads", "gpus"]
    there = [pl.col(name).cast(pl.String) for name in facts if name in environments.columns]
    missing = [pl.lit(None, pl.String).alias(name) for name in facts if name not in environments.columns]
    joined = trials.join(environments.select("key", *there, *missing), on="key", how="left")
    on_cpu = pl.col("device").fill_null("cpu") == "cpu"
    count = pl.when(on_cpu).then("threads").otherwise("gpus").cast(pl.Float64, strict=False)
    return joined.with_columns(
        host=pl.col("host").fill_null("unknown node"),
        unit=pl.when(on_cpu).then(pl.lit("core")).otherwise(pl.lit("GPU")),
        units=count.fill_null(1.0),
    )
