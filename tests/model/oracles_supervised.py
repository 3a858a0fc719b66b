"""Oracles: the supervised losses, one label at a time, written from the papers' formulas."""

import torch
from torch import Tensor

from model.losses.settings import AsymmetricSettings, BceSettings, FocalSettings


def bce(p: Tensor, y: float, settings: BceSettings, rate: float) -> Tensor:
    """Smoothed and weighted cross-entropy of one probability."""
    target = y * (1 - settings.label_smoothing) + settings.label_smoothing / 2
    weight = ((1 - rate) / rate) ** settings.balance
    loss: Tensor = -(weight * target * torch.log(p) + (1 - target) * torch.log(1 - p))
    return loss


def focal(p: Tensor, y: float, settings: FocalSettings, rate: float) -> Tensor:
    """Lin et al., equation 5."""
    p_t, alpha_t = (p, settings.alpha) if y == 1 else (1 - p, 1 - settings.alpha)
    return -alpha_t * (1 - p_t) ** settings.gamma * torch.log(p_t)


def asymmetric(p: Tensor, y: float, settings: AsymmetricSettings, rate: float) -> Tensor:
    """Ridnik et al., equation 7."""
    if y == 1:
        return -((1 - p) ** settings.gamma_active) * torch.log(p)
    moved = torch.relu(p - settings.margin)
    return -(moved**settings.gamma_inactive) * torch.log(1 - moved)
