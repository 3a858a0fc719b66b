"""A detector: backbone, per-AU head and a linear classifier for each AU."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.backbone import build_backbone
from model.heads import AuHead
from model.norm import on_domains, split_norms
from model.settings import BackboneSettings, HeadSettings


class AuClassifier(nn.Module):
    """One linear classifier per AU on that AU's embedding."""

    def __init__(self, aus: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(aus, dim))  # a convex problem: zeros are a start without a seed
        self.bias = nn.Parameter(torch.zeros(aus))

    def forward(self, z: Tensor) -> Tensor:
        """Embeddings [..., A, D] -> logits [..., A]."""
        return (z * self.weight).sum(dim=-1) + self.bias


class CosineClassifier(nn.Module):
    """One direction per AU; the probability is its cosine with the embedding, both >= 0 (ME-GraphAU)."""

    def __init__(self, aus: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(aus, dim))

    def forward(self, z: Tensor) -> Tensor:
        """Unit embeddings [..., A, D] -> logits [..., A] of the cosines."""
        cosine = (z * functional.normalize(self.weight.relu(), dim=-1)).sum(dim=-1)
        return torch.logit(cosine, eps=1e-6)  # losses take logits; a cosine of 0 or 1 would be infinite


Classifier = AuClassifier | CosineClassifier


class Detector(nn.Module):
    """Views [B, 3, H, W] in [0, 1] -> unit embeddings [B, A, D] -> logits [B, A].

    With several `domains` every dataset has its own BatchNorms (`model.norm`); `domain` [B], on the CPU, is then the
    dataset of each row, and None stands for a dataset without training frames.
    """

    def __init__(
        self,
        aus: tuple[int, ...],
        crop: int,
        backbone: BackboneSettings,
        head: HeadSettings,
        seed: int,
        weights_file: Path | None = None,
        classifier: Callable[[int, int], Classifier] = AuClassifier,
        domains: int = 1,
    ) -> None:
        super().__init__()
        self.aus = aus
        self.backbone = build_backbone(backbone, seed, weights_file)
        tokens = _token_count(self.backbone, crop)
        self.head = AuHead(self.backbone.channels, tokens, len(aus), head, seed)
        self.classifier = classifier(len(aus), head.dim)
        if domains > 1:
            split_norms(self, domains)

    def embed(self, views: Tensor, domain: Tensor | None = None) -> Tensor:
        """Unit embeddings [B, A, D] of views [B, 3, H, W]."""
        if domain is not None:
            with on_domains(domain, self):
                return self.embed(views)
        z: Tensor = self.head(self.backbone(views))
        return z

    def forward(self, views: Tensor, domain: Tensor | None = None) -> Tensor:
        """Logits [B, A] of views [B, 3, H, W]."""
        logits: Tensor = self.classifier(self.embed(views, domain))
        return logits

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Everything but the classifier."""
        return [*self.backbone.parameters(), *self.head.parameters()]


@torch.no_grad()
def _token_count(backbone: nn.Module, crop: int) -> int:
    backbone.eval()  # an image of zeros must not enter the statistics of BatchNorm
    count: int = backbone(torch.zeros(1, 3, crop, crop)).shape[1]
    backbone.train()
    return count
