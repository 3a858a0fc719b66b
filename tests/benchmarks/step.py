"""A training step of the large backbones, against the same step written without any care for speed.

    python -m tests.benchmarks.step [backbone ...]          default: resnet50 swin_b

Prints a Markdown table of images/s (two views count as two) for a forward, backward and optimizer step of AUNCE on
224 px crops, on the GPU if there is one. Naive is fp32 with the channels first, each view by itself, the published
formula of the loss, and AdamW one tensor after the other. Medians over interleaved rounds.
"""

import statistics
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from data.seeds import generator
from model.detector import Detector
from model.embedding import view_embedding
from model.losses.aunce import aunce_loss
from model.losses.settings import AunceSettings
from model.settings import BackboneSettings, HeadSettings
from tests.benchmarks._timing import median_ratio, timed_rounds
from tests.benchmarks.loss import published

CROP, ROUNDS = 224, 3
FRAMES = {"cpu": 4, "cuda": 64}
AUS = tuple(range(12))
Step = Callable[[], None]


def naive(detector: Detector, views: Tensor, labels: Tensor) -> Step:
    """The step as one would write it first."""
    detector.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.AdamW(detector.parameters(), foreach=False)
    backbone, coded = detector.backbone, torch.ones_like(labels).bool()

    def embed(view: Tensor) -> Tensor:
        maps = backbone.features((view - backbone.mean) / backbone.std)
        tokens = maps.flatten(1, 2) if backbone.channels_last_output else maps.flatten(2).transpose(1, 2)
        z: Tensor = detector.head(tokens)
        return z

    def step() -> None:
        z = torch.stack([embed(views[:, view].contiguous()) for view in range(2)], dim=1)
        optimizer.zero_grad()
        published(z.float(), labels, coded, generator("kinds")).backward()
        optimizer.step()

    return step


def ours(detector: Detector, views: Tensor, labels: Tensor, bf16: bool, compile: bool) -> Step:
    """The step as `model.fit` takes it."""
    optimizer = torch.optim.AdamW(detector.parameters(), fused=views.is_cuda)
    embed = view_embedding(detector, separate=False, compile=compile, checkpointing=False)
    settings, coded = AunceSettings(), torch.ones_like(labels).bool()

    def step() -> None:
        with torch.autocast(views.device.type, torch.bfloat16, enabled=bf16):
            loss = aunce_loss(embed(views), labels, coded, settings, generator("kinds"))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def steps(name: str, device: str) -> dict[str, Step]:
    """The variants, each with a detector of its own."""
    views = torch.rand(FRAMES[device], 2, 3, CROP, CROP, generator=generator("views")).to(device)
    labels = (torch.rand(FRAMES[device], len(AUS), generator=generator("labels")) < 0.35).float().to(device)

    def detector() -> Detector:
        made = Detector(AUS, CROP, BackboneSettings(name), HeadSettings(dim=1024), seed=0).to(device)
        return made.train()

    found = {
        "naive fp32": naive(detector(), views, labels),
        "ours fp32": ours(detector(), views, labels, bf16=False, compile=False),
        "ours bf16": ours(detector(), views, labels, bf16=True, compile=False),
    }
    if device == "cuda":
        found["ours bf16, compiled"] = ours(detector(), views, labels, bf16=True, compile=True)
    return {name: _waiting(step) if device == "cuda" else step for name, step in found.items()}


def _waiting(step: Step) -> Step:
    def wait() -> None:
        step()
        torch.cuda.synchronize()

    return wait


def main(names: list[str]) -> None:
    """Measure and print."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"| {device}, {2 * FRAMES[device]} images of {CROP} px a step | images/s | times naive |\n|---|---|---|")
    for name in names:
        taken = timed_rounds(steps(name, device), ROUNDS)
        for variant, seconds in taken.items():
            speed = 2 * FRAMES[device] / statistics.median(seconds)
            print(f"| {name}, {variant} | {speed:.1f} | {median_ratio(seconds, taken['naive fp32']):.2f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["resnet50", "swin_b"])
