"""The page of a study, one self-contained HTML file, from its result store."""

from pathlib import Path

from data.files import write_atomic
from reports.frames.report import Importance, Materials, StudyReport, report_of
from reports.frames.tables import Results
from reports.html.document import render_sections
from reports.sections.data_section import data_section
from reports.sections.final_section import final_section, validation_section
from reports.sections.partitions_section import variance_section
from reports.sections.provenance_section import failed, provenance_section
from reports.sections.published_section import published_section
from reports.sections.search_section import search_section
from reports.sections.stress_section import stress_section
from reports.sections.summary import summary_section
from reports.sections.transfer_section import transfer_section
from study.search.importance import ped_anova as ped_anova

_SECTIONS = (
    summary_section,
    search_section,
    validation_section,
    final_section,
    variance_section,
    published_section,
    transfer_section,
    stress_section,
    data_section,
    provenance_section,
    failed,
)


def write_report(
    store: Results, path: Path, ped_anova: Importance = ped_anova, materials: Materials | None = None
) -> Path:
    """Write the page of `store` to `path` atomically and return `path`; `InputError` without a finished trial."""
    page = study_page(report_of(store, ped_anova, materials))
    write_atomic(path, page.encode("utf-8", "replace"))
    return path


def study_page(report: StudyReport) -> str:
    """The page of a study as text."""
    # a section without data is left out, not shown empty
    built = [section for build in _SECTIONS if (section := build(report)) is not None]
    return render_sections(report.spec.name, _facts(report), built, report.materials.left_out)


def _facts(report: StudyReport) -> list[tuple[str, str]]:
    spec, folds = report.spec, "fold" if len(report.folds) == 1 else "folds"
    facts = {
        "dataset": spec.dataset,
        "method": spec.method,
        "epochs": str(spec.epochs),
        "seed": str(report.search.seed),
    }
    return [*facts.items(), (folds, ", ".join(report.folds)), ("AUs", ", ".join(map(str, spec.aus)))]
