"""The sections of the page that compares several studies."""

from collections.abc import Sequence

import polars as pl

from reports.figures import comparison_figures
from reports.frames import tables, text
from reports.frames.comparison import PAIRED, UNPAIRED, Comparison
from reports.frames.grids import METRIC_TITLES, NOT_RANKED, RULE_TITLES, SELECTION_TITLES, p_value, unpublishable
from reports.frames.intervals import difference_words, interval_words, why_none
from reports.html.blocks import Block, Paragraph, Section, Table, Verbatim, figure, said_blocks, table
from reports.html.columns import FORMATS, numbers_table, title_of
from reports.html.document import render_sections
from reports.sections.partitions_section import compared_variance
from study.records.score_table import covers

PROTOCOL = (
    "Studies have the same protocol if every fold has the same frames, labels, alignment and subjects. Their "
    "differences are paired: each replicate of the bootstrap draws the same people for both."
)
SHOWN_PAIRS = 24  # rows of the figure: about one screen


def comparison_page(comparison: Comparison, left_out: Sequence[str] = ()) -> str:
    """The page as text."""
    standing = comparison.standings
    facts = [
        ("studies", str(standing.height)),
        ("datasets", ", ".join(standing["dataset"].unique(maintain_order=True))),
        ("methods", ", ".join(standing["method"].unique(maintain_order=True))),
    ]
    built = [section for build in SECTIONS if (section := build(comparison)) is not None]
    return render_sections("Comparison of studies", facts, built, left_out)


def _summary(comparison: Comparison) -> Section:
    """The leaderboard, its best study in words, and what cannot be compared."""
    blocks = said_blocks(comparison.verdict.said)
    blocks += [Paragraph(words, "lead") for words in _answers(comparison)]
    blocks += [Paragraph(words, "note") for words in _cautions(comparison)]
    return Section("summary", "Summary", [*blocks, _standings(comparison.standings)])


def _standings(frame: pl.DataFrame) -> Table:
    titles = {column: title_of(column) for column in frame.columns} | {"finished": "last trial"}
    shown = frame.with_columns(selection=pl.col("selection").replace(SELECTION_TITLES))
    # without empty columns, but always with F1: its absence is a message, too
    known = [column for column in titles if shown[column].null_count() < shown.height or column == "f1"]
    covered = interval_words(frame.rename({"seeds": "n_seeds"}), "f1")
    caption = f"Test F1 at threshold 0.5: mean of folds and seeds, then of AUs. {covered}"
    return table("studies", shown, {column: titles[column] for column in known}, FORMATS, caption=caption)


def _answers(comparison: Comparison) -> list[str]:
    """One sentence for each protocol that several studies share."""
    found = []
    scored = comparison.standings.filter(pl.col("f1").is_not_null(), pl.col("protocol") != "")
    for _, rows in scored.group_by("dataset", "protocol", maintain_order=True):
        ranked = rows.sort("f1", descending=True, maintain_order=True)
        if ranked.height > 1:
            found.append(f"{_best(ranked)} {_lead(comparison.differences, *ranked['study'][:2])}")
    return found or ["No two of these studies were tested with the same protocol yet."]


def _best(ranked: pl.DataFrame) -> str:
    """The best studies of one protocol, all that are equal at the printed digits; `ranked` has the best first."""
    value = ranked["f1"][0]
    names = [name for name, f1 in ranked.select("study", "f1").iter_rows() if text.as_shown(f1) == text.as_shown(value)]
    have = "has" if len(names) == 1 else "have"
    which = f"Of {ranked.height} studies of {ranked['dataset'][0]} with the same protocol"
    return f"{which}, {text.listing(names)} {have} the highest test F1 ({text.percent(value)})."


def _lead(differences: pl.DataFrame, best: str, second: str) -> str:
    """How far the best study is ahead of the second, and whether this may be chance."""
    pair = pl.col("a").is_in([best, second]) & pl.col("b").is_in([best, second])
    found = differences.filter(pair)
    row = found.row(0, named=True)
    # a pair is listed once, in the order of the studies
    sign = 1 if row["a"] == best else -1
    words = f"The difference of {best} to {second} is {text.points(sign * row['difference'])} points"
    if row["low"] is None:
        return f"{words}, without a 95 % interval{why_none(found['n_seeds'])}."
    low, high = sorted(sign * row[end] for end in ("low", "high"))
    # at the printed digits, as the reader sees them
    doubt = ", so it may be due to chance" if text.as_shown(low) <= 0 <= text.as_shown(high) else ""
    inside = f"{text.points(low)} to {text.points(high)}"
    return f"{words} (95 % interval {inside}, over {covers(row['n_seeds'])}){doubt}."


