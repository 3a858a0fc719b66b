"""Time and memory of the AUNCE loss, forward and backward, against the published formula written down as it stands.

    python tests/benchmarks/loss.py [frames ...]          default: 32 128 512

Prints a Markdown table for 12 AUs with embeddings of length 1024. Times are medians over interleaved rounds. Memory is
the peak of one step above what the process held before it, in a process of its own for each variant.
"""

import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data.seeds import generator
from model.losses.aunce import aunce_loss
from model.losses.settings import AunceSettings

AUS, DIM, ROUNDS = 12, 1024, 7


def published(z: Tensor, labels: Tensor, coded: Tensor, draws: torch.Generator) -> Tensor:
    """The formula of the released code with its constants, one tensor a term; every label must be coded."""
    assert bool(coded.all())
    frames, _, aus, _ = z.shape
    rows = z.permute(2, 1, 0, 3).flatten(1, 2)
    label = labels.T.repeat(1, 2)
    scores = torch.exp(rows @ rows.mT / 0.5)
    same = (label.unsqueeze(2) == label.unsqueeze(1)).float()
    occur, unoccur = (1 - same).clone(), (1 - same).clone()
    occur[label == 0], unoccur[label == 1] = 0, 0
    hardest, mean = (scores * same).amax(dim=2), (scores * same).mean(dim=2)
    other_view = torch.exp((rows[:, :frames] * rows[:, frames:]).sum(dim=2) / 0.5).repeat(1, 2)
    draw = torch.rand(aus, 1, generator=draws).to(z.device)
    positive = torch.where(draw < 0.2, hardest, torch.where(draw < 0.8, mean, other_view))
    negative = (scores**1.2 * occur).sum(dim=2) + (scores**0.8 * unoccur).sum(dim=2)
    return -torch.log(positive / (positive + negative)).mean()


def ours(form: str) -> Callable[..., Tensor]:
    """Our loss in one of its forms."""
    settings = AunceSettings(form=form)
    return lambda z, labels, coded, draws: aunce_loss(z, labels, coded, settings, draws)


VARIANTS: dict[str, Callable[..., Tensor]] = {
    "published formula": published,
    "official form": ours("official"),
    "corrected form": ours("corrected"),
}


def batch(frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings as the head makes them, labels with a third active, everything coded."""
    draws = generator("loss benchmark")
    z = normalize(torch.randn(frames, 2, AUS, DIM, generator=draws).relu_(), dim=3).requires_grad_()
    return z, (torch.rand(frames, AUS, generator=draws) < 0.35).float(), torch.ones(frames, AUS).bool()


def step(name: str, data: tuple[Tensor, Tensor, Tensor]) -> None:
    """One forward and backward."""
    data[0].grad = None
    VARIANTS[name](*data, generator("kinds")).backward()


def seconds(frames: int) -> dict[str, list[float]]:
    """Seconds of every variant, round by round, after one to warm up."""
    data, taken = batch(frames), {name: list[float]() for name in VARIANTS}
    for _ in range(ROUNDS + 1):
        for name, times in taken.items():
            started = time.perf_counter()
            step(name, data)
            times.append(time.perf_counter() - started)
    return {name: times[1:] for name, times in taken.items()}


def megabytes(name: str, frames: int) -> float:
    """Peak memory of one step of a variant, in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (name, frames))


def _peak(name: str, frames: int) -> float:
    step(name, batch(2))  # what torch allocates once
    data = batch(frames)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what is held now
    before = _status("VmRSS")
    step(name, data)
    return (_status("VmHWM") - before) / 1000


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


def main(sizes: list[int]) -> None:
    """Measure and print."""
    print(f"{torch.get_num_threads()} threads, {AUS} AUs, length {DIM}, median of {ROUNDS} rounds\n")
    print("| frames | variant | ms | x published | peak MB | x published |\n|---|---|---|---|---|---|")
    for frames in sizes:
        taken = seconds(frames)
        memory = {name: megabytes(name, frames) for name in VARIANTS}
        for name, times in taken.items():
            ratio = statistics.median(a / b for a, b in zip(times, taken["published formula"], strict=True))
            of_memory = memory[name] / memory["published formula"]
            shown = f"{1000 * statistics.median(times):.1f} | {ratio:.2f} | {memory[name]:.0f} | {of_memory:.2f}"
            print(f"| {frames} | {name} | {shown} |")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [32, 128, 512])
