"""Asymmetric loss (Ridnik et al., arXiv 2009.14119), and ME-GraphAU's form of it (Luo et al., arXiv 2205.01782).

ME-GraphAU's is the special case `gamma_active=0 gamma_inactive=1 margin=0 class_weights=true`; there the probability
is a cosine, from `model.detector.CosineClassifier`.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from model.losses.numerics import coded_mean, full, full_precision
from model.losses.settings import AsymmetricSettings


def asymmetric_loss(
    logits: Tensor, labels: Tensor, coded: Tensor, settings: AsymmetricSettings, au_weights: Tensor
) -> Tensor:
    """-(1 - p)^g+ log p if active, -q^g- log(1 - q) with q = max(p - margin, 0) if not.

    Logits [B, V, A] of p; labels and coded [B, A]; au_weights [A].
    """
    with full_precision(logits):
        log_p, log_rest = functional.logsigmoid(full(logits)), functional.logsigmoid(-full(logits))
        active = -(settings.gamma_active * log_rest).exp() * log_p
        y = labels.unsqueeze(1)
        loss = y * active + (1 - y) * _inactive(log_p, log_rest, settings)
        return coded_mean(loss, coded.unsqueeze(1), au_weights if settings.class_weights else None)


def _inactive(log_p: Tensor, log_rest: Tensor, settings: AsymmetricSettings) -> Tensor:
    if settings.margin == 0:
        return -(settings.gamma_inactive * log_p).exp() * log_rest
    moved = (log_p.exp() - settings.margin).clamp_min(1e-8)  # x^gamma has no gradient at 0
    log_kept = torch.logaddexp(log_rest, torch.full_like(log_rest, math.log(settings.margin)))
    # clamped: 1 - p + margin is above 1 where p < margin, and such a label must add no loss
    return -(moved**settings.gamma_inactive) * log_kept.clamp_max(0)
