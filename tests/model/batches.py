"""Seeded batches for the tests of the losses."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data.seeds import generator


def labels_of(seed: int, frames: int, aus: int, unknown: float = 0.3) -> tuple[Tensor, Tensor]:
    """Labels and coded [B, A]; a share `unknown` is not coded."""
    g = generator("batch labels", seed)
    coded = torch.rand(frames, aus, generator=g) >= unknown
    return ((torch.rand(frames, aus, generator=g) < 0.5) & coded).float(), coded


def normal(seed: int, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers that need a gradient."""
    x = torch.randn(shape, generator=generator("batch", seed), dtype=torch.float64) * scale
    return x.to(dtype).requires_grad_()


def sphere(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Unit vectors [..., D] that need a gradient."""
    return normalize(normal(seed, *shape).detach(), dim=-1).to(dtype).requires_grad_()


def same(mine: Tensor, expected: Tensor, x: Tensor, tolerance: float = 1e-10) -> None:
    """Both losses and their gradients for `x` agree."""
    torch.testing.assert_close(mine.detach(), expected.detach(), atol=tolerance, rtol=tolerance)
    gradients = [torch.autograd.grad(loss, x, retain_graph=True)[0] for loss in (mine, expected)]
    torch.testing.assert_close(*gradients, atol=tolerance, rtol=tolerance)
