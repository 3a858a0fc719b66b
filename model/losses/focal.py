"""Focal loss (Lin et al., arXiv 1708.02002) on the logits of every AU."""

from torch import Tensor
from torch.nn import functional

from model.losses.numerics import coded_mean, full, full_precision
from model.losses.settings import FocalSettings


def focal_loss(logits: Tensor, labels: Tensor, coded: Tensor, settings: FocalSettings, au_weights: Tensor) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log p_t of logits [B, V, A]; labels and coded [B, A], au_weights [A]."""
    with full_precision(logits):
        # in logarithms: the probability of a badly predicted label rounds to 0, and its log would be infinite
        log_p, log_q = functional.logsigmoid(full(logits)), functional.logsigmoid(-full(logits))
        active = -settings.alpha * (settings.gamma * log_q).exp() * log_p
        inactive = (settings.alpha - 1) * (settings.gamma * log_p).exp() * log_q
        y = labels.unsqueeze(1)
        loss = y * active + (1 - y) * inactive
        return coded_mean(loss, coded.unsqueeze(1), au_weights if settings.class_weights else None)
