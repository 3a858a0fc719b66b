"""Are copies found, are others left alone, and at what cost? Perceptual hashes of drawn faces, changed and matched.

    python -m tests.benchmarks.near_frames [--people 24] [--size 128] [--frames 150000]

Prints three Markdown tables. Of the same pictures after a change: by how many bits hashes differ, the share that is
near, and how many people are tied. Of other people in one layout: the least distance, and people tied (none should
be). And the seconds of hashing 1,000 pictures of 256 px twice, as a build does, beside encoding them, and of
matching two sets of `--frames` hashes in which 40 people drift as in a video: other people, and a copy of all with
3 % of the bits flipped.
"""

import argparse
import io
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from data.media import encode_jpeg, iter_video
from data.near_frames import HASH_BYTES, NEAR, Hashed, distances, near_people, picture_hash
from data.seeds import numpy_generator
from tests.data.copies import drawn_faces, write_h264

LAYOUTS = ("bp4d", "disfa", "gft")
SHOTS, PEOPLE, HASHED = 6, 40, 1_000
Frames = Sequence[np.ndarray]


def each(change: Callable[[Image.Image], Image.Image]) -> Callable[[Frames], Frames]:
    """A change of single pictures as one of several."""
    return lambda frames: [np.asarray(change(Image.fromarray(frame))) for frame in frames]


def jpeg(quality: int) -> Callable[[Frames], Frames]:
    """Saved as JPEG once more."""
    return each(lambda image: Image.open(io.BytesIO(encode_jpeg(np.asarray(image), quality))).convert("RGB"))


def h264(quality: int) -> Callable[[Frames], Frames]:
    """Encoded as a video; `quality` is the crf."""

    def encoded(frames: Frames) -> Frames:
        with tempfile.TemporaryDirectory() as folder:
            write_h264(Path(folder) / "x.mp4", np.stack(frames), quality)
            return list(iter_video(Path(folder) / "x.mp4"))

    return encoded


def scaled(share: float) -> Callable[[Frames], Frames]:
    """Resized."""
    return each(lambda image: image.resize((round(image.width * share), round(image.height * share))))


def cut(share: float) -> Callable[[Frames], Frames]:
    """Cut by a share of the side at each edge, and resized."""

    def inner(image: Image.Image) -> Image.Image:
        x, y = share * image.width, share * image.height
        return image.resize(image.size, Image.Resampling.BILINEAR, (x, y, image.width - x, image.height - y))

    return each(inner)


CHANGES: dict[str, Callable[[Frames], Frames]] = {
    "JPEG, quality 60": jpeg(60),
    "JPEG, quality 30": jpeg(30),
    "h264, crf 23": h264(23),
    "h264, crf 32": h264(32),
    "half the size": scaled(0.5),
    "twice the size": scaled(2),
    "brighter by 10 %": each(lambda image: image.point(lambda value: min(255, round(1.1 * value)))),
    "blurred by 1 px": each(lambda image: image.filter(ImageFilter.GaussianBlur(1))),
    "moved by 1 px": lambda frames: [np.roll(frame, (1, 1), (0, 1)) for frame in frames],
    "cut by 2 %": cut(0.02),
    "cut by 5 %": cut(0.05),
}


def hashed(people: Sequence[Frames]) -> Hashed:
    """The hashes of the frames of each person."""
    numbers = np.repeat(np.arange(len(people)), [len(frames) for frames in people])
    return Hashed(np.stack([picture_hash(frame) for frames in people for frame in frames]), numbers)


def least_distance(of: Hashed) -> int:
    """The least distance between pictures of two people."""
    bits = np.unpackbits(of.hashes, axis=1).astype(np.float32)
    apart = bits @ (1 - bits).T + (1 - bits) @ bits.T
    return int(apart[of.people[:, None] != of.people[None]].min())


def drifting(frames: int, seed: int) -> Hashed:
    """Hashes that drift as in a video, of `PEOPLE` people around one mean face."""
    rng, mean = numpy_generator("people", seed), numpy_generator("mean face").normal(0, 1, 8 * HASH_BYTES)
    parts = []
    for _ in range(PEOPLE):
        drift = rng.normal(0, 0.05, (frames // PEOPLE, 8 * HASH_BYTES)).cumsum(axis=0)
        parts.append(np.packbits(mean + rng.normal(0, 0.8, 8 * HASH_BYTES) + drift > 0, axis=1))
    return Hashed(np.concatenate(parts), np.repeat(np.arange(PEOPLE), frames // PEOPLE))


def flipped(of: Hashed, share: float) -> Hashed:
    """The hashes with a share of their bits flipped."""
    wrong = numpy_generator("flipped").random((len(of.hashes), 8 * HASH_BYTES)) < share
    return Hashed(of.hashes ^ np.packbits(wrong, axis=1), of.people)


def seconds(step: Callable[[], object]) -> float:
    """Seconds of the processor."""
    started = time.process_time()
    step()
    return time.process_time() - started


def print_changes(people: Sequence[Frames]) -> None:
    """The same pictures after each change."""
    of = hashed(people)
    print(
        f"| the same pictures | bits, mean | 95 % | most | near (<= {NEAR}) | people tied |\n|---|---|---|---|---|---|"
    )
    for name, change in CHANGES.items():
        again = hashed([change(frames) for frames in people])
        bits, tied = distances(of.hashes, again.hashes), near_people(of, again)
        found = int((tied["person"] == tied["other"]).sum())
        numbers = f"{bits.mean():.1f} | {np.percentile(bits, 95):.0f} | {bits.max()} | {(bits <= NEAR).mean():.1%}"
        print(f"| {name} | {numbers} | {found} of {len(people)} |", flush=True)


def print_others(layouts: Mapping[str, Sequence[Frames]]) -> None:
    """Other people of the same layout."""
    print("\n| other people | people | least bits | people tied |\n|---|---|---|---|")
    for layout, people in layouts.items():
        of = hashed(people)
        print(f"| {layout} | {len(people)} | {least_distance(of)} | {near_people(of, of).height} |", flush=True)


def print_cost(picture: np.ndarray, frames: int) -> None:
    """Seconds of hashing and of matching."""
    large = np.asarray(Image.fromarray(picture).resize((256, 256)))
    one, other = drifting(frames, 1), drifting(frames, 2)
    copy = flipped(one, 0.03)
    steps: dict[str, Callable[[], object]] = {
        f"hash {HASHED:,} pictures twice, 256 px": lambda: [picture_hash(large) for _ in range(2 * HASHED)],
        f"encode {HASHED:,} as JPEG": lambda: [encode_jpeg(large, 95) for _ in range(HASHED)],
        f"match {frames:,} x {frames:,}, other people": lambda: near_people(one, other),
        f"match {frames:,} x {frames:,}, a copy": lambda: near_people(one, copy),
        f"match {frames:,} with themselves": lambda: near_people(one, one),
    }
    print("\n| step | seconds of one core | MB, most so far |\n|---|---|---|")
    for name, step in steps.items():
        spent = seconds(step)
        print(f"| {name} | {spent:.2f} | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} |", flush=True)


def main(people: int, size: int, frames: int) -> None:
    """Measure and print."""
    layouts = {layout: [list(shots) for shots in drawn_faces(layout, people, SHOTS, size)] for layout in LAYOUTS}
    every = [shots for drawn in layouts.values() for shots in drawn]
    print_changes(every)
    print_others(layouts)
    print_cost(every[0][0], frames)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--frames", type=int, default=150_000)
    main(**vars(parser.parse_args()))
