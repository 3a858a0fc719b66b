"""Extra parts of a method during training, besides the detector: projectors, buffers, momentum encoders."""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from data.seeds import seed_for
from model.detector import Detector


class Companion(nn.Module):
    """Extra parts of a method; this class itself has none.

    Parameters that require a gradient are trained together with the encoder. All parts are saved in the checkpoints of
    the training; none is in the final detector.
    """

    def after_step(self, detector: Detector) -> None:
        """Called after each step of the optimizer."""


def projector(narrow: int, hidden: int, wide: int, *names: object) -> nn.Sequential:
    """Linear, BatchNorm, ReLU, Linear, initialised from a seed that is made from `names`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("projector", *names))
        return nn.Sequential(
            nn.Linear(narrow, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, wide)
        )


def project(network: nn.Module, z: Tensor) -> Tensor:
    """Embeddings [B, V, A, D] -> one vector per view [B, V, P], from the concatenated embeddings of all AUs."""
    return per_view(network, z.flatten(2))


def per_view(network: nn.Module, vectors: Tensor) -> Tensor:
    """Vectors [B, V, P] -> [B, V, Q]; BatchNorm sees all views at once."""
    out: Tensor = network(vectors.flatten(0, 1)).unflatten(0, vectors.shape[:2])
    return out


def width(detector: Detector) -> int:
    """Length A * D of the concatenated embeddings of all AUs."""
    return len(detector.aus) * detector.head.dim


def put(ring: Tensor, place: Tensor, rows: Tensor) -> Tensor:
    """A copy of `ring` [K, ...] in which `rows` [n, ...] replace the oldest ones, from index `place` on."""
    kept = rows[-len(ring) :]  # a batch may be larger than the ring
    places = (place + torch.arange(len(kept), device=ring.device)) % len(ring)
    return ring.index_copy(0, places, kept)  # a copy: the loss of this step still uses the former ring


class Follower(nn.Module):
    """Momentum encoder: its weights are a moving average of those of encoder and projector (none: `nn.Identity()`)."""

    def __init__(self, detector: Detector, network: nn.Module, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.encoder, self.projector = copy.deepcopy(_encoder(detector)), copy.deepcopy(network)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, views: Tensor) -> Tensor:
        """Views [B, V, 3, H, W] -> projections [B, V, P], with its own BatchNorm statistics."""
        return project(self.projector, self.embed(views))

    @torch.no_grad()
    def embed(self, views: Tensor) -> Tensor:
        """Views [B, V, 3, H, W] -> embeddings [B, V, A, D], not projected."""
        z: Tensor = self.encoder(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return z

    @torch.no_grad()
    def follow(self, detector: Detector, network: nn.Module) -> None:
        """Update every weight: momentum * own + (1 - momentum) * that of `detector` and `network`."""
        leaders = [*_encoder(detector).parameters(), *network.parameters()]
        move = get_ema_multi_avg_fn(self.momentum)
        move(list(self.parameters()), [leader.detach() for leader in leaders], None)


def _encoder(detector: Detector) -> nn.Sequential:
    return nn.Sequential(detector.backbone, detector.head)
