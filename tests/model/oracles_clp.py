"""Oracles: the two losses of CLP as loops over frames and AUs, written from the docstring of `model.losses.clp`."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def temporal(queries: Tensor, keys: Tensor, margin: float, temperature: float) -> Tensor:
    """InfoNCE within every clip and AU; queries and keys [C, T, A, D]."""
    clips, length, aus, _ = queries.shape
    losses = []
    for clip in range(clips):
        for au in range(aus):
            for t in range(length):
                scores = []
                for u in range(length):
                    similarity = _cosine(queries[clip, t, au], keys[clip, u, au])
                    apart = abs(t - u) / (length - 1) if length > 1 else 0.0
                    scores.append(torch.exp((similarity + margin * apart) / temperature))
                losses.append(-torch.log(scores[t] / sum(scores)))
    return torch.stack(losses).mean()


def reconstructed(code: Tensor, candidates: list[Tensor], neighbours: int, attention: float) -> Tensor:
    """A code [D] from the nearest of the `candidates` [D]."""
    nearest = sorted(candidates, key=lambda other: -float(_cosine(code, other).detach()))[:neighbours]
    weights = [torch.exp(_cosine(code, other) / attention) for other in nearest]
    return sum((w * other for w, other in zip(weights, nearest, strict=True)), torch.zeros(())) / sum(weights)


def cross_identity(
    z: Tensor, subject: Tensor, bank: Tensor, people: Tensor, neighbours: int, attention: float, temperature: float
) -> Tensor:
    """InfoNCE of every code with its own reconstructed code; z [B, A, D], bank [K, A, D]."""
    losses = []
    for au in range(z.shape[1]):
        codes = {}
        for frame in range(len(z)):
            others = [k for k in range(len(bank)) if people[k] not in (-1, subject[frame])]
            if others:
                codes[frame] = reconstructed(z[frame, au], [bank[k, au] for k in others], neighbours, attention)
        for frame in codes:
            scores = {other: torch.exp(_cosine(z[frame, au], code) / temperature) for other, code in codes.items()}
            losses.append(-torch.log(scores[frame] / sum(scores.values())))
    return torch.stack(losses).mean() if losses else z.sum() * 0


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    return normalize(one, dim=0) @ normalize(other, dim=0)
