"""What a method keeps beside the detector while it trains: trained networks, buffers, and copies that follow it."""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from data.seeds import seed_for
from model.detector import Detector


class Companion(nn.Module):
    """On its own, the companion of a method that needs none.

    Parameters that require a gradient are trained together with the encoder. Everything is saved in the checkpoints of
    the training, and nothing of it is part of the final detector.
    """

    def after_step(self, detector: Detector) -> None:
        """Called after each step of the optimizer."""


def projector(narrow: int, hidden: int, wide: int, *names: object) -> nn.Sequential:
    """Linear, BatchNorm, ReLU, Linear; its weights are those of the seed that `names` give."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("projector", *names))
        return nn.Sequential(
            nn.Linear(narrow, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, wide)
        )


def project(network: nn.Module, z: Tensor) -> Tensor:
    """Embeddings [B, V, A, D] -> one vector per view [B, V, P], from the embeddings of all AUs side by side."""
    return per_view(network, z.flatten(2))


def per_view(network: nn.Module, vectors: Tensor) -> Tensor:
    """Vectors [B, V, P] -> [B, V, Q]; BatchNorm sees all views at once."""
    out: Tensor = network(vectors.flatten(0, 1)).unflatten(0, vectors.shape[:2])
    return out


def width(detector: Detector) -> int:
    """Length A * D of the embeddings of all AUs side by side."""
    return len(detector.aus) * detector.head.dim


def put(ring: Tensor, place: Tensor, rows: Tensor) -> Tensor:
    """A copy of `ring` [K, ...] in which `rows` [n, ...] stand from `place` on, where the oldest were."""
    kept = rows[-len(ring) :]
    places = (place + torch.arange(len(kept), device=ring.device)) % len(ring)
    return ring.index_copy(0, places, kept)


class Follower(nn.Module):
    """A copy of the encoder and a projector (none: `nn.Identity()`) whose weights are the moving average of theirs."""

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
        """Move every weight by 1 - momentum of the way."""
        leaders = [*_encoder(detector).parameters(), *network.parameters()]
        move = get_ema_multi_avg_fn(self.momentum)
        move(list(self.parameters()), [leader.detach() for leader in leaders], None)


def _encoder(detector: Detector) -> nn.Sequential:
    return nn.Sequential(detector.backbone, detector.head)
