"""Contrastive learning with hard negatives (Robinson et al., arXiv 2010.04592), for each AU separately.

With labels, negatives are the coded frames of the other label, so none of them is false, and the loss is the mean over
the positives (the other view, and frames of the same label). Without labels the other view is the only positive, all
other frames are negatives, and the expected share `tau_plus` of false negatives among them is subtracted.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from model.losses.numerics import NEVER, coded_mean, full_precision, itself, other_view, view_rows
from model.losses.settings import HardNegativeSettings


def hard_negative_loss(
    z: Tensor, labels: Tensor, coded: Tensor, settings: HardNegativeSettings, au_weights: Tensor
) -> Tensor:
    """Mean over anchors and their positives of -log(e^s / (e^s + negatives)), s the similarity of the pair.

    Unit embeddings z [B, 2, A, D]; labels and coded [B, A]; au_weights [A].
    """
    with full_precision(z):
        rows = view_rows(z)
        similarity = rows @ rows.transpose(1, 2) / settings.temperature  # [A, 2B, 2B]
        positives, negatives = _pairs(rows, labels, coded, settings.labels)
        negative = _log_negatives(similarity, negatives, settings)
        loss = (functional.softplus(negative - similarity) * positives).sum(dim=2)
        loss = loss / positives.sum(dim=2).clamp_min(1)
        anchors = positives.any(dim=2)
        weights = au_weights if settings.labels and settings.class_weights else None
        return coded_mean(loss.T, anchors.T, weights)


def _pairs(rows: Tensor, labels: Tensor, coded: Tensor, supervised: bool) -> tuple[Tensor, Tensor]:
    """Positives and negatives [A, 2B, 2B] of every anchor."""
    if not supervised:
        partner = other_view(rows).expand(len(rows), -1, -1)
        return partner, ~partner & ~itself(rows)
    active, known = labels.bool().T.repeat(1, 2), coded.T.repeat(1, 2)
    both = known.unsqueeze(2) & known.unsqueeze(1)
    same = active.unsqueeze(2) == active.unsqueeze(1)
    return both & same & ~itself(rows), both & ~same


def _log_negatives(similarity: Tensor, negatives: Tensor, settings: HardNegativeSettings) -> Tensor:
    """log of the re-weighted sum over the negatives, for each pair [A, 2B, 2B] or each anchor [A, 2B, 1]."""
    log_count = negatives.sum(dim=2, keepdim=True).clamp_min(1).to(similarity.dtype).log()
    masked = similarity.masked_fill(~negatives, NEVER)
    total = torch.logsumexp((settings.beta * similarity).masked_fill(~negatives, NEVER), dim=2, keepdim=True)
    hard = torch.logsumexp((1 + settings.beta) * masked, dim=2, keepdim=True) - total + log_count
    hard = torch.where(negatives.any(dim=2, keepdim=True), hard, NEVER)
    if settings.labels or settings.tau_plus == 0:
        return hard
    return _debiased(hard, log_count, similarity, settings)


def _debiased(hard: Tensor, log_count: Tensor, similarity: Tensor, settings: HardNegativeSettings) -> Tensor:
    """log of max((hard - tau+ N e^s) / (1 - tau+), N e^(-1 / temperature)); all arguments are logarithms."""
    excess = math.log(settings.tau_plus) + log_count + similarity - hard
    room = excess < -1e-6  # nearer to 0 the difference consists of rounding errors
    # the inner `where` keeps the log of a negative number out of the branch not taken: its gradient would be NaN
    rest = torch.log(-torch.expm1(torch.where(room, excess, -1.0))) + hard - math.log1p(-settings.tau_plus)
    floor = log_count - 1 / settings.temperature
    debiased = torch.where(room, torch.maximum(rest, floor), floor)
    return torch.where(hard > NEVER / 2, debiased, NEVER)
