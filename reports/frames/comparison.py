"""Comparison of studies: their scores, and their differences, paired if they were tested on the same people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import polars as pl

from data.aus import AU_NAMES
from data.errors import raise_all
from reports.frames import tables
from reports.frames.facts import Facts
from reports.frames.final_series import SCORE_COLUMNS, headline
from reports.frames.partitions import Partitioned, partitioned
from study.records.verdict import StudyVerdict
from study.scoring.bootstrap import fold_cubes
from study.scoring.evaluation import TEST, evaluation_of_cubes
from study.scoring.sampled import difference_row
from study.scoring.significance import holm
from study.scoring.verdicts import Measure, means_by, orders_of, quoted

NOTHING = float("nan")
UNPAIRED = "unpaired"
PAIRED = "paired"


@dataclass(frozen=True)
class Comparison:
    """The frames of the page that compares studies, in the order of the studies."""

    members: list[Facts]
    standings: pl.DataFrame
    differences: pl.DataFrame
    per_au: pl.DataFrame
    costs: pl.DataFrame
    settings: pl.DataFrame
    scores: pl.DataFrame
    partitions: list[Partitioned]
    verdict: StudyVerdict


def compare_studies(members: Sequence[Facts]) -> Comparison:
    """Compare finished and unfinished studies; their names must differ."""
    names = [member.name for member in members]
    raise_all("studies cannot be compared:", [f"{name} is given twice" for name in {*names} if names.count(name) > 1])
    scores = [member.scores.select(pl.lit(member.name).alias("study"), "au", *SCORE_COLUMNS) for member in members]
    return Comparison(
        members=list(members),
        standings=_standings(members),
        differences=differences_frame(members),
        per_au=study_au_frame(members),
        costs=costs(members),
        settings=_settings(members),
        scores=pl.concat(scores),
        partitions=[partitioned(member.root, member.spec, member.name) for member in members],
        verdict=_verdict(members),
    )


def _verdict(members: Sequence[Facts]) -> StudyVerdict:
    """What is known of all studies, and the orders of those with the same protocol."""
    stages = [replace(member.verdict.progress[-1], what=f"{_stage(member)} of {member.name}") for member in members]
    groups: dict[object, dict[str, dict[Measure, float]]] = {}
    for member in members:
        if member.protocol:
            found = groups.setdefault((member.dataset, member.protocol), {})
            found[member.name] = means_by(quoted(member.scores), []).get("", {})
    tested = [one for member in members if member.finals for one in member.verdict.standings]
    known = all(member.verdict.origins for member in members)
    origins = dict.fromkeys(origin for member in members for origin in member.verdict.origins) if known else {}
    return StudyVerdict(tuple(stages), tuple(origins), tuple(tested), orders_of(groups.values()))


def _stage(member: Facts) -> str:
    return member.verdict.progress[-1].what


def _standings(members: Sequence[Facts]) -> pl.DataFrame:
    """The leaderboard, one row for each study: test F1 at threshold 0.5, mean of folds, with interval and baseline."""
    scores = dict.fromkeys(("f1", "low", "high", "always_positive", "auc"), pl.Float64)
    rows = [_standing(member) for member in members]
    return pl.DataFrame(rows, schema_overrides={**scores, "selection": pl.String}, infer_schema_length=None)


def _standing(member: Facts) -> dict[str, Any]:
    score, base = (headline(member.scores, metric) for metric in ("f1", "always_positive"))
    return {
        "study": member.name,
        "f1": score.get("value"),
        "low": score.get("low"),
        "high": score.get("high"),
        "always_positive": base.get("value"),
        "auc": headline(member.scores, "auc").get("value"),
        "dataset": member.dataset,
        "method": member.method,
        "selection": score.get("selection"),
        "seeds": len(member.seeds),
        "subjects": member.subjects,
        "folds": ", ".join(member.protocols),
        "protocol": member.protocol,
        "finished": _day(member.trials),
    }


def _day(trials: pl.DataFrame) -> str:
    """The day on which the last trial began."""
    return (
        datetime.fromtimestamp(trials["started"].to_list()[int(trials["started"].arg_max() or 0)], UTC)
        .date()
        .isoformat()
    )


def differences_frame(members: Sequence[Facts]) -> pl.DataFrame:
    """One row for each pair of studies of one dataset: test F1 of `a` minus `b` with its interval, on their common AUs.

    Paired if folds, frames, labels and subjects are the same (column `pairing`): the bootstrap then draws the same
    people for both. Unpaired intervals are wider, and the difference includes that of the protocols.
    """
    rows = [
        _difference(a, b)
        for a, b in combinations(members, 2)
        # scores on different datasets have no common subjects
        if a.dataset == b.dataset and a.counts.height and b.counts.height and {*a.aus} & {*b.aus}
    ]
    columns: dict[str, type[pl.DataType]] = dict.fromkeys(("difference", "low", "high", "p"), pl.Float64)
    columns["n_seeds"] = pl.Int64
    schema = dict.fromkeys(("a", "b", "dataset", "pairing", "folds", "aus"), pl.String) | columns
    frame = pl.DataFrame(rows, schema=schema)
    # one family: all pairs that the page shows
    corrected = pl.Series("p_holm", holm([NOTHING if p is None else p for p in frame["p"]]), dtype=pl.Float64)
    return frame.with_columns(corrected).with_columns(pl.selectors.float().fill_nan(None))


def _difference(a: Facts, b: Facts) -> dict[str, Any]:
    aus = tuple(au for au in a.aus if au in b.aus)
    folds = shared_folds(a, b)
    # the same random numbers draw the same people; unpaired studies must draw independently
    streams = [TEST if folds else (*TEST, at) for at in range(2)]
    cubes = [fold_cubes(_on(member.counts, folds), aus) for member in (a, b)]
    ours, theirs = (evaluation_of_cubes(*one).number("f1") for one in zip(cubes, (aus, aus), streams, strict=True))
    found = difference_row(ours, theirs, {})
    return {
        "a": a.name,
        "b": b.name,
        "dataset": a.dataset,
        "pairing": PAIRED if folds else UNPAIRED,
        "folds": ", ".join(folds or sorted({*a.protocols} | {*b.protocols})),
        "aus": " ".join(map(str, aus)),
        "difference": found["value"],
        "low": found["low"],
        "high": found["high"],
        "p": found["p"] if folds else NOTHING,  # the test is defined for paired replicates only
        "n_seeds": min(ours.seeds, theirs.seeds),
    }


def shared_folds(a: Facts, b: Facts) -> list[str]:
    """Folds in which both studies were tested on the same frames, labels and subjects."""
    return [
        fold
        for fold, protocol in a.protocols.items()
        if protocol and b.protocols.get(fold) == protocol and _people(a.counts, fold) == _people(b.counts, fold)
    ]


def _people(counts: pl.DataFrame, fold: str) -> set[str]:
    return set(counts.filter(pl.col("fold") == fold)["subject"])


def _on(counts: pl.DataFrame, folds: Sequence[str]) -> pl.DataFrame:
    return counts.filter(pl.col("fold").is_in(folds)) if folds else counts


def study_au_frame(members: Sequence[Facts]) -> pl.DataFrame:
    """One row for each study and AU: test F1 at threshold 0.5, mean of folds, with its interval."""
    rows = [row for member in members for row in _au_rows(member)]
    schema: dict[str, type[pl.DataType]] = {"study": pl.String, "au": pl.Int64, "name": pl.String}
    schema |= dict.fromkeys(("f1", "low", "high", "always_positive"), pl.Float64) | {"n_seeds": pl.Int64}
    return pl.DataFrame(rows, schema=schema)


def _au_rows(member: Facts) -> Iterator[dict[str, Any]]:
    quoted = headline(member.scores)
    chosen = member.scores.filter(
        pl.col("rule") == "0.5",
        pl.col("aggregate") == "folds",
        pl.col("au").is_not_null(),
        pl.col("selection") == quoted.get("selection", ""),
    )
    base = dict(chosen.filter(pl.col("metric") == "always_positive").select("au", "value").iter_rows())
    for row in chosen.filter(pl.col("metric") == "f1").sort("au").iter_rows(named=True):
        scores = {"f1": row["value"], "low": row["low"], "high": row["high"], "always_positive": base.get(row["au"])}
        names = {"study": member.name, "au": row["au"], "name": AU_NAMES.get(row["au"], "")}
        yield names | scores | {"n_seeds": row["n_seeds"]}


def costs(members: Sequence[Facts]) -> pl.DataFrame:
    """One row for each study: trials of the search by state, and the time of all trials."""
    rows = []
    for member in members:
        sweep = member.trials.filter(pl.col("stage") == "sweep")
        final = member.trials.filter(pl.col("stage") == "final")
        counts = {state.lower(): count for state, count in tables.states(sweep).items()}
        times = {"search": float(sweep["seconds"].sum()), "final": float(final["seconds"].sum())}
        rows.append({"study": member.name, **counts, "final trials": final.height, **times})
    return pl.DataFrame(rows)


def _settings(members: Sequence[Facts]) -> pl.DataFrame:
    """One row for each setting that differs, one column for each study: `study 1`, `study 2`, ...

    Names of studies would be no safe names of columns: they can be equal to "setting". A study whose folds have
    configurations of their own shows the value of each fold.
    """
    found = [_configurations(member) for member in members]
    # a method may lack a setting that another has
    names = sorted({name for folds in found for values in folds.values() for name in values})
    differing = [name for name in names if len({repr(_of_folds(folds, name)) for folds in found}) > 1]
    columns = {
        f"study {at}": [_shown(_of_folds(folds, name)) for name in differing] for at, folds in enumerate(found, 1)
    }
    schema = dict.fromkeys(("setting", *columns), pl.String)
    return pl.DataFrame({"setting": differing, **columns}, schema=schema)


def _of_folds(folds: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """The value of a setting in each fold; under "" if it is the same in all of them."""
    values = {fold: settings.get(name) for fold, settings in folds.items()}
    first = next(iter(values.values()))
    return {"": first} if all(repr(value) == repr(first) for value in values.values()) else values


def _configurations(member: Facts) -> dict[str, dict[str, Any]]:
    """By fold: the configuration of the final trials or, before them, of the study; without seed and fold."""
    configs = {one.config.data.fold: one.config.to_dict() for one in member.finals} or {"": member.spec.config}
    asked = {"objective": member.spec.objective, "trials": member.spec.trials, "seed": member.search.seed}
    return {fold: {**_shared(config), **asked} for fold, config in sorted(configs.items())}


def _shared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their dotted names, without those in which the final trials of one configuration differ."""
    return {name: value for name, value in flat(config) if name not in ("seed", "score_test", "data.fold")}


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings by their dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(values: Mapping[str, Any]) -> str | None:
    """The value of a setting, or those of the folds: `0.01 (part1), 0.02 (part2)`."""
    known = {fold: _plain(value) for fold, value in values.items() if value is not None}
    return ", ".join(f"{shown} ({fold})" if fold else shown for fold, shown in known.items()) or None


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
