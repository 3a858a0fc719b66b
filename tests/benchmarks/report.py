"""Size of the page, time to build it and to open it, by number of trials: python tests/benchmarks/report.py 10 1000

Every study has a final evaluation with predictions, and lies beside a transfer study of five methods on four datasets.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from data.aus import shared_aus
from data.catalog import CATALOG
from data.seeds import numpy_generator
from reports.page import write_report
from study.experiments.cross_dataset.transfer import Transfer, write_transfer
from study.records.score_table import RULES, scores_frame
from tests.reports.fake import FakeStore, add_predictions, add_scores, full_store
from tests.study.specs import transfer_member, transfer_spec

CHROMIUM = Path("/usr/bin/chromium")
DATASETS = ("bp4d", "disfa", "gft", "affwild2")
METHODS = ("aunce", "clp", "bce", "supcon", "graph_supervised")
FRAMES = 20_000  # of each prediction file
SCROLL = "document.querySelector('.drawing').scrollIntoView()"


def measure(trials: int, folder: Path, frames: int = FRAMES) -> dict[str, float]:
    """MB of the page, seconds to build it by the clock and of the CPU, and until the browser paints and draws."""
    store = study(trials, folder, frames)
    begun, used = time.perf_counter(), time.process_time()
    path = write_report(store, folder / f"{trials}.html")
    built = {"build s": time.perf_counter() - begun, "build CPU s": time.process_time() - used}
    return {"trials": trials, "MB": path.stat().st_size / 1e6, **built, **opened(path)}


def study(trials: int, folder: Path, frames: int) -> FakeStore:
    """A study with everything that a page can show."""
    store = full_store(folder / "fake", trials, counted=False)
    add_predictions(store, frames)
    add_scores(store)
    spec = transfer_spec(*(transfer_member("aunce-ratios", *pair) for pair in product(METHODS, DATASETS)))
    write_transfer(folder / "transfer", Transfer(spec, scores_frame([*_rows(), *_tests()])))
    return store


def _rows() -> Iterator[dict[str, Any]]:
    rng = numpy_generator("benchmark transfer")
    for method, source, target in product(METHODS, DATASETS, DATASETS):
        aus = shared_aus(CATALOG[source].aus, CATALOG[target].aus)
        metrics = [("f1", rule) for rule in RULES] + [
            ("auc", "0.5"),
            ("always_positive", "0.5"),
            ("retention_f1", "0.5"),
        ]
        for kind, (metric, rule), au in product(("pair", "common"), metrics, (*aus, None)):
            value = float(rng.uniform(0.2, 0.9))
            names = {"method": method, "source": source, "target": target, "condition": kind}
            names |= {"aus": " ".join(map(str, aus)), "rule": rule, "metric": metric}
            yield names | {"au": au, "value": value, "low": value - 0.05, "high": value + 0.05}


def _tests() -> Iterator[dict[str, Any]]:
    numbers = {"value": 0.02, "low": -0.01, "high": 0.05, "p": 0.2, "p_holm": 1.0}
    for source, target, a, b in product(DATASETS, DATASETS, METHODS, METHODS):
        if a < b:
            names = {"source": source, "target": target, "rule": "0.5", "metric": "f1", "method": a, "against": b}
            yield names | {"aus": "1 2 4"} | numbers


def opened(path: Path) -> dict[str, float]:
    """Seconds of the browser: first paint, document ready, first figure drawn, all figures drawn."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, offline=True)
        begun = time.perf_counter()
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        page.evaluate(SCROLL)
        page.locator(".drawing[data-drawn]").first.wait_for()
        first = time.perf_counter() - begun
        page.locator("body[data-drawn]").wait_for(timeout=120_000)
        every = time.perf_counter() - begun
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") / 1000
        browser.close()
    return {"paint s": paint, "ready s": ready, "first figure s": first, "all figures s": every}


def main(counts: list[int]) -> None:
    """Print one line a number of trials."""
    for trials in counts:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(trials, Path(folder))
        print(
            "  ".join(
                f"{name} {value:,.2f}" if name != "trials" else f"{value:>6} trials" for name, value in found.items()
            )
        )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [10, 1_000, 10_000])
