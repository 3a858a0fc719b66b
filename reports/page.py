"""One self-contained HTML file from a result store."""

import base64
import hashlib
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from data.files import write_atomic
from reports import sections
from reports.blocks import Section, script_json
from reports.figures import template
from reports.report import Importance, Report, gather
from reports.summary import summary
from reports.tables import Results
from study.importance import importance as ped_anova

TEMPLATES = Path(__file__).with_name("templates")


def write_report(store: Results, path: Path, importance: Importance = ped_anova) -> Path:
    """Write the page of `store` to `path`, whole or not at all, and return `path`; `InputError` without a trial."""
    page = render(gather(store, importance))
    write_atomic(path, page.encode("utf-8", "replace"))
    return path


def render(report: Report) -> str:
    """The page as text."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    plotly, script = get_plotlyjs(), (TEMPLATES / "page.js").read_text("utf-8")
    return environment.get_template("page.html.j2").render(
        title=str(report.study["name"]),
        facts=_facts(report),
        sections=_sections(report),
        style=(TEMPLATES / "page.css").read_text("utf-8"),
        looks=script_json({"light": template(dark=False), "dark": template(dark=True)}),
        plotly=plotly,
        script=script,
        hashes=f"{_hash(plotly)} {_hash(script)}",
    )


def _sections(report: Report) -> list[Section]:
    builders = (
        summary,
        sections.search,
        sections.learning,
        sections.val_aus,
        sections.test_aus,
        sections.final,
        sections.published,
        sections.provenance,
        sections.failed,
    )
    return [section for build in builders if (section := build(report)) is not None]


def _facts(report: Report) -> list[tuple[str, str]]:
    study = report.study
    facts = {name: str(study[name]) for name in ("dataset", "method", "fold", "epochs", "seed")}
    return [*facts.items(), ("AUs", ", ".join(str(au) for au in report.aus))]


def _hash(script: str) -> str:
    """The name under which the page's policy lets a script run; no other script does."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
