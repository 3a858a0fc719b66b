"""A page that is written again and again while trials run, and served on this machine alone."""

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
DRAWING_S = 30.0  # that a browser may need for the page before it counts the seconds to the next one
WAITING = "<!doctype html><meta charset=utf-8><title>au-study</title><p>No finished trial yet; this page waits for one."
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # On top of the page's own policy: no other page can hold this one.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Live:
    """What is served now; a browser asks again after `every` seconds, unless that is None."""

    content: bytes = WAITING.encode()
    every: float | None = None
    seen: bool = False  # by any browser
    last_seen: threading.Event = field(default_factory=threading.Event)  # the page that will not change any more


@dataclass(frozen=True)
class LivePage:
    """What is watched: how its page is built and where it goes, when it is another one, and when it is the last."""

    build: Callable[[], str]
    path: Path
    state: Callable[[], object]
    is_finished: Callable[[], bool]


@contextmanager
def serving(live: Live, port: int) -> Iterator[str]:
    """Serve `live.content` under the address that is given, and nothing else, until the block ends."""
    try:
        server = ThreadingHTTPServer((HOST, port), _handler(live))
    except (OSError, OverflowError) as error:
        raise InputError(f"port={port}: {error}; give another one, or port=0 for any that is free") from error
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
        """Answers GET and HEAD of `/`, to who asks for this machine by name or number."""

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
            # Another site that names itself 127.0.0.1 (DNS rebinding) sends its own name.
            port = self.connection.getsockname()[1]
            if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
                return 403, b"this page is for this machine alone"
            return (200, live.content) if self.path == "/" else (404, b"there is one page: /")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the terminal shows what happens to the page."""

    return OnePage


def watch(job: LivePage, every: float, port: int, say: Callable[[str], None]) -> None:
    """Write the page and serve it, every `every` seconds until all trials have ended.

    The last page is served until a browser that had an earlier one has it.
    """
    live = Live(every=every)
    with serving(live, port) as address:
        say(f"live page: {address}; Ctrl-C ends it")
        state, said = None, ""
        while True:
            finished, before, state = job.is_finished(), state, job.state()  # in this order: the last page has all
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
    """Write and show the page; a store that gives none, new or damaged, leaves the last one. Returns what is said."""
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
