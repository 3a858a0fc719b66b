"""MoCo (He et al., arXiv 1911.05722; the projector of v2, both directions as in v3), without labels.

Queries come from the encoder, keys from its momentum encoder; the negatives are the keys of the last steps. All views
of a step go through one BatchNorm: MoCo shuffles them between devices, and here there is one.
"""

import torch
from torch import Tensor

from data.seeds import generator
from model.companion import Companion, Follower, project, projector, put, width
from model.detector import Detector
from model.losses.numerics import full_precision, unit
from model.losses.settings import MocoSettings


class Moco(Companion):
    """The projector, the momentum encoder, and the queue of its keys."""

    queue: Tensor  # [K, P] on the unit sphere
    place: Tensor  # index of the oldest key, which the next one replaces

    def __init__(self, detector: Detector, settings: MocoSettings, seed: int) -> None:
        super().__init__()
        self.projector = projector(width(detector), settings.hidden, settings.dim, "moco", seed)
        self.follower = Follower(detector, self.projector, settings.momentum)
        # random unit vectors until the queue is full, as in the paper's code
        keys = torch.randn(settings.queue, settings.dim, generator=generator("moco queue", seed))
        self.register_buffer("queue", unit(keys))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def forward(self, z: Tensor, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys [B, V, P] of a step, and the queue [K, P] before these keys are added."""
        before, keys = self.queue, self.follower(views)
        self.enqueue(unit(keys.flatten(0, 1)))
        return project(self.projector, z), keys, before

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys by `keys` [n, P]."""
        self.queue = put(self.queue, self.place, keys)
        self.place = (self.place + len(keys)) % len(self.queue)

    def after_step(self, detector: Detector) -> None:
        """Update the momentum encoder."""
        self.follower.follow(detector, self.projector)


def moco_loss(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of the other view's key against the queue; queries and keys [B, 2, P], queue [K, P]."""
    with full_precision(queries):
        q, k = unit(queries), unit(keys).flip(1)
        own = (q * k).sum(dim=2, keepdim=True) / temperature
        queued = q @ queue.to(q.dtype).T / temperature
        return (torch.logsumexp(torch.cat([own, queued], dim=2), dim=2) - own.squeeze(2)).mean()
