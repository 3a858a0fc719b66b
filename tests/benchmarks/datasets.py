"""Reading and storing each dataset with all of its labels, and tiny pictures in place of its frames.

    python -m tests.benchmarks.datasets <folder for the trees and stores> [layout:variant ...]

Draws what is missing in the folder (minutes the first time) and prints two Markdown tables. Every step runs in a
process of its own; its memory is watched together with that of its children, of which PyTorch alone is 0.6 GB.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.build import build_store
from data.catalog import read_dataset
from data.doctor.expected import expected
from data.faces.align import locate
from data.frames import Reading
from data.settings import AlignSettings, StoreSettings
from data.synthetic import write_tree

CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("bp4d", "", {}),
    ("bp4d", "lists", {}),
    ("bp4d", "jaa", {}),
    ("disfa", "", {}),
    ("disfa", "", {"camera": "right"}),
    ("disfa", "", {"frame_set": "tracked"}),
    ("disfa", "lists", {}),
    ("gft", "", {}),
    ("affwild2", "", {}),
    ("affwild2", "abaw1", {}),
)
SIZE = 16


def tree(folder: Path, layout: str, variant: str) -> Path:
    """The full tree of `layout`, drawn when it is not there yet."""
    root = folder / f"{layout}-{variant or 'default'}"
    write_tree(layout, root, variant=variant, full=True)
    return root


def read(root: Path, layout: str, options: dict[str, Any]) -> tuple[int, int]:
    """Frames read and frames left out."""
    reading = read_dataset(layout, root, options)
    return reading.table.height, reading.excluded.height


def store(root: Path, layout: str, options: dict[str, Any], codec: str) -> tuple[int, int]:
    """Frames and bytes of the store that is built."""
    reading: Reading = read_dataset(layout, root, options)
    faces = locate(reading, root, AlignSettings(), root.parent / "cache")
    built = build_store(faces, root, root.parent / f"stores-{time.time_ns()}", StoreSettings(SIZE, codec))
    return len(built), sum(path.stat().st_size for path in built.path.rglob("*") if path.is_file())


def measured(step: Callable[..., Any], *arguments: object) -> tuple[Any, float, float]:
    """Result, seconds and peak MB of `step`, run in a process of its own."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[Any, float, float]] = context.Queue()
    process = context.Process(target=_report, args=(results, step, arguments))
    process.start()
    found = results.get()
    process.join()
    return found


def _report(results: Any, step: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    peak, done = [0], threading.Event()

    def watch() -> None:
        over = False
        while not over:
            over = done.wait(0.05)
            peak[0] = max(peak[0], sum(map(resident, family(os.getpid()))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    found = step(*arguments)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    results.put((found, seconds, peak[0] / 1e6))


def family(process: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{process}/task/{process}/children")
    return [process, *map(int, children.read_text().split())]


def resident(process: int) -> int:
    """Bytes of memory of a process, its share of what several use counted once; 0 when it is gone."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def name(layout: str, variant: str, options: dict[str, Any]) -> str:
    """How a case is called in the tables."""
    return " ".join([layout, variant, *(f"{key}={value}" for key, value in options.items())]).strip()


def main(folder: Path, wanted: list[str]) -> None:
    """Measure and print."""
    cases = [case for case in CASES if not wanted or ":".join(case[:2]).rstrip(":") in wanted]
    print(
        "| dataset, variant | frames read | left out | frames expected | seconds | peak MB |\n|---|---|---|---|---|---|"
    )
    for layout, variant, options in cases:
        (frames, left_out), seconds, memory = measured(read, tree(folder, layout, variant), layout, options)
        known = expected(layout, options, "precropped")
        total = f"{known.frames:,}" if known and known.frames else "-"
        row = (
            name(layout, variant, options),
            f"{frames:,}",
            f"{left_out:,}",
            total,
            f"{seconds:.1f}",
            f"{memory:,.0f}",
        )
        print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n| store at {SIZE} px | codec | frames | seconds | peak MB, all processes | bytes a frame |")
    print("|---|---|---|---|---|---|")
    for layout in dict.fromkeys(case[0] for case in cases):
        for codec in ("raw", "jpeg"):
            root = tree(folder, layout, "")
            (frames, size), seconds, memory = measured(store, root, layout, {}, codec)
            numbers = (f"{frames:,}", f"{seconds:.1f}", f"{memory:,.0f}", f"{size / frames:.0f}")
            print(f"| {' | '.join((layout, codec, *numbers))} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
