"""Focal loss (Lin et al., arXiv 1708.02002) on the logits of every AU."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from data.errors import raise_all
from data.settings import check_ranges, setting
from model.losses.numerics import coded_mean, full, full_precision


@dataclass(frozen=True)
class FocalSettings:
    """Parameters of the focal loss.

    The paper's alpha of 0.25 is for one object among thousands of boxes. It keeps the probabilities of AUs below the
    field's threshold of 0.5: both classes weigh alike by default.
    """

    gamma: float = setting(2.0, "how much labels count less that are predicted well")
    alpha: float = setting(0.5, "weight of active labels; that of inactive ones is 1 - alpha")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        raise_all("method focal:", check_ranges(self, {"gamma": (0.0, 10.0), "alpha": (0.0, 1.0)}))


def focal_loss(logits: Tensor, labels: Tensor, coded: Tensor, settings: FocalSettings, au_weights: Tensor) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log p_t of logits [B, V, A]; labels and coded [B, A], au_weights [A]."""
    with full_precision(logits):
        log_p, log_q = functional.logsigmoid(full(logits)), functional.logsigmoid(-full(logits))
        active = -settings.alpha * (settings.gamma * log_q).exp() * log_p
        inactive = (settings.alpha - 1) * (settings.gamma * log_p).exp() * log_q
        y = labels.unsqueeze(1)
        loss = y * active + (1 - y) * inactive
        return coded_mean(loss, coded.unsqueeze(1), au_weights if settings.class_weights else None)
