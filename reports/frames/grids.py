"""The tables for a paper as grids: scores per AU together with published rows, transfer matrices, tests."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from reports.frames import tables, text
from reports.frames.facts import Facts
from reports.frames.grid import Cell, Grid, Row, ranked, score, word
from reports.frames.intervals import interval_words
from study.experiments.cross_dataset.transfer import COMMON
from study.records.verdict import StudyVerdict

METRIC_TITLES = {
    "f1": "F1",
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "MCC",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "lift": "lift over always-positive",
    "always_positive": "F1 of the always-positive detector",
    "retention_f1": "retained F1",
    "retention_auc": "retained AUC",
}
_SIGNED = ("lift", "bias", "mcc")
RULE_TITLES = {
    "0.5": "threshold 0.5",
    "validation": "thresholds of validation subjects",
    "base_rate": "thresholds by base rate",
    "oracle": "thresholds of the test part",
}
SELECTION_TITLES = {
    "nested": "chosen in every fold",
    "shared": "chosen once",
    "oracle": "chosen on the test part",
    "bias": "oracle minus nested",
}
INTERVALS = (
    "In percent, with the ends of the 95 % interval, where there is one; it covers people and, with two training seeds "
    "or more, training."
)
NOT_RANKED = (
    "Published rows come from their authors or from later papers, and each has its own protocol, so they are not "
    "ranked. * The published mean is not the mean of the published AUs."
)
_ORACLE = "A configuration or threshold chosen on the test part gives an upper bound; never report it as a result."


@dataclass(frozen=True)
class StudyScores:
    """Final scores of a study and the name of its row; scores of the same known protocol are comparable."""

    name: str
    dataset: str
    protocol: str
    scores: pl.DataFrame
    verdict: StudyVerdict = field(default_factory=StudyVerdict)


def study_scores(facts: Facts) -> StudyScores:
    """The final scores of one study."""
    return StudyScores(f"{facts.name} ({facts.method})", facts.dataset, facts.protocol, facts.scores, facts.verdict)


def au_grid(studies: Sequence[StudyScores], metric: str = "f1", published: bool = False) -> Grid:
    """Rows: study, selection, rule and aggregate; columns: the AUs and their mean.

    With `published`, the table of F1 has the published rows, too, or says why they are left out.
    """
    frames = [study.scores.filter(pl.col("metric") == metric) for study in studies]
    aus = sorted({au for frame in frames for au in frame["au"].drop_nulls()})
    ours = [row for study, frame in zip(studies, frames, strict=True) for row in _score_rows(study, frame, aus)]
    groups, notes = [ours], [f"In percent. {interval_words(pl.concat(frames))}"]
    if metric == "f1":
        groups.append(_always_positive(studies, aus))
        for name in _datasets(studies) if published else []:
            rows, note = _published_group(name, aus, [one for one in studies if one.dataset == name])
            groups.append(rows)
            notes += [note] if note not in ("", *notes) else []
    if any(row.cells[0].words.find("test part") >= 0 for row in ours):
        notes.append(_ORACLE)
    caption = f"{METRIC_TITLES.get(metric, metric)} on test subjects of {text.listing(_datasets(studies))}."
    return ranked(Grid(f"per-au-{metric}", caption, ["", *(f"AU{au}" for au in aus), "mean"], groups, notes))


def _datasets(studies: Sequence[StudyScores]) -> list[str]:
    return list(dict.fromkeys(study.dataset for study in studies))


def _score_rows(study: StudyScores, frame: pl.DataFrame, aus: Sequence[int]) -> list[Row]:
    rows = []
    for (selection, rule, aggregate), part in frame.group_by("selection", "rule", "aggregate", maintain_order=True):
        words = [SELECTION_TITLES.get(str(selection), str(selection)), RULE_TITLES.get(str(rule), str(rule))]
        if aggregate == "pooled":
            words.append("pooled")
        known = {row["au"]: row for row in part.iter_rows(named=True)}
        signed = part["metric"][0] in _SIGNED or selection == "bias"
        cells = [_score_cell(known.get(au), signed) for au in (*aus, None)]
        # A score that was chosen on the test part must not win against an honest one.
        fair = study.protocol and "oracle" not in (selection, rule) and selection != "bias"
        protocol = f"{study.protocol}/{selection}/{rule}/{aggregate}" if fair else ""
        rows.append(Row([Cell(f"{study.name}, {', '.join(words)}"), *cells], protocol))
    return rows


def _score_cell(row: Mapping[str, Any] | None, signed: bool) -> Cell:
    return score(row["value"], row["low"], row["high"], signed) if row else Cell(text.NONE)


def _always_positive(studies: Sequence[StudyScores], aus: Sequence[int]) -> list[Row]:
    """The baseline; studies with equal values share one row."""
    rows: dict[object, Row] = {}
    for study in studies:
        base = study.scores.filter(pl.col("metric") == "always_positive", pl.col("aggregate") == "folds")
        known: dict[int | None, float] = dict(base.select("au", "value").iter_rows())
        cells = [score(known.get(au)) for au in (*aus, None)]
        name = Cell(f"always-positive on {study.dataset}")
        # the baseline depends on the test labels only, so studies of one protocol share it
        rows[study.dataset, *(cell.score for cell in cells)] = Row([name, *cells])
    return list(rows.values())


def unpublishable(verdict: StudyVerdict, dataset: str, aus: Collection[int]) -> list[str]:
    """Why scores must not stand beside the published ones of `dataset`; empty when they may."""
    published = {int(name) for name in tables.published_rows(dataset).columns if name.isdigit()}
    other = [f"its AUs are not those of the published tables ({' '.join(map(str, sorted(published)))})"]
    return [*verdict.unpublishable, *(other if published and {*aus} != published else [])]


def _published_group(dataset: str, aus: Sequence[int], studies: Sequence[StudyScores]) -> tuple[list[Row], str]:
    """The published rows of a dataset and a note; no rows where one of the studies must not stand beside them."""
    reasons = [
        f"{one.name}, {reason}"
        for one in studies
        for reason in unpublishable(one.verdict, dataset, one.scores["au"].drop_nulls().unique())
    ]
    if reasons:
        return [], f"Published rows of {dataset} are left out: {text.listing(reasons)}."
    rows = _published(dataset, aus)
    return rows, NOT_RANKED if rows else ""


def _published(dataset: str, aus: Sequence[int]) -> list[Row]:
    """Rows of the literature, in the order of their names."""
    frame = tables.published_rows(dataset)
    if frame.is_empty():
        return []
    rows = []
    for row in frame.filter(pl.col("method") != "always-positive").iter_rows(named=True):
        # some papers print a mean that does not follow from their own row
        mark = "*" if row["average_inconsistent"] else ""
        cells = [score(row.get(str(au))) for au in aus]
        rows.append(Row([Cell(f"{row['method']}{mark} [{row['source']}]"), *cells, score(row["mean"])]))
    return rows


def transfer_matrices(name: str, table: pl.DataFrame) -> list[Grid]:
    """Source by target, mean over AUs: one grid for each set of AUs, metric and rule; rows of a source are ranked.

    Grids on the common AUs come first: those of pairs have other AUs in every cell.
    """
    means = table.filter(pl.col("au").is_null(), pl.col("metric") != "always_positive")
    parts = means.sort(pl.col("aus_kind") != COMMON, maintain_order=True).group_by(
        "aus_kind", "metric", "rule", maintain_order=True
    )
    return [_matrix(name, part, *map(str, kind)) for kind, part in parts]


def _matrix(name: str, part: pl.DataFrame, aus_kind: str, metric: str, rule: str) -> Grid:
    targets = part["target"].unique().sort().to_list()
    rows = []
    keys = "source", "method", "study"
    for (source, method, study), found in part.sort(keys).group_by(keys, maintain_order=True):
        known = {row["target"]: row for row in found.iter_rows(named=True)}
        cells = [_score_cell(known.get(target), False) for target in targets]
        rows.append(
            Row([word(source), word(method), word(study), *cells], f"from {source}" if rule != "oracle" else "")
        )
    shared = "on the AUs that all datasets code"
    if aus_kind != COMMON:
        shared = "on the AUs that both datasets code (all AUs on the training dataset itself), so cells have other AUs"
    caption = (
        f"{METRIC_TITLES.get(metric, metric)} of detectors trained on the dataset of a row, {shared}; {_rule(rule)}."
    )
    heads = ["trained on", "method", "study", *(f"on {target}" for target in targets)]
    sets = part.select("source", "target", "aus").unique(maintain_order=True)
    listed = "; ".join(f"{source} to {target}: {aus}" for source, target, aus in sets.iter_rows())
    notes = [INTERVALS, f"AUs: {listed}."]
    return ranked(Grid(f"{name}-{aus_kind}-{metric}-{rule}", caption, heads, [rows], notes))


def _rule(rule: str) -> str:
    return RULE_TITLES.get(rule, rule)


def transfer_tests(name: str, tests: pl.DataFrame) -> Grid:
    """Paired differences between methods, with Holm's correction."""
    rows = []
    for row in tests.iter_rows(named=True):
        which = [word(row["source"]), word(row["target"]), word(METRIC_TITLES.get(row["metric"], row["metric"]))]
        pair = [word(_rule(row["rule"])), word(row["method_a"]), word(row["method_b"])]
        gain = score(row["difference"], row["low"], row["high"], signed=True)
        rows.append(Row([*which, *pair, gain, Cell(p_value(row["p"])), Cell(p_value(row["p_holm"]))]))
    heads = ["trained on", "tested on", "metric", "rule", "a", "b", "a minus b", "p", "p (Holm)"]
    caption = "Paired differences between methods on the same test subjects."
    return Grid(f"{name}-tests", caption, heads, [rows], [INTERVALS])


def p_value(value: float | None) -> str:
    """0.0321 -> 0.032; below a thousandth: < 0.001."""
    if value is None or not text.known(value):
        return text.NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
