"""axe-core finds no serious problem on any page, in any theme and width; and pages print completely."""

import re
import zlib
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from launch.show.page import page_of
from reports.page import write_report
from study.records.origin import ORIGIN, Origin
from tests.reports.fake import full_store, some_importance
from tests.reports.made import made_comparison, made_study
from tests.reports.test_page_browser import browser as browser
from tests.reports.test_page_browser import open_page, wait_until
from tests.reports.test_page_browser import pytestmark as pytestmark

PAGES = ("study", "studies", "variants")
CLIPPED = """[...document.querySelectorAll('table')].filter((table) =>
    table.offsetParent && table.scrollWidth > table.closest('.scroll').clientWidth + 1).map((table) => table.id)"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A large study, a comparison of studies, and an ablation of drawn faces with a variant below always-positive."""
    root = tmp_path_factory.mktemp("pages")
    made = [made_study(root / name, skill, fingerprint=name[:1]).root for name, skill in (("aa", 0.7), ("b", 0.6))]
    made.append(made_study(root / "ab", 0.65, method="bce", fingerprint="a").root)
    variants = made_comparison(root / "v", {"aunce": 0.7, "aunce-max-only": 0.1, "bce": 0.71})
    variants.write_provenance({ORIGIN: Origin("disfa", 8, 27, drawn=True).text})
    write_report(full_store(trials=60), root / "study.html", some_importance)
    (root / "studies.html").write_text(page_of(made))
    (root / "variants.html").write_text(page_of([variants.root]))
    return {name: root / f"{name}.html" for name in PAGES}


def violations(page: Page) -> list[str]:
    """Serious and critical findings, with everything unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["testEngine"]["name"] == "axe-core"
    assert len(found["passes"]) > 10
    grave = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['html'][:200]}" for each in grave for node in each["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(
    browser: Browser, paths: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    page, complaints, requests = open_page(browser, paths[name], width, scheme)
    assert complaints == []
    assert requests == [paths[name].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    page.context.close()


def test_axe_finds_a_problem_that_is_there(browser: Browser, paths: dict[str, Path]) -> None:
    page, _, _ = open_page(browser, paths["variants"], 1440, "light")
    page.evaluate("document.querySelector('h1').innerHTML = '<img src=data:,><a href=#x></a>'")
    assert {finding.split(":")[0] for finding in violations(page)} >= {"image-alt", "link-name"}
    page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_it_prints_completely(browser: Browser, paths: dict[str, Path], name: str) -> None:
    page, _, _ = open_page(browser, paths[name], 1440, "dark")
    content = page.pdf(format="A4", prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    assert pages_of(content) > 1
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 less the margins of 12 mm
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    width = "document.querySelector('main').scrollWidth"
    wait_until(page, f"{width} <= 703")  # figures follow the new width
    assert page.evaluate(width) <= 703
    assert page.evaluate(CLIPPED) == []
    page.context.close()


def pages_of(content: bytes) -> int:
    """Pages of a PDF: objects of that type, also in compressed streams."""
    streams = [content]
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            streams.append(zlib.decompress(packed))
        except zlib.error:
            continue
    return sum(len(re.findall(rb"/Type\s*/Page\b", stream)) for stream in streams)
