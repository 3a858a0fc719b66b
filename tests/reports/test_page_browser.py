"""The page in a real browser without a network: figures are drawn, without errors, and fit every screen."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from reports.page import write_report
from tests.reports.fake import add_predictions, full_store, some_importance
from tests.reports.test_page import FIGURES, HOSTILE, SECTIONS

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 120_000.0  # with a slow machine
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
    folder = tmp_path_factory.mktemp("browser")
    store = full_store(folder / "study")
    store.asked = {"name": HOSTILE}
    for row in store.trial_rows:
        row["param/" + HOSTILE] = row.pop("param/method.temperature")
    add_predictions(store)
    return write_report(store, folder / "page.html", some_importance)


def wait_until(page: Page, condition: str, seconds: float = PATIENCE_MS / 1000) -> None:
    """Wait until the condition holds or the time is over; the policy of the page forbids Playwright's own way."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not page.evaluate(condition):
        page.wait_for_timeout(100)


def open_page(browser: Browser, path: Path, width: int, scheme: str) -> tuple[Page, list[str], list[str]]:
    """The page, the errors of the browser, and the addresses it requested."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    context.set_default_timeout(PATIENCE_MS)
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
    heights = page.evaluate("[...document.querySelectorAll('.drawing')].map((drawing) => drawing.scrollHeight)")
    assert len(heights) == len(FIGURES) + 3
    assert min(heights) > 100
    page.context.close()


def test_figures_hold_marks(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    marks = page.evaluate(
        "[...document.querySelectorAll('.drawing')].map((each) => each.querySelectorAll('.trace path, .hm').length)"
    )
    assert min(marks) > 0
    page.context.close()


def test_the_theme_follows_the_setting_of_the_reader(browser: Browser, path: Path) -> None:
    page, complaints, _ = open_page(browser, path, 1440, "light")
    colour = "getComputedStyle(document.querySelector('.xtick text')).fill"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    wait_until(page, f"{colour} !== '{light}'")
    assert page.evaluate(colour) != light
    assert complaints == []
    page.context.close()


def test_only_our_scripts_run(browser: Browser, path: Path) -> None:
    """The policy of the page stops any script on it that is not ours."""
    page, complaints, _ = open_page(browser, path, 1440, "light")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in complaints)
    page.context.close()


def test_a_table_downloads_whole(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    with page.expect_download() as download:
        page.locator("section#summary .under button").first.click()
    assert download.value.suggested_filename == "summary.csv"
    assert Path(download.value.path()).read_text("utf-8").startswith("what,sweep,final")
    page.context.close()


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_a_figure_downloads_as_a_picture_on_white(browser: Browser, path: Path, kind: str, begins: bytes) -> None:
    page, complaints, _ = open_page(browser, path, 1440, "dark")
    with page.expect_download() as download:
        page.locator(f"#figure-test-aus button[data-image={kind}]").click()
    content = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == f"test-aus.{kind}"
    assert content.startswith(begins)
    if kind == "svg":
        assert b"rgb(255, 255, 255)" in content
    assert complaints == []
    page.context.close()


def column(page: Page, name: str, at: int) -> list[str]:
    """The cells of a column of a table, in their order on the page."""
    cells: list[str] = page.locator(f"#table-{name} tbody tr td:nth-child({at})").all_text_contents()
    return cells


def test_tables_sort_by_keyboard_and_announce_it(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    head = page.locator("#table-test-aus th").nth(4)
    before = column(page, "test-aus", 5)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "test-aus", 5) == sorted(before, key=float, reverse=True) != before
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "test-aus", 5) == sorted(before, key=float)
    page.locator("#table-test-aus th button").nth(1).click()
    assert head.get_attribute("aria-sort") is None
    assert column(page, "test-aus", 2) == sorted(column(page, "test-aus", 2))
    page.context.close()


def test_a_column_of_durations_sorts_by_their_length_and_gaps_stay_last(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    page.locator("#figure-history summary").click()
    for at, gap in ((8, ""), (5, "–")):
        page.locator("#table-history th button").nth(at - 1).click()
        if at == 8:
            numbers = page.evaluate(
                "[...document.querySelectorAll('#table-history td:nth-child(8)')].map((each) => +each.dataset.order)"
            )
            assert numbers == sorted(numbers, reverse=True) != [numbers[0]] * len(numbers)
        else:
            cells = column(page, "history", at)
            known = [cell for cell in cells if cell != gap]
            assert cells == known + [gap] * (len(cells) - len(known)) != known
    page.context.close()


def test_the_keyboard_reaches_the_content_first(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    wait_until(page, "document.activeElement.id === 'content'")
    assert page.evaluate("document.activeElement.id") == "content"
    page.context.close()


def test_figures_are_drawn_when_they_come_near_the_screen(browser: Browser, path: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, offline=True)
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script("window.requestIdleCallback = () => 0")
    page.goto(path.as_uri())
    page.locator("#figure-history").scroll_into_view_if_needed()
    page.locator("#figure-history .drawing[data-drawn]").wait_for()
    assert page.locator("#figure-fold-seeds .drawing[data-drawn]").count() == 0
    page.locator("#figure-fold-seeds").scroll_into_view_if_needed()
    page.locator("#figure-fold-seeds .drawing[data-drawn]").wait_for()
    page.close()


def test_hovering_shows_the_number(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    page.locator("#figure-test-aus .drawing").scroll_into_view_if_needed()
    bar = page.locator("#figure-test-aus .bars .point path").first.bounding_box()
    assert bar is not None
    page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] - 8)
    page.locator("#figure-test-aus .hoverlayer text").first.wait_for()
    shown = page.locator("#figure-test-aus .hoverlayer").text_content() or ""
    assert "AU1 inner brow raiser" in shown
    assert column(page, "test-aus", 5)[0] in shown
    page.context.close()


def test_it_prints_light_and_within_the_sheet(browser: Browser, path: Path, tmp_path: Path) -> None:
    page, complaints, _ = open_page(browser, path, 1440, "dark")
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    page.set_viewport_size({"width": 703, "height": 1000})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    wide = "document.documentElement.scrollWidth, ...[...document.querySelectorAll('.drawing .main-svg')]"
    wait_until(page, f"Math.max({wide}.map((svg) => svg.clientWidth)) <= 703")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    widths = page.evaluate("[...document.querySelectorAll('.drawing .main-svg')].map((svg) => svg.clientWidth)")
    assert max(widths) <= 703
    assert complaints == []
    page.context.close()


def test_the_table_of_contents_highlights_the_visible_section(browser: Browser, path: Path) -> None:
    page, _, _ = open_page(browser, path, 1440, "light")
    page.locator("nav a[href='#final']").click()
    page.locator("nav a[href='#figure-test-aus']").wait_for()
    assert page.locator("nav a[href='#figure-history']").is_hidden()
    page.context.close()
