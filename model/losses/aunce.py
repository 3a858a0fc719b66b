"""AUNCE: contrastive learning of one embedding per AU with mixed positives and re-weighted negatives.

Shang et al., arXiv 2402.06165. In the `corrected` form an anchor is never its own positive, means are over the
positives only, every anchor draws its kind of positive, and frames that are not coded are left out. `official` is the
arithmetic of the released code. Class centroids are a fourth kind of positive in later versions of the paper; the
released code has none, so their form here is our interpretation.
"""

import torch
from torch import Tensor

from model.companion import Companion
from model.losses.aunce_corrected import CENTROID, MEAN, Anchors, CorrectedLoss
from model.losses.aunce_official import official_loss
from model.losses.numerics import full, full_precision, unit
from model.losses.settings import AunceSettings


class Centroids(Companion):
    """Running mean of the embeddings of each AU's inactive (0) and active (1) class."""

    means: Tensor  # [A, 2, D]
    seen: Tensor  # [A, 2] bool

    def __init__(self, aus: int, dim: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("means", torch.zeros(aus, 2, dim))
        self.register_buffer("seen", torch.zeros(aus, 2, dtype=torch.bool))

    @torch.no_grad()
    def update(self, z: Tensor, labels: Tensor, coded: Tensor) -> None:
        """Move the mean of each class in the batch towards its embeddings z [B, V, A, D]; labels and coded [B, A]."""
        classes = torch.stack([~labels.bool() & coded, labels.bool() & coded], dim=2)  # [B, A, 2]
        count = classes.sum(dim=0) * z.shape[1]
        with full_precision(z):
            total = torch.einsum("bad,bac->acd", z.to(self.means.dtype).sum(dim=1), classes.to(self.means.dtype))
        mean = total / count.clamp_min(1).unsqueeze(2)
        moved = torch.where(self.seen.unsqueeze(2), self.means.lerp(mean, 1 - self.momentum), mean)
        self.means.copy_(torch.where((count > 0).unsqueeze(2), moved, self.means))
        self.seen.logical_or_(count > 0)


def rate_betas(rates: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Exponents on the negatives of active and of inactive anchors for AUs with base rates [A]; our interpretation.

    The paper re-weights negatives in favour of rare AUs but we do not have its rule. Ours is 1 + s (1 - 2r) for active
    and 1 - s (1 - 2r) for inactive anchors: 1 for a balanced AU, and within 1 +- s. At s = 0.25, rates of
    0.05, 0.15, 0.5, 0.55 give 1.225, 1.175, 1, 0.975 and 0.775, 0.825, 1, 1.025.
    """
    step = strength * (1 - 2 * rates.nan_to_num(0.5))  # an AU that is never coded has no rate, but no loss either
    return 1 + step, 1 - step


def aunce_loss(
    z: Tensor,
    labels: Tensor,
    coded: Tensor,
    settings: AunceSettings,
    generator: torch.Generator,
    au_weights: Tensor | None = None,
    base_rates: Tensor | None = None,
    centroids: Centroids | None = None,
) -> Tensor:
    """The AUNCE loss of unit embeddings z [B, 2, A, D], labels [B, A] in {0, 1} and coded [B, A] bool.

    `generator` draws the kinds of positives. `au_weights` [A] are used when `settings.class_weights`, `base_rates` [A]
    when `settings.beta` is base_rate, and `centroids` when `settings.ratios.centroid` is above 0.
    """
    assert z.ndim == 4
    assert z.shape[1] == 2
    assert labels.shape == coded.shape == (z.shape[0], z.shape[2])
    z, weights = full(z), au_weights if settings.class_weights else None
    with full_precision(z):
        if settings.form == "corrected":
            return _corrected(z, labels, coded, settings, generator, weights, base_rates, centroids)
        betas, shares = (settings.beta_active, settings.beta_inactive), (settings.ratios.max, settings.ratios.mean)
        return official_loss(z, labels, coded, settings.temperature, betas, shares, generator, weights)


def _corrected(
    z: Tensor,
    labels: Tensor,
    coded: Tensor,
    settings: AunceSettings,
    generator: torch.Generator,
    weights: Tensor | None,
    base_rates: Tensor | None,
    centroids: Centroids | None,
) -> Tensor:
    rows = z.flatten(0, 1)  # [2N, A, D], the two views of a frame one after the other
    active, known = (each.T.repeat_interleave(2, dim=1) for each in (labels.bool(), coded))  # [A, 2N]
    kind = _kinds(len(active), len(z), settings, generator).to(z.device)
    given = z.new_zeros(active.shape)
    if settings.ratios.centroid > 0:
        assert centroids is not None
        given = _centroid_scores(rows, active, centroids) / settings.temperature
        # a class without a frame so far has no centroid: the mean of the batch takes its place
        seen = torch.where(active, centroids.seen[:, 1:], centroids.seen[:, :1])
        kind = torch.where((kind == CENTROID) & ~seen, MEAN, kind)
    weight = known / known.sum().clamp_min(1).to(z.dtype)
    anchors = Anchors(
        label=torch.where(known, active.to(torch.int8), -1),
        kind=kind,
        beta=_beta(active, settings, base_rates).to(z.dtype),
        weight=weight if weights is None else weight * weights.unsqueeze(1).to(z.dtype),
        log_count=_log_count(active, known).to(z.dtype),
    )
    loss: Tensor = CorrectedLoss.apply(rows, given, anchors, settings.temperature)
    return loss


def _kinds(aus: int, frames: int, settings: AunceSettings, generator: torch.Generator) -> Tensor:
    """Draw each anchor's kind of positive [A, 2N]; one draw for all anchors of an AU when `draw` is au."""
    shape = (aus, 2, frames) if settings.draw == "anchor" else (aus, 1, 1)
    draw = torch.rand(shape, generator=generator, device=generator.device)  # the same draws on a CPU and on a GPU
    ratios = settings.ratios
    bounds = ratios.self, ratios.self + ratios.max, ratios.self + ratios.max + ratios.centroid
    kinds = sum((draw >= bound).to(torch.int8) for bound in bounds)
    assert isinstance(kinds, Tensor)
    return kinds.expand(aus, 2, frames).transpose(1, 2).flatten(1)


def _beta(active: Tensor, settings: AunceSettings, base_rates: Tensor | None) -> Tensor:
    """Exponent on the negatives of every anchor [A, 2N]."""
    if settings.beta == "constant":
        return active.double() * (settings.beta_active - settings.beta_inactive) + settings.beta_inactive
    assert base_rates is not None
    of_active, of_inactive = rate_betas(base_rates.double(), settings.beta_strength)
    return torch.where(active, of_active.unsqueeze(1), of_inactive.unsqueeze(1))


def _log_count(active: Tensor, known: Tensor) -> Tensor:
    """log of the number of positives of every anchor [A, 2N]."""
    ones, zeros = (rows.sum(dim=1, keepdim=True) for rows in (active & known, ~active & known))
    # - 1: the anchor itself is no positive
    return (torch.where(active, ones, zeros) - 1).clamp_min(1).double().log()


def _centroid_scores(rows: Tensor, active: Tensor, centroids: Centroids) -> Tensor:
    """Similarity of every row [2N, A, D] with the centroid of its own class, [A, 2N]."""
    centres = unit(centroids.means).to(rows.dtype)
    scores = rows.transpose(0, 1) @ centres.mT  # [A, 2N, 2]
    return torch.where(active, scores[..., 1], scores[..., 0])
