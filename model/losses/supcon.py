"""Supervised contrastive learning (Khosla et al., arXiv 2004.11362), for each AU separately."""

import torch
from torch import Tensor

from model.losses.numerics import NEVER, coded_mean, full_precision, itself, view_rows
from model.losses.settings import SupconSettings


def supcon_loss(z: Tensor, labels: Tensor, coded: Tensor, settings: SupconSettings, au_weights: Tensor) -> Tensor:
    """The form L_out, for unit embeddings z [B, 2, A, D]; labels and coded [B, A]; au_weights [A].

    Positives of a row are the other view of its frame and both views of all frames with its label; a row that is not
    coded is neither an anchor, nor a positive, nor in a denominator.
    """
    with full_precision(z):
        rows = view_rows(z)
        active, known = labels.bool().T.repeat(1, 2), coded.T.repeat(1, 2)
        similarity = rows @ rows.transpose(1, 2) / settings.temperature  # [A, 2B, 2B]
        others = known.unsqueeze(2) & known.unsqueeze(1) & ~itself(rows)
        positives = others & (active.unsqueeze(2) == active.unsqueeze(1))
        everyone = torch.logsumexp(similarity.masked_fill(~others, NEVER), dim=2)
        mean = (similarity * positives).sum(dim=2) / positives.sum(dim=2).clamp_min(1)
        return coded_mean((everyone - mean).T, known.T, au_weights if settings.class_weights else None)
