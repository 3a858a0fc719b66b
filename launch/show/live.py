"""A page that is rewritten while trials run, and served on this machine only."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from data.errors import InputError
from data.files import write_atomic

HOST = "127.0.0.1"
DRAWING_S = 30.0  # extra time for a slow browser to ask for the last page
WAITING = "<!doctype html><meta charset=utf-8><title>au-study</title><p>No finished trial yet; this page waits for one."
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # In addition to the page's own policy: no other page may embed this one.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Live:
    """The content to serve; a browser reloads it after `every` seconds, or never if that is None."""

    content: bytes = WAITING.encode()
    every: float | None = None
    seen: bool = False  # whether a browser has loaded the page
    last_seen: threading.Event = field(default_factory=threading.Event)  # a browser has loaded the last page


@dataclass(frozen=True)
class LivePage:
    """How to build the page, where it goes, a state that changes with it, and whether all trials have ended."""

    build: Callable[[], str]
    path: Path
    state: Callable[[], object]
    is_finished: Callable[[], bool]


@contextmanager
def serving(live: Live, port: int) -> Iterator[str]:
    """Serve only `live.content`, until the block ends; yields the address."""
    try:
        server = ThreadingHTTPServer((HOST, port), _handler(live))
    except (OSError, OverflowError) as error:
        raise InputError(f"port={port}: {error}; give another one, or port=0 for any that is free") from error
    # a browser that keeps its connection open must not block the end
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(live: Live) -> type[BaseHTTPRequestHandler]:
    class OnePage(BaseHTTPRequestHandler):
        """Answers GET and HEAD of `/` for the hosts localhost and 127.0.0.1."""

        server_version, sys_version = "au-study", ""

        def do_GET(self) -> None:
            last = live.every is None
            if self._answer(body=True) == 200:
                live.seen = True
                if last:
                    live.last_seen.set()

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, body: bool) -> int:
            status, content = self._found()
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            if live.every is not None:
                self.send_header("Refresh", f"{max(live.every, 1):g}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)
            return status

        def _found(self) -> tuple[int, bytes]:
            # A web site that points its own name to 127.0.0.1 (DNS rebinding) sends that name as the host.
            port = self.connection.getsockname()[1]
            if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
                return 403, b"this page is only for this machine"
            return (200, live.content) if self.path == "/" else (404, b"the only page is /")

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing; the terminal shows other messages."""

    return OnePage


def watch(job: LivePage, every: float, port: int, say: Callable[[str], None]) -> None:
    """Write and serve the page, again every `every` seconds, until all trials end.

    If a browser loaded an earlier page, the last page is served until it is loaded as well.
    """
    live = Live(every=every)
    with serving(live, port) as address:
        say(f"live page: {address}; Ctrl-C ends it")
        state, said = None, ""
        while True:
            # `is_finished` first: then the last page contains all trials
            finished, before, state = job.is_finished(), state, job.state()
            if state != before:
                said = _rebuilt(job, live, said, say)
            if finished:
                break
            time.sleep(every)
        live.every = None
        say(f"all trials have ended; the last page: {job.path}")
        if live.seen:
            live.last_seen.wait(2 * every + DRAWING_S)


def _rebuilt(job: LivePage, live: Live, said: str, say: Callable[[str], None]) -> str:
    """Write and serve a new page; a new or damaged study leaves the old page. Returns the last message."""
    try:
        content = job.build().encode("utf-8", "replace")
    except InputError as error:
        words = str(error)
    else:
        write_atomic(job.path, content)
        live.content, words = content, f"written: {job.path}"
    if words != said:
        say(words)
    return words
