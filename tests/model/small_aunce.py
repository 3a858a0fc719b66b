"""Seeded batches, settings and comparisons for the tests of AUNCE."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data.seeds import generator
from model.losses.aunce import Centroids, aunce_loss
from model.losses.settings import AunceSettings, Ratios

SELF, MAX, MEAN = Ratios(self=1, max=0, mean=0), Ratios(self=0, max=1, mean=0), Ratios(self=0, max=0, mean=1)
CENTROID = Ratios(self=0, max=0, mean=0, centroid=1)
MIXED, FOUR = Ratios(self=0.3, max=0.3, mean=0.4), Ratios(self=0.2, max=0.3, mean=0.2, centroid=0.3)
PURE = {"self": SELF, "max": MAX, "mean": MEAN}
SHAPES = [(2, 1, 2), (4, 3, 5), (6, 2, 4), (5, 4, 3)]

Batch = tuple[Tensor, Tensor, Tensor]  # z, labels, coded


def batch(
    seed: int, frames: int, aus: int, dim: int, unknown: float = 0.3, dtype: torch.dtype = torch.float64
) -> Batch:
    g = generator("aunce batch", seed)
    z = normalize(torch.randn(frames, 2, aus, dim, generator=g, dtype=torch.float64), dim=3).to(dtype)
    coded = torch.rand(frames, aus, generator=g) >= unknown
    labels = (torch.rand(frames, aus, generator=g) < 0.5) & coded
    return z.requires_grad_(), labels.to(torch.float64), coded


def centroids_of(aus: int, dim: int, *labels: int) -> Centroids:
    """Centroids of every AU; a batch has updated those of `labels`."""
    centroids = Centroids(aus, dim, 0.9).double()
    centroids.means.copy_(torch.randn(aus, 2, dim, generator=generator("means")))
    centroids.seen[:, list(labels)] = True
    return centroids


def loss_of(
    data: Batch,
    settings: AunceSettings,
    weights: Tensor | None = None,
    rates: Tensor | None = None,
    centroids: Centroids | None = None,
) -> Tensor:
    return aunce_loss(*data, settings, generator("kinds", 0), weights, rates, centroids)


def value_and_gradient(loss: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def settings(ratios: Ratios = MIXED, temperature: float = 0.3, **more: object) -> AunceSettings:
    return replace(
        AunceSettings(temperature=temperature, beta_active=1.7, beta_inactive=0.6, ratios=ratios),
        **more,  # type: ignore[arg-type]
    )


def same(data: Batch, one: Tensor, other: Tensor) -> None:
    for mine, expected in zip(value_and_gradient(one, data[0]), value_and_gradient(other, data[0]), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-10, rtol=1e-10)
