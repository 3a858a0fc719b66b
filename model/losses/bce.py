"""Binary cross-entropy on the logits of every AU: the supervised baseline, plain or weighted."""

from torch import Tensor
from torch.nn import functional

from model.losses.numerics import coded_mean, full, full_precision
from model.losses.settings import BceSettings


def masked_bce(
    logits: Tensor,
    labels: Tensor,
    coded: Tensor,
    pos_weight: Tensor | None = None,
    au_weights: Tensor | None = None,
) -> Tensor:
    """Mean binary cross-entropy over coded labels; logits, labels and coded [..., A], the weights [A]."""
    with full_precision(logits):
        logits = full(logits)
        loss = functional.binary_cross_entropy_with_logits(
            logits, labels.to(logits.dtype), pos_weight=pos_weight, reduction="none"
        )
        return coded_mean(loss, coded, au_weights)


def bce_loss(
    logits: Tensor, labels: Tensor, coded: Tensor, settings: BceSettings, base_rates: Tensor, au_weights: Tensor
) -> Tensor:
    """Cross-entropy of the logits [B, V, A] of every view; labels and coded [B, A]; rates and weights [A]."""
    smooth = labels.to(full(logits).dtype) * (1 - settings.label_smoothing) + settings.label_smoothing / 2
    target, mask = smooth.unsqueeze(1).expand_as(logits), coded.unsqueeze(1).expand_as(logits)
    pos_weight = ((1 - base_rates) / base_rates) ** settings.balance
    return masked_bce(logits, target, mask, pos_weight, au_weights if settings.class_weights else None)