def _cautions(comparison: Comparison) -> list[str]:
    """Reasons why some scores of the table cannot be compared."""
    frame, words = comparison.standings, []
    for name in frame.filter(pl.col("f1").is_null())["study"]:
        words.append(f"{name} has no final trials yet: run launch/final.py before you compare it.")
    partial = [member.name for member in comparison.members if member.finals and not member.complete]
    if partial:
        words.append(
            f"launch/final.py has not ended for {text.listing(partial)}; until then, scores are at threshold 0.5 only."
        )
    scored = frame.filter(pl.col("f1").is_not_null())
    if scored["dataset"].n_unique() > 1:
        words.append("Do not compare scores on different datasets: AUs, base rates and subjects differ.")
    if any(
        len({member.aus for member in comparison.members if member.dataset == name}) > 1 for name in scored["dataset"]
    ):
        words.append(
            "Studies of the same dataset have different AUs, so do not compare their means; differences are on the "
            "AUs that both have."
        )
    if comparison.differences.filter(pl.col("pairing") == UNPAIRED).height:
        words.append(
            "Some studies of the same dataset have different protocols; their differences are marked as unpaired."
        )
    if scored["selection"].n_unique() > 1:
        words.append(
            "Some studies chose a configuration in every fold, others once, on the validation subjects of one fold."
        )
    return words


def _differences(comparison: Comparison) -> Section | None:
    """Differences between studies of one dataset."""
    frame = comparison.differences
    if frame.is_empty():
        return None
    labelled = frame.with_columns(label=pl.format("{} minus {}", "a", "b"))
    titles = {"a": "a", "b": "b", "difference": "a minus b", "low": "95 % from", "high": "to", "p": "p"}
    titles |= {"p_holm": "p (Holm)", "pairing": "pairing", "n_seeds": "training seeds"}
    titles |= {"dataset": "dataset", "folds": "folds", "aus": "AUs"}
    formats = dict.fromkeys(("difference", "low", "high"), text.points) | dict.fromkeys(("p", "p_holm"), p_value)
    shown = table("differences", frame, titles, formats, caption="Differences of test F1, in points.")
    caption = f"Test F1 of one study minus that of another, in points. {difference_words(frame, 'difference')}"
    if labelled.height > SHOWN_PAIRS:
        caption += f" The figure shows the {SHOWN_PAIRS} largest of {labelled.height}."
        # the table has all pairs
        labelled = labelled.sort(pl.col("difference").abs(), descending=True).head(SHOWN_PAIRS)
    drawing = comparison_figures.difference_dots(labelled)
    least = labelled.row(0, named=True)
    alt = f"The first row, {least['label']}, is {text.points(least['difference'])} points."
    block = figure("differences", "Differences of test F1", caption, drawing, shown, 480, alt=alt)
    note = Paragraph(PROTOCOL, "note" if (frame["pairing"] != PAIRED).any() else "plain")
    return Section("differences", "Differences", [note, block])


def aus(comparison: Comparison) -> Section | None:
    """F1 of every study on every AU."""
    frame = comparison.per_au
    if frame.is_empty():
        return None
    caption = f"Test F1 of every AU at threshold 0.5. {interval_words(frame, 'f1')}"
    drawing = comparison_figures.study_dots(frame)
    width = 60 * frame["au"].n_unique() + 120
    block = figure("per-au", "F1 of every AU", caption, drawing, numbers_table("per-au", frame), width)
    return Section("aus", "Every AU", [block])


def scores(comparison: Comparison) -> Section | None:
    """All scores, with any threshold rule and any selection."""
    frame = comparison.scores.filter(pl.col("au").is_null()).drop("au")
    if frame.is_empty():
        return None
    named = frame.with_columns(
        pl.col("metric").replace(METRIC_TITLES),
        pl.col("rule").replace(RULE_TITLES),
        pl.col("selection").replace(SELECTION_TITLES),
    )
    words = (
        "Mean over AUs. A configuration or threshold that was chosen on the test part gives an upper bound; never "
        f"report it as a result. {interval_words(frame)}"
    )
    return Section(
        "scores", "All scores", [Paragraph(words), numbers_table("scores", named, "All scores of all studies.")]
    )


