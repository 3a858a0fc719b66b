"""Provenance of the numbers, and the failed trials."""

import json
from collections.abc import Iterator

import polars as pl

from reports.frames import tables, text
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Paragraph, Section, Verbatim, table
from reports.html.columns import numbers_table


def provenance_section(report: StudyReport) -> Section:
    """Code, data, packages, protocol, seeds, and the whole configuration."""
    rows = [(text.clean(str(name)), text.clean(str(value))) for name, value in report.provenance.items()]
    facts = pl.DataFrame([*rows, *_facts(report)], schema={"what": pl.String, "value": pl.String}, orient="row")
    blocks: list[Block] = [table("provenance", facts, caption="Code, data and the latest command"), *_machines(report)]
    parts = (("Search space", report.search.space), ("Resolved configuration", report.spec.config))
    for title, part in parts:
        written = json.dumps(part, indent=2, ensure_ascii=False, default=str)
        blocks.append(Verbatim(title, text.clean(written)))
    return Section("provenance", "Provenance", blocks)


def _facts(report: StudyReport) -> Iterator[tuple[str, str]]:
    yield "seed of the search", str(report.search.seed)
    seeds = sorted(set(report.finals.runs["seed"])) if report.finals.runs.height else []
    if seeds:
        yield "seeds of the final trials", ", ".join(str(seed) for seed in seeds)
    yield "result store", text.clean(str(report.root))


def _machines(report: StudyReport) -> Iterator[Block]:
    """The environments of the trials: more than one row for a fold means that they differ."""
    names = [name for name in report.environments.columns if name != "key"]
    if not names:
        return
    joined = report.trials.select("key", "fold").join(report.environments, on="key", how="left")
    order = ["fold", *(name for name in ("protocol", "host", "device") if name in names)]
    rest = [name for name in names if name not in order]
    frame = joined.group_by(*order, *rest, maintain_order=True).agg(trials=pl.len()).sort(*order)
    shown = frame.select(*order, "trials", *rest)
    yield Paragraph(
        "Machines and software of the trials. The protocol is a hash of the frames, labels, alignment and subjects of "
        "a fold: numbers with different hashes cannot be compared."
    )
    yield numbers_table("environments", shown, "Environments of the trials")


def failed(report: StudyReport) -> Section | None:
    """The failed trials with the last lines of their errors."""
    frame = tables.failures(report.trials)
    if frame.is_empty():
        return None
    words = f"{text.plural(frame.height, 'trial')} failed. No score above includes them."
    shown = table("failed", frame, caption="Failed trials with the last lines of their errors")
    return Section("failed", "Failed trials", [Paragraph(words), shown])
