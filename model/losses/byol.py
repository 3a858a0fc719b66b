"""BYOL (Grill et al., arXiv 2006.07733): predict the momentum encoder's projection of the other view, without labels.

There are no negatives. With `momentum=0` the momentum encoder equals the encoder, with a stop-gradient: that is SimSiam
(Chen & He, arXiv 2011.10566).
"""

from torch import Tensor

from model.companion import Companion, Follower, per_view, project, projector, width
from model.detector import Detector
from model.losses.numerics import full_precision, unit
from model.losses.settings import ByolSettings


class Byol(Companion):
    """The projector, the predictor, and the momentum encoder."""

    def __init__(self, detector: Detector, settings: ByolSettings, seed: int) -> None:
        super().__init__()
        self.projector = projector(width(detector), settings.hidden, settings.dim, "byol", seed)
        self.predictor = projector(settings.dim, settings.hidden, settings.dim, "byol predictor", seed)
        self.follower = Follower(detector, self.projector, settings.momentum)

    def forward(self, z: Tensor, views: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions and targets [B, V, P]; the targets have no gradient."""
        return per_view(self.predictor, project(self.projector, z)), self.follower(views)

    def after_step(self, detector: Detector) -> None:
        """Update the momentum encoder."""
        self.follower.follow(detector, self.projector)


def byol_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean of 2 - 2 cos between a prediction and the target of the other view; both [B, 2, P]."""
    with full_precision(predictions):
        return (2 - 2 * (unit(predictions) * unit(targets).flip(1)).sum(dim=2)).mean()
