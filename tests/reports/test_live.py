"""The live page: one page, for this machine only, updated while trials run, and ended with them."""

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page

from data.errors import InputError
from launch import report
from launch.show.live import HOST, WAITING, Live, LivePage, serving, watch
from study.records.store import StudyStore
from tests.reports.made import made_result, made_study
from tests.reports.test_page_browser import PATIENCE_MS
from tests.reports.test_page_browser import browser as browser
from tests.reports.test_page_browser import pytestmark as in_a_browser

ROOT = Path(__file__).parents[2]


@pytest.fixture
def served() -> Iterator[tuple[Live, int]]:
    live = Live(b"<h1>one page</h1>", every=30)
    with serving(live, 0) as address:
        yield live, int(address.rsplit(":", 1)[1].strip("/"))


def ask(port: int, path: str = "/", method: str = "GET", host: str = "") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(HOST, port)
    connection.request(method, path, headers={"Host": host or f"{HOST}:{port}"})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def test_it_serves_a_page_that_reloads_itself(served: tuple[Live, int]) -> None:
    live, port = served
    status, headers, content = ask(port)
    assert (status, content) == (200, b"<h1>one page</h1>")
    assert headers["Refresh"] == "30"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert "Python" not in headers["Server"]
    live.content, live.every = b"last", None
    status, headers, content = ask(port, host=f"localhost:{port}")
    assert (status, content) == (200, b"last")
    assert "Refresh" not in headers


@pytest.mark.parametrize("path", ["/report.html", "/..", "/?a", "/../../etc/passwd", "/%2e%2e/", "*"])
def test_there_is_no_other_path(path: str, served: tuple[Live, int]) -> None:
    status, _, content = ask(served[1], path)
    assert status == 404
    assert b"the only page is /" in content


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "0.0.0.0"])
def test_other_names_of_this_machine_get_nothing(host: str, served: tuple[Live, int]) -> None:
    status, _, content = ask(served[1], host=host)
    assert status == 403
    assert b"<h1>" not in content


def test_other_methods(served: tuple[Live, int]) -> None:
    assert ask(served[1], method="HEAD")[2] == b""
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        assert ask(served[1], method=method)[0] == 501


def test_a_port_that_is_in_use_or_invalid(served: tuple[Live, int]) -> None:
    for port in (served[1], 70_000):
        with pytest.raises(InputError, match=f"port={port}: .*port=0"), serving(Live(), port):
            pass


class Study:
    """A job whose store has no trial at first; then it gives pages 1, 2 and 3, and the last is final."""

    def __init__(self, folder: Path) -> None:
        self.looks = 0
        self.built: list[str] = []
        self.job = LivePage(self.build, folder / "page.html", lambda: self.looks, self.is_finished)

    def build(self) -> str:
        if self.looks == 1:
            raise InputError("no finished trial yet")
        self.built.append(f"page {self.looks}")
        return self.built[-1]

    def is_finished(self) -> bool:
        self.looks += 1
        return self.looks == 4


def test_it_waits_writes_and_ends_with_the_last_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, said, seen = Study(tmp_path), list[str](), list[tuple[str, bytes]]()

    def sleep(seconds: float) -> None:
        assert seconds == 30
        _, headers, content = ask(int(said[0].split(":")[3].split("/")[0]))
        seen.append((headers["Refresh"], content))

    monkeypatch.setattr(time, "sleep", sleep)
    thread = threading.Thread(target=watch, args=(study.job, 30.0, 0, said.append))
    thread.start()
    while not any("all trials have ended" in line for line in said):
        assert thread.is_alive()
        thread.join(0.02)
    _, headers, content = ask(int(said[0].split(":")[3].split("/")[0]))
    thread.join()
    assert seen == [("30", WAITING.encode()), ("30", b"page 2"), ("30", b"page 3")]
    assert (content, "Refresh" in headers) == (b"page 4", False)
    assert (tmp_path / "page.html").read_text() == "page 4"
    assert said[1:] == [
        "no finished trial yet",
        f"written: {tmp_path / 'page.html'}",
        f"all trials have ended; the last page: {tmp_path / 'page.html'}",
    ]


def test_a_store_that_did_not_change_is_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(tmp_path)
    job = LivePage(study.build, study.job.path, lambda: "same", study.is_finished)
    study.looks = 1
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    watch(job, 30.0, 0, lambda line: None)  # and nobody is waited for, as no browser came
    assert study.built == ["page 2"]


def test_changes_and_the_end_are_detected(tmp_path: Path) -> None:
    store = made_study(tmp_path / "ours", seeds=0)
    before = report.state([store.root])
    assert report.is_finished([store.root])
    begun = made_result("x", 0.5, 9, "sweep", {"part1": ()}, {"seed": 5})
    store.write_progress(begun)
    assert report.state([store.root]) == before
    with store.lock():
        assert store.is_busy()
        assert not report.is_finished([store.root])
    assert not store.is_busy()
    store.write(begun)
    assert report.state([store.root]) != before
    store.open_study(replace(store.spec(), trials=99), free=("trials",))
    assert not report.is_finished([store.root])


def test_ctrl_c_ends_it_and_leaves_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = made_study(tmp_path / "ours", seeds=0, trials=99)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    job = LivePage(lambda: "page", store.report_path, lambda: 0, lambda: False)
    assert report.watched(job, 30.0, 0) == 0
    assert f"stopped; the page stays: {store.report_path}" in capsys.readouterr().out
    assert store.report_path.read_text() == "page"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The real command in its own process, on a study that lacks one trial."""
    made_study(tmp_path / "ours", seeds=0, trials=4)
    words = ["-u", str(ROOT / "launch" / "report.py"), f"runs_root={tmp_path}", "name=ours", "watch=true", "every=5"]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    yield process
    process.kill()
    process.communicate()


def scrolled_to(page: Page, place: int) -> None:
    """Scroll the page; again if it was reloading at that moment, or is still too short."""
    for _ in range(200):
        with suppress(Error):
            page.evaluate(f"scrollTo({{top: {place}, behavior: 'instant'}})")
            if page.evaluate("scrollY") == place:
                return
        page.wait_for_timeout(100)
    raise AssertionError("the page is always being loaded")


@in_a_browser[0]
@in_a_browser[1]
def test_a_browser_follows_a_running_study(browser: Browser, running: subprocess.Popen[str], tmp_path: Path) -> None:
    """The page updates itself, keeps its scroll position, and the command ends with the trials."""
    assert running.stdout is not None
    address = running.stdout.readline().split()[2].rstrip(";")
    assert "written" in running.stdout.readline()
    page = browser.new_context(viewport={"width": 1200, "height": 500}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    requests: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: requests.add(request.url))
    page.goto(address)
    page.get_by_text("The best of 3 trials").wait_for()
    scrolled_to(page, 700)
    result = made_result("ours", 0.9, 9, "sweep", {"part1": ()}, {"optim": {"lr": 0.01}})
    StudyStore(tmp_path / "ours").write(result)
    page.get_by_text("The best of 4 trials").wait_for()
    assert "all trials have ended" in running.stdout.read()
    assert running.wait() == 0
    page.locator("body[data-drawn]").wait_for()
    assert page.evaluate("scrollY") == pytest.approx(700, abs=300), "the reader keeps the place"
    assert complaints == []
    assert requests == {address}
    page.context.close()
