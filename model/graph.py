"""The relation graph of AUs: one graph layer on the features of all AUs of a face."""

import torch
from torch import Tensor, nn

from data.errors import InputError
from data.seeds import seed_for


class RelationGraph(nn.Module):
    """x = ReLU(x + BN(A V x + U x)), where the graph A of each face follows from the features of that face.

    As in AUNCE and ME-GraphAU. Where the papers are not clear, we chose: an AU may be its own neighbour; AUs with equal
    similarity are all neighbours; the degree is the number of an AU's own neighbours; and BatchNorm has one mean and
    variance for each AU, over faces and features.
    """

    def __init__(self, aus: int, dim: int, neighbours: int, seed: int) -> None:
        super().__init__()
        if neighbours > aus:
            raise InputError(f"head.neighbours={neighbours}, but there are {aus} AUs; give at most {aus}")
        self.neighbours = neighbours
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for("graph", seed))
            self.others, self.own = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.norm = nn.BatchNorm1d(aus)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, A, D] -> features [B, A, D], all components >= 0."""
        graph = adjacency(x, self.neighbours)
        change: Tensor = self.norm(graph.to(x.dtype) @ self.others(x) + self.own(x))
        return torch.relu(x + change)


@torch.no_grad()
def adjacency(x: Tensor, neighbours: int) -> Tensor:
    """Symmetrically normalised links [B, A, A] of each AU to those with the largest inner products, in fp32."""
    x = x if x.dtype == torch.float64 else x.float()
    with torch.autocast(x.device.type, enabled=False):
        likeness = x @ x.mT
    # a threshold, because topk does not define which of equal values it picks
    linked = (likeness >= likeness.topk(neighbours, dim=2).values[..., -1:]).to(x.dtype)
    scale = linked.sum(dim=2).rsqrt()
    return scale.unsqueeze(2) * linked * scale.unsqueeze(1)
