"""The model card of a study's final detectors (see Mitchell et al., 2019), from its result store."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl

from data.aus import AU_NAMES
from data.catalog import CATALOG
from reports.export.markdown import markdown, markdown_text, said_line
from reports.frames import text
from reports.frames.facts import Facts
from reports.frames.grid import Grid, Row, score, word
from reports.frames.grids import INTERVALS, METRIC_TITLES, RULE_TITLES, au_grid, study_scores
from reports.frames.tables import QUOTED
from study.scoring.bootstrap import CONFUSION

SELECTION = {
    "nested": "In every fold the configuration was chosen on validation subjects of that fold's training part; its "
    "test subjects had no influence on the choice (nested).",
    "shared": "The configuration was chosen once, on validation subjects of the training part of fold {fold}, and used "
    "in every fold. These subjects can be test subjects of other folds, so only fold {fold} is nested.",
}
USE = (
    "Detection of facial action units in single images of faces, for research on methods of AU detection, under the "
    "protocol below.",
    "Not for decisions about people: an AU is a movement of the face, not an emotion, an intention or a state of "
    "health, and the detectors were not validated for any of these.",
    "Not for faces, cameras, alignment or populations that differ from the training data, unless you evaluate on them "
    "first: prevalence and coding rules differ between datasets, and thresholds do not transfer.",
)
_FEW_SUBJECTS = 10  # with fewer test subjects in a fold, intervals are too uncertain
FEW_POSITIVES = 100  # with fewer active frames, F1 of an AU depends on single events


def model_card(facts: Facts) -> str:
    """The card as Markdown."""
    parts = {
        "Model": _lines(_model(facts)),
        "Intended use": _lines(USE),
        "Training data": _lines(_training(facts)),
        "Evaluation data": _lines(_evaluation(facts)) + _test_table(facts),
        "Selection": _lines(_selection(facts)),
        "Results": _results(facts),
        "Limits": _lines(_limits(facts)),
        "Licences": _lines(_licences(facts)),
        "Configuration": _configuration(facts),
        "Environment": _lines(f"{what}: {value}" for what, value in _environment(facts)),
    }
    sections = (f"## {title}\n\n{content.strip()}\n" for title, content in parts.items())
    said = "\n".join(f"- {said_line(one)}" for one in facts.verdict.said)
    return "\n".join([f"# Model card: {markdown_text(facts.name)}\n", f"{said}\n", *sections])


def _lines(words: Iterator[str] | tuple[str, ...]) -> str:
    return "\n".join(f"- {markdown_text(line)}" for line in words)


def _model(facts: Facts) -> Iterator[str]:
    last = max(facts.trials["started"].to_list())
    yield f"detectors of {len(facts.aus)} AUs: " + ", ".join(
        f"AU{au} {AU_NAMES.get(au, '')}".strip() for au in facts.aus
    )
    yield f"method: {facts.method}; configuration below"
    yield f"{text.plural(len(facts.finals), 'detector')}, one for each fold and seed; seeds {facts.seeds or text.NONE}"
    yield f"last trial started on {datetime.fromtimestamp(last, UTC).date().isoformat()}"
    yield f"code: revision {facts.provenance.get('git revision', 'unknown')}"


def _training(facts: Facts) -> Iterator[str]:
    yield f"dataset: {facts.dataset}"
    yield from (f"frame store: {fingerprint}" for fingerprint in facts.fingerprints or _asked_fingerprint(facts))
    # all final trials share these settings
    for result in facts.finals[:1]:
        data = result.config.data
        yield f"division: {data.fold_scheme}, by subject; seed of the division {data.fold_seed}"
        yield f"share of the training subjects used for validation: {text.percent(data.val_share)} %"
        yield f"labels flipped on purpose: {text.percent(data.label_noise)} %"
        yield f"initial weights of the backbone: {result.config.backbone.weights or 'random'}"


def _asked_fingerprint(facts: Facts) -> list[str]:
    return [facts.provenance["frame store"]] if "frame store" in facts.provenance else []


def _evaluation(facts: Facts) -> Iterator[str]:
    if not facts.finals:
        yield "There are no final trials yet, so there are no test scores."
        return
    yield f"{text.plural(facts.subjects, 'test subject')} in {text.plural(len(facts.protocols), 'fold')}"
    yield f"protocol of all folds: {facts.protocol or 'unknown'}"
    for fold, protocol in facts.protocols.items():
        people = facts.counts.filter(pl.col("fold") == fold)["subject"].n_unique()
        yield f"fold {fold}: {text.plural(people, 'test subject')}, protocol {protocol or 'unknown'}"


def _prevalence(facts: Facts) -> pl.DataFrame:
    """au, frames, positives of the test parts."""
    # every seed of a fold scores the same frames
    once = facts.counts.unique(["fold", "subject", "au"], keep="first", maintain_order=True)
    sums = once.group_by("au").agg(
        frames=pl.sum_horizontal(pl.col(*CONFUSION).sum()), positives=pl.col("tp").sum() + pl.col("fn").sum()
    )
    return sums.sort("au")


def _test_table(facts: Facts) -> str:
    if facts.counts.is_empty():
        return ""
    rows = [
        Row(
            [
                word(f"AU{au}"),
                word(text.count(frames)),
                word(text.count(active)),
                score(active / frames if frames else None),
            ]
        )
        for au, frames, active in _prevalence(facts).iter_rows()
    ]
    return "\n\n" + markdown(Grid("test", "Coded test frames", ["AU", "frames", "active", "active %"], [rows]))


def _selection(facts: Facts) -> Iterator[str]:
    fold = facts.spec.folds[0]
    for selection in facts.scores["selection"].unique().sort():
        if selection in SELECTION:
            yield SELECTION[selection].format(fold=fold)
    sweep = facts.trials.filter(pl.col("stage") == "sweep").height
    yield f"objective: {facts.spec.objective} on validation subjects, mean over AUs; {text.plural(sweep, 'trial')}"
    yield "Only rows called oracle were chosen on the test part: they are upper bounds, never results."


def _results(facts: Facts) -> str:
    if facts.scores.is_empty():
        return "There are no final scores yet: run launch/final.py."
    ours = study_scores(facts)
    metrics = [metric for metric in METRIC_TITLES if metric in set(facts.scores["metric"])]
    main = [metric for metric in metrics if metric in ("f1", "auc", "lift")]
    whole = "" if facts.complete else "launch/final.py has not ended: only scores at threshold 0.5.\n\n"
    return whole + _means(facts, metrics) + "\n" + "\n".join(_transposed(au_grid([ours], metric)) for metric in main)


def _means(facts: Facts, metrics: list[str]) -> str:
    """One row for each metric, rule and aggregate: the mean over AUs."""
    rows = [
        Row(
            [
                word(METRIC_TITLES[row["metric"]]),
                word(row["selection"]),
                word(RULE_TITLES.get(row["rule"], row["rule"])),
                word(row["aggregate"]),
                score(row["value"], row["low"], row["high"]),
                score(row["seed_sd"]),
            ]
        )
        for metric in metrics
        for row in facts.scores.filter(pl.col("metric") == metric, pl.col("au").is_null()).iter_rows(named=True)
    ]
    heads = ["metric", "configuration", "rule", "aggregate", "mean over AUs", "sd over seeds"]
    return markdown(Grid("means", "Test scores, mean over AUs", heads, [rows], [INTERVALS]))


def _transposed(grid: Grid) -> str:
    """AUs as rows, without published rows: model cards are often shown in a narrow column."""
    rows = [row for group in grid.groups[:2] for row in group]
    heads = ["AU", *(row.cells[0].words for row in rows)]
    turned = [Row([word(name), *(row.cells[at] for row in rows)]) for at, name in enumerate(grid.heads) if at]
    return markdown(Grid(grid.name, grid.caption, heads, [turned]))


def _limits(facts: Facts) -> Iterator[str]:
    if facts.counts.height:
        yield from _measured_limits(facts)
    yield (
        "The store has no age, gender, skin type or health of the subjects, so differences of the scores between "
        "groups of people are unknown."
    )
    yield "Intervals cover the choice of subjects, not another dataset, another coder or repeated training."
    yield "F1 depends on the share of active frames: compare it with the always-positive detector on the same frames."


def _measured_limits(facts: Facts) -> Iterator[str]:
    fewest = facts.counts.group_by("fold").agg(pl.col("subject").n_unique())["subject"].to_list()
    if min(fewest) < _FEW_SUBJECTS:
        # the interval is computed from subjects, so few of them make it wide and unreliable
        few = text.plural(min(fewest), "test subject")
        yield f"A fold has only {few}: the effect of the choice of subjects is uncertain."
    if len(facts.seeds) < 3:
        yield f"Only {text.plural(len(facts.seeds), 'seed')}: the variation between training runs is uncertain."
    rare = _prevalence(facts).filter(pl.col("positives") < FEW_POSITIVES)
    if rare.height:
        listed = ", ".join(f"AU{au}" for au in rare["au"])
        yield f"Fewer than {FEW_POSITIVES} active test frames: {listed}."
    yield from _weak_aus(facts.scores)


def _weak_aus(scores: pl.DataFrame) -> Iterator[str]:
    """AUs with a score of little value, by the selection that may be reported."""
    # weak AUs of the reported selection, not of the oracle
    quoted = next((selection for selection in QUOTED if selection in {*scores["selection"]}), "")
    mean = scores.filter(pl.col("rule") == "0.5", pl.col("aggregate") == "folds", pl.col("selection") == quoted)
    table = mean.filter(pl.col("metric").is_in(["f1", "always_positive"])).pivot("metric", index="au", values="value")
    if {"f1", "always_positive"} <= {*table.columns}:
        below = table.filter(pl.col("au").is_not_null(), pl.col("f1") <= pl.col("always_positive"))["au"].sort()
        if below.len():
            yield f"Not better than the always-positive detector: {', '.join(f'AU{au}' for au in below)}."
        undefined = table.filter(pl.col("au").is_not_null(), pl.col("f1").is_null())["au"].sort()
        if undefined.len():
            yield f"F1 is undefined and excluded from means: {', '.join(f'AU{au}' for au in undefined)}."


def _licences(facts: Facts) -> Iterator[str]:
    unknown = f"{facts.dataset}: licence unknown; add it before you share the detectors"
    row = CATALOG.get(facts.dataset)
    yield row.licence if row and row.licence else unknown
    yield "Ask the owner of the dataset whether detectors trained on it may be shared; this card does not decide that."
    yield "code: Apache License 2.0"


def _configuration(facts: Facts) -> str:
    """JSON, indented by four spaces: unlike a fenced block, no text in it can end such a block."""
    chosen = facts.finals[0].config.to_dict() if facts.finals else facts.spec.config
    written = json.dumps(chosen, indent=1, ensure_ascii=True, default=str)
    return "Of the first final detector; the others differ in fold and seed.\n\n" + "\n".join(
        f"    {line}" for line in written.splitlines()
    )


def _environment(facts: Facts) -> Iterator[tuple[str, str]]:
    yield from facts.provenance.items()
    seen: dict[str, set[str]] = {}
    for result in facts.finals:
        for name, value in result.environment.items():
            if name != "protocol":
                seen.setdefault(name, set()).add(value)
    for name, values in sorted(seen.items()):
        yield f"{name} of the final trials", ", ".join(sorted(values))
