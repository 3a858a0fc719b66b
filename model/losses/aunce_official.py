"""AUNCE with the arithmetic of the released code (losses.py, revision 7eca4dc of 2025-01), in logarithms.

Unlike in the `corrected` form, the anchor is among its positives, the mean is divided by the number of rows, one draw
decides for a whole AU, and a row that is not coded is a negative of every coded anchor.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def official_loss(
    z: Tensor,
    labels: Tensor,
    coded: Tensor,
    temperature: float,
    betas: tuple[float, float],
    shares: tuple[float, float],
    generator: torch.Generator,
    weights: Tensor | None,
) -> Tensor:
    """The loss of z [B, 2, A, D]; `betas` of active and inactive anchors, `shares` of max and mean positives."""
    rows = z.permute(2, 1, 0, 3).flatten(1, 2)  # [A, 2N, D], views one after the other
    active, known = labels.bool().T.repeat(1, 2), coded.T.repeat(1, 2)  # [A, 2N]
    similarity = rows @ rows.transpose(1, 2) / temperature
    label = torch.where(known, active.long(), 9)  # 9 for not coded, as in the datasets: it differs from 0 and 1
    same = (label.unsqueeze(2) == label.unsqueeze(1)) & known.unsqueeze(2)
    different = (label.unsqueeze(2) != label.unsqueeze(1)) & known.unsqueeze(2)
    negative = _log_negatives(similarity, different, active, betas)
    row = torch.arange(rows.shape[1], device=rows.device)
    other_view = similarity[:, row, row.roll(len(row) // 2)]
    hardest = similarity.masked_fill(~same, -1e30).amax(dim=2)
    mean = torch.logsumexp(similarity.masked_fill(~same, -1e30), dim=2) - math.log(rows.shape[1])
    draw = torch.rand(len(rows), 1, generator=generator, device=generator.device).to(rows.device)
    # the released code compares one draw with 0.2 (max), then 0.8 (mean), else self
    rest = torch.where(draw < shares[0] + shares[1], mean, other_view)
    positive = torch.where(draw < shares[0], hardest, rest)
    per_au = (functional.softplus(negative - positive) * known).mean(dim=1)
    return (per_au if weights is None else per_au * weights).mean()


def _log_negatives(similarity: Tensor, negatives: Tensor, active: Tensor, betas: tuple[float, float]) -> Tensor:
    """log of the sum over negatives of exp(beta_i S_il) -> [A, 2N]."""
    beta = active.to(similarity.dtype) * (betas[0] - betas[1]) + betas[1]
    return torch.logsumexp((similarity * beta.unsqueeze(2)).masked_fill(~negatives, -1e30), dim=2)
