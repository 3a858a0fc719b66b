"""From stored frames to two views: ours against Pillow and torchvision, images a second on one core, in one run.

    python -m tests.benchmarks.input [--frames 256] [--rounds 9] [--size 256]

The recipe is AUNCE's. Prints a Markdown table of medians over rotated rounds, and the medians of the ratios within
each round to the first row of a group. Warm rows count seconds of CPU, cold ones those of the clock. A cold read
follows `posix_fadvise(DONTNEED)` on every file; what lies below this machine's file system may still hold the bytes.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from data.build import build_store
from data.seeds import generator, numpy_generator
from data.settings import StoreSettings, ViewSettings
from data.store import FrameStore
from data.views import apply_views, draw_views
from data.views_cpu import cpu_views
from tests.benchmarks._timing import median_ratio, timed_rounds
from tests.data.stores import precropped
from tests.data.trees import label_table

BATCH = 32
Step = Callable[[], object]


def draw_pictures(folder: Path, count: int, size: int) -> list[Path]:
    """Smooth colours and some noise, saved as JPEG."""
    rng, paths = numpy_generator("input benchmark"), []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)) + rng.normal(0, 2, (size, size, 3))
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=95)
    return paths


def make_store(paths: list[Path], size: int, folder: Path) -> FrameStore:
    """The store of the pictures."""
    rows = [(f"S{number}", number, path.name) for number, path in enumerate(paths)]
    table = label_table(rows, (1,), "gft", lambda row, au: 0)
    return build_store(precropped(table), paths[0].parent, folder, StoreSettings(size), processes=1)


def torchvision_views(crop: int) -> transforms.Compose:
    """The AUNCE recipe as it is published, for one Pillow image."""
    return transforms.Compose(
        [
            transforms.RandomCrop(crop),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            transforms.RandomGrayscale(0.2),
            transforms.GaussianBlur(3),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )


def decode(path: Path) -> Image.Image:
    """What `Dataset.__getitem__` of most projects begins with."""
    with Image.open(path) as image:
        return image.convert("RGB")


def warm_steps(paths: list[Path], store: FrameStore, crop: int) -> dict[str, Step]:
    """One batch each, from files that the machine holds in memory; the first is the baseline."""
    settings, theirs, draws = ViewSettings(crop=crop), torchvision_views(crop), generator("benchmark")
    rows = numpy_generator("rows").permutation(len(paths))[:BATCH]
    batch = np.zeros((len(rows), store.size, store.size, 3), np.uint8)

    drawn = partial(draw_views, 2 * len(rows), store.size, settings, draws)

    def pillow() -> torch.Tensor:
        pictures = [decode(paths[row]) for row in rows]
        return torch.stack([theirs(picture) for picture in pictures for _ in range(2)])

    return {
        "Pillow + torchvision": pillow,
        "ours, views on the CPU": lambda: cpu_views(store.read(rows), drawn(), crop),
        "ours, views on an accelerator: the CPU's part": lambda: (store.read(rows, out=batch), drawn()),
        "ours, the accelerator's part run on the CPU": lambda: apply_views(torch.from_numpy(batch), drawn(), crop),
        "Pillow, decoding alone": lambda: [np.asarray(decode(paths[row])) for row in rows],
    }


def forget(folder: Path) -> None:
    """Drop the files below `folder` from the page cache."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cold_rounds(paths: list[Path], store: FrameStore, rounds: int) -> dict[str, list[float]]:
    """Seconds to read every frame once, in random order, after its file was dropped from the page cache."""
    order = numpy_generator("cold").permutation(len(paths))
    parts = np.array_split(order, range(BATCH, len(order), BATCH))
    steps: dict[str, tuple[Path, Step]] = {
        "cold: JPEG files, Pillow": (paths[0].parent, lambda: [np.asarray(decode(paths[row])) for row in order]),
        "cold: the store": (store.path, lambda: [store.read(part) for part in parts]),
    }
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        for name, (folder, step) in list(steps.items())[:: 1 if number % 2 else -1]:
            forget(folder)
            started = time.perf_counter()
            step()
            taken[name].append(time.perf_counter() - started)
    return taken


def print_rows(taken: dict[str, list[float]], frames: int) -> None:
    """Images a second of every step, and its ratio to the first."""
    baseline = next(iter(taken.values()))
    for name, seconds in taken.items():
        print(f"| {name} | {frames / statistics.median(seconds):,.0f} | {median_ratio(seconds, baseline):.2f} |")


def main(frames: int, rounds: int, size: int) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    crop = size * 7 // 8
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "jpeg").mkdir()
        paths = draw_pictures(folder / "jpeg", frames, size)
        store = make_store(paths, size, folder / "stores")
        print(f"{frames} frames of {size} px, two views of {crop} px, one core, {rounds} rounds\n")
        print("| | images/s | ratio |\n|---|---|---|")
        print_rows(timed_rounds(warm_steps(paths, store, crop), rounds, time.process_time), min(BATCH, frames))
        print_rows(cold_rounds(paths, store, rounds), frames)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=256, help="side of the stored frames; seven eighths are cropped")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    main(**vars(parser.parse_args()))
