"""One self-contained HTML file: sections in, text out."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from reports.figures.figures import plotly_template
from reports.html.blocks import Section, script_json
from reports.html.pack import packed, policy_hash

TEMPLATES = Path(__file__).with_name("templates")


def render_sections(
    title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], left_out: Sequence[str] = ()
) -> str:
    """A page of any sections, below a title, a line of facts, and one line for each file that was left out, as text."""
    # autoescape: names in a study come from users and files, and must stay text
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    plotly, hashed = _plotly()
    script = (TEMPLATES / "page.js").read_text("utf-8")
    return environment.get_template("page.html.j2").render(
        title=title,
        facts=facts,
        left_out=left_out,
        sections=sections,
        style=(TEMPLATES / "page.css").read_text("utf-8"),
        looks=script_json({"light": plotly_template(dark=False), "dark": plotly_template(dark=True)}),
        plotly=plotly,
        script=script,
        hashes=f"{hashed} {policy_hash(script)}",
    )


@cache
def _plotly() -> tuple[str, str]:
    """The drawing library, packed, and its hash for the policy of the page."""
    # as a part of the page, not from a server: the page works without a network, and years later
    script = get_plotlyjs()
    return packed(script), policy_hash(script)
