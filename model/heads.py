"""The head: tokens -> one embedding for each AU."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from data.seeds import seed_for
from model.graph import RelationGraph
from model.settings import HeadSettings


class AuHead(nn.Module):
    """Linear + BatchNorm + ReLU for each AU on every token, mean over tokens, relation graph, unit length.

    With `flatten` all tokens form one long token: many more weights, but a small network needs far fewer steps to learn
    which part of an aligned face matters.
    """

    def __init__(self, channels: int, tokens: int, aus: int, settings: HeadSettings, seed: int) -> None:
        super().__init__()
        self.aus, self.dim, self.flatten = aus, settings.dim, settings.pool == "flatten"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for("head", seed))
            # no bias: BatchNorm subtracts the mean, and any bias with it
            self.linear = nn.Linear(channels * (tokens if self.flatten else 1), aus * settings.dim, bias=False)
        self.norm = nn.BatchNorm1d(aus * settings.dim)
        self.graph = RelationGraph(aus, settings.dim, settings.neighbours, seed) if settings.neighbours else None

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, C] -> unit embeddings [B, A, D], all components >= 0."""
        tokens = tokens.flatten(1).unsqueeze(1) if self.flatten else tokens
        features = torch.relu(self.norm(self.linear(tokens).flatten(0, 1)))
        pooled = features.view(*tokens.shape[:2], self.aus, self.dim).mean(dim=1)
        if self.graph is not None:
            pooled = self.graph(pooled)
        return functional.normalize(pooled.float(), dim=2)  # in bf16 a length of 1 has an error of 0.4 %
