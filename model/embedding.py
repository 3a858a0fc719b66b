"""From the views of a training step to embeddings: together or separately, compiled, with less memory."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model.detector import Detector
from model.norm import BatchNorm

Embed = Callable[[Tensor], Tensor]


def view_embedding(detector: Detector, separate: bool, compile: bool, checkpointing: bool) -> Embed:
    """A function from views [B, V, 3, H, W] to unit embeddings [B, V, A, D].

    `separate` views have their own BatchNorm statistics; `checkpointing` keeps few activations and computes the others
    again, with the same result.
    """
    embed = _recomputing(detector) if checkpointing else detector.embed
    chosen = compiled(embed) if compile else embed
    if separate:
        return lambda views: torch.stack([chosen(views[:, view]) for view in range(views.shape[1])], dim=1)
    return lambda views: chosen(views.flatten(0, 1)).unflatten(0, views.shape[:2])


def compiled(embed: Embed) -> Embed:
    """`embed`, compiled at its first call; if the compiler fails, `embed` itself, with a warning."""
    chosen = torch.compile(embed)

    def call(views: Tensor) -> Tensor:
        nonlocal chosen
        try:
            return chosen(views)
        except Exception as error:
            if chosen is embed:  # no error of the compiler
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            warnings.warn(f"optim.compile: the compiler failed, training continues without it: {reason}", stacklevel=2)
            chosen = embed
            return embed(views)

    return call


def _recomputing(detector: Detector) -> Embed:
    segments = _segments(detector.backbone.features)

    def features(images: Tensor) -> Tensor:
        for segment in segments:
            images = checkpoint(segment, images, use_reentrant=False, context_fn=partial(_contexts, segment))
        return images

    def embed(views: Tensor) -> Tensor:
        z: Tensor = detector.head(detector.backbone(views, features))
        return z

    return embed


def _segments(features: nn.Module) -> list[nn.Sequential]:
    """About sqrt(n) segments of the n layers and blocks in a row; none begins with an operation in place."""
    steps: list[list[nn.Module]] = []
    for layer in _in_a_row(features):
        if getattr(layer, "inplace", False):  # it would change the input that checkpointing keeps
            steps[-1].append(layer)
        else:
            steps.append([layer])
    length = math.isqrt(len(steps) - 1) + 1  # sqrt(n) minimises the activations kept: inputs of segments + one segment
    parts = (steps[start : start + length] for start in range(0, len(steps), length))
    return [nn.Sequential(*(layer for step in part for layer in step)) for part in parts]


def _in_a_row(module: nn.Module) -> Iterator[nn.Module]:
    if not isinstance(module, nn.Sequential):
        yield module
        return
    for child in module:
        yield from _in_a_row(child)


def _contexts(segment: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _uncounted(segment)


@contextmanager
def _uncounted(segment: nn.Module) -> Iterator[None]:
    """Keep the running statistics of BatchNorm as they are: the first computation has counted this batch already."""
    norms = [module for module in segment.modules() if isinstance(module, BatchNorm)]
    known = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, known, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
