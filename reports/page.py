"""One self-contained HTML file: sections in, text out; and the page of a study from its result store."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from data.files import write_atomic
from reports.blocks import Section, script_json
from reports.data_section import data
from reports.figures import template
from reports.final_section import final
from reports.pack import packed, policy_hash
from reports.provenance_section import failed, provenance
from reports.published_section import published
from reports.report import Importance, Materials, Report, gather
from reports.search_section import search
from reports.stress_section import stress
from reports.summary import summary
from reports.tables import Results
from reports.transfer_section import transfer
from study.importance import importance as ped_anova

TEMPLATES = Path(__file__).with_name("templates")
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


def render_sections(title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """A page of any sections, under a title and a line of facts, as text."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    plotly, hashed = _plotly()
    script = (TEMPLATES / "page.js").read_text("utf-8")
    return environment.get_template("page.html.j2").render(
        title=title,
        facts=facts,
        sections=sections,
        style=(TEMPLATES / "page.css").read_text("utf-8"),
        looks=script_json({"light": template(dark=False), "dark": template(dark=True)}),
        plotly=plotly,
        script=script,
        hashes=f"{hashed} {policy_hash(script)}",
    )


@cache
def _plotly() -> tuple[str, str]:
    """The drawing library, packed, and its name in the policy of the page."""
    script = get_plotlyjs()
    return packed(script), policy_hash(script)


def _facts(report: Report) -> list[tuple[str, str]]:
    study = report.study
    facts = {name: str(study[name]) for name in ("dataset", "method", "epochs", "seed")}
    folds = "fold" if len(report.folds) == 1 else "folds"
    return [*facts.items(), (folds, ", ".join(report.folds)), ("AUs", ", ".join(str(au) for au in report.aus))]