def _cost(comparison: Comparison) -> Section:
    """Trials and time of the searches."""
    formats = {"search": text.duration, "final": text.duration}
    titles = {column: column for column in comparison.costs.columns}
    titles |= {"search": "time of search", "final": "time of final trials"}
    caption = "Trials of the search by their final state, and the total time of all trials."
    return Section("cost", "Search cost", [table("cost", comparison.costs, titles, formats, caption=caption)])


def _settings(comparison: Comparison) -> Section:
    """Settings with different values."""
    frame = comparison.settings
    if frame.is_empty():
        return Section("settings", "Settings that differ", [Paragraph("All settings are the same.")])
    named = zip(frame.columns[1:], comparison.members, strict=True)
    titles = {"setting": "setting"} | {column: member.name for column, member in named}
    words = "Settings of the final trials or, without any, of the study. Settings with equal values are left out."
    shown = table("settings", frame, titles, caption="Settings by study.")
    return Section("settings", "Settings that differ", [Paragraph(words), shown])


def _published_section(comparison: Comparison) -> Section | None:
    """Numbers from the literature for the same datasets, with other protocols."""
    datasets = comparison.standings["dataset"].unique(maintain_order=True)
    shown = [block for dataset in datasets for block in _published(comparison, dataset)]
    return Section("published", "Published numbers", [Paragraph(NOT_RANKED, "note"), *shown]) if shown else None


def _published(comparison: Comparison, dataset: str) -> list[Block]:
    frame = tables.published_rows(dataset)
    if frame.is_empty():
        return []
    columns = [column for column in frame.columns if column.isdigit()]
    members = [member for member in comparison.members if member.dataset == dataset]
    reasons = {member.name: unpublishable(member.verdict, dataset, member.aus) for member in members}
    left = "; ".join(f"{name}, {text.listing(why)}" for name, why in reasons.items() if why)
    notes: list[Block] = [Paragraph(f"Not beside published numbers on {dataset}: {left}.", "note")] if left else []
    if all(reasons.values()):
        return notes
    own = [_own_row(comparison, name, columns) for name, why in reasons.items() if not why]
    own = [row for row in own if row["mean"] is not None]
    mark = pl.when(pl.col("average_inconsistent") == 1).then(pl.format("{} *", "method")).otherwise("method")
    rows = pl.concat([*map(pl.DataFrame, own), frame.with_columns(method=mark)], how="diagonal_relaxed")
    titles = {"method": "method", **{column: f"AU{column}" for column in columns}, "mean": "mean", "source": "source"}
    formats = dict.fromkeys([*columns, "mean"], text.percent)
    marked = frozenset(range(len(own)))
    caption = f"F1 on {dataset}: the studies of this page (highlighted), then the literature by name."
    return [*notes, table(f"published-{dataset}", rows, titles, formats, marked, caption)]


def _own_row(comparison: Comparison, name: str, columns: list[str]) -> dict[str, object]:
    known = dict(comparison.per_au.filter(pl.col("study") == name).select("au", "f1").iter_rows())
    mean = comparison.standings.filter(pl.col("study") == name)["f1"][0]
    scores = {column: known.get(int(column)) for column in columns}
    return {"method": name, **scores, "mean": mean, "source": "this page"}


def _provenance_section(comparison: Comparison) -> Section:
    """Where the numbers come from."""
    rows = [
        (member.name, text.clean(str(what)), text.clean(str(value)))
        for member in comparison.members
        for what, value in [("folder", member.root), *member.provenance.items()]
    ]
    frame = pl.DataFrame(rows, schema=["study", "what", "value"], orient="row")
    asked = [Verbatim(f"Settings of {member.name}", member.spec.to_json().decode()) for member in comparison.members]
    return Section("provenance", "Provenance", [table("provenance", frame, caption="Code, data and commands."), *asked])


SECTIONS = (
    _summary,
    _differences,
    compared_variance,
    aus,
    scores,
    _cost,
    _settings,
    _published_section,
    _provenance_section,
)
