"""One self-contained HTML file: sections in, text out; and the page of a study from its result store."""

from pathlib import Path

from data.files import write_atomic
from reports.frames.report import Importance, Materials, Report, gather
from reports.frames.tables import Results
from reports.html.document import render_sections
from reports.sections.data_section import data
from reports.sections.final_section import final
from reports.sections.provenance_section import failed, provenance
from reports.sections.published_section import published
from reports.sections.search_section import search
from reports.sections.stress_section import stress
from reports.sections.summary import summary
from reports.sections.transfer_section import transfer
from study.search.importance import importance as ped_anova

SECTIONS = (summary, search, final, published, transfer, stress, data, provenance, failed)


def write_report(
    store: Results, path: Path, importance: Importance = ped_anova, materials: Materials | None = None
) -> Path:
    """Write the page of `store` to `path`, whole or not at all, and return `path`; `InputError` without a trial."""
    page = render(gather(store, importance, materials))
    write_atomic(path, page.encode("utf-8", "replace"))
    return path


def render(report: Report) -> str:
    """The page of a study as text."""
    built = [section for build in SECTIONS if (section := build(report)) is not None]
    return render_sections(str(report.study["name"]), _facts(report), built)


def _facts(report: Report) -> list[tuple[str, str]]:
    study = report.study
    facts = {name: str(study[name]) for name in ("dataset", "method", "epochs", "seed")}
    folds = "fold" if len(report.folds) == 1 else "folds"
    return [*facts.items(), (folds, ", ".join(report.folds)), ("AUs", ", ".join(str(au) for au in report.aus))]
