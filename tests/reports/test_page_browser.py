"""The page in a real browser without a network: it draws, stays silent and fits every screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from reports.page import write_report
from tests.reports.fake import full_store, some_importance
from tests.reports.test_page import HOSTILE, SECTIONS

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: install Debian's chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = full_store()
    store.asked = {"name": HOSTILE}
    for row in store.trial_rows:
        row["param/" + HOSTILE] = row.pop("param/method.temperature")
    return write_report(store, tmp_path_factory.mktemp("browser") / "page.html", some_importance)


def open_page(browser: Browser, path: Path, width: int, scheme: str) -> tuple[Page, list[str], list[str]]:
    """The page, the complaints of the browser, and the addresses it asked for."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    page = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.locator("body[data-drawn]").wait_for()
    return page, complaints, requests


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_opens_offline(browser: Browser, path: Path, width: int, scheme: str) -> None:
    page, complaints, requests = open_page(browser, path, width, scheme)
    assert complaints == []
    assert requests == [path.as_uri()]
    for name in SECTIONS:
        assert page.locator(f"section#{name}").is_visible(), name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heights = page.evaluate("[...document.querySelectorAll('[data-spec]')].map((drawing) => drawing.scrollHeight)")
    assert len(heights) == 8
    assert min(heights) > 100
    page.context.close()


def test_figures_hold_marks(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    marks = page.evaluate(
        "[...document.querySelectorAll('[data-spec]')].map((d) => d.querySelectorAll('.trace path').length)"
    )
    assert min(marks) > 0
    page.context.close()


def test_the_theme_follows_the_reader(browser: Browser, path: Path) -> None:
    page, complaints, _ = open_page(browser, path, 1440, "light")
    colour = "getComputedStyle(document.querySelector('.xtick text')).fill"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    assert page.evaluate(colour) != light
    assert complaints == []
    page.context.close()


def test_only_our_scripts_run(browser: Browser, path: Path) -> None:
    """The policy of the page stops a script that stands on it without being ours."""
    page, complaints, _ = open_page(browser, path, 1440, "light")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in complaints)
    page.context.close()


def test_a_table_downloads_whole(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    with page.expect_download() as download:
        page.locator("section#summary .under a").first.click()
    assert download.value.suggested_filename == "summary.csv"
    assert Path(download.value.path()).read_text("utf-8").startswith("what,sweep,final")
    page.context.close()
