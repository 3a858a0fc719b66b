"""SimCLR (Chen et al., arXiv 2002.05709): the two views of a frame against all other frames, without labels.

One projector takes the concatenated embeddings of all AUs.
"""

import torch
from torch import Tensor

from model.companion import Companion, project, projector, width
from model.detector import Detector
from model.losses.numerics import NEVER, full_precision, itself, unit
from model.losses.settings import SimclrSettings


class Simclr(Companion):
    """The projector."""

    def __init__(self, detector: Detector, settings: SimclrSettings, seed: int) -> None:
        super().__init__()
        self.projector = projector(width(detector), settings.hidden, settings.dim, "simclr", seed)

    def forward(self, z: Tensor) -> Tensor:
        """Embeddings [B, V, A, D] -> projections [B, V, P]."""
        return project(self.projector, z)


def nt_xent(projections: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of the other view of a row against all other rows; projections [B, 2, P]."""
    with full_precision(projections):
        rows = unit(projections.transpose(0, 1).flatten(0, 1))  # [2B, P], views one after the other
        similarity = rows @ rows.T / temperature
        everyone = torch.logsumexp(similarity.masked_fill(itself(rows), NEVER), dim=1)
        partner = (rows * rows.roll(len(projections), dims=0)).sum(dim=1) / temperature
        return (everyone - partner).mean()
