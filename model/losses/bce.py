"""Binary cross-entropy on the logits of every AU: the supervised baseline."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from data.errors import raise_all
from data.settings import check_ranges, setting


@dataclass(frozen=True)
class BceSettings:
    """Parameters of the supervised baseline."""

    label_smoothing: float = setting(0.0, "targets become y (1 - s) + s / 2")

    def __post_init__(self) -> None:
        raise_all("method bce:", check_ranges(self, {"label_smoothing": (0.0, 0.5)}))


def masked_bce(logits: Tensor, labels: Tensor, coded: Tensor, pos_weight: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy over coded labels; logits, labels and coded [..., A], pos_weight [A]."""
    loss = functional.binary_cross_entropy_with_logits(
        logits.float(), labels.float(), pos_weight=pos_weight, reduction="none"
    )
    return (loss * coded).sum() / coded.sum().clamp_min(1)


def bce_loss(logits: Tensor, labels: Tensor, coded: Tensor, settings: BceSettings, pos_weight: Tensor | None) -> Tensor:
    """Cross-entropy of the logits [B, V, A] of every view; labels and coded [B, A]."""
    smooth = labels * (1 - settings.label_smoothing) + settings.label_smoothing / 2
    target, mask = smooth.unsqueeze(1).expand_as(logits), coded.unsqueeze(1).expand_as(logits)
    return masked_bce(logits, target, mask, pos_weight)
