"""AUNCE: contrastive learning of one embedding per AU with mixed positives and re-weighted negatives.

Shang et al., arXiv 2402.06165. The `corrected` form: the anchor is never its own positive, the mean runs over the
positives, every anchor draws its kind of positive, and what is not coded takes no part. `official` is the arithmetic of
the released code. Class centroids are the fourth kind of positive that later versions of the paper speak of; the
released code has none, so their form here is our reading.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from data.errors import raise_all
from data.settings import check_choices, check_ranges, setting
from model.companion import Companion
from model.losses.aunce_corrected import CENTROID, MEAN, Anchors, CorrectedLoss
from model.losses.aunce_official import official_loss
from model.losses.numerics import full, full_precision, unit


@dataclass(frozen=True)
class Ratios:
    """Shares of the four kinds of positives: a point on the simplex."""

    self: float = setting(0.2, "share of anchors whose positive is the other view of the frame")
    max: float = setting(0.2, "share of anchors whose positive is the most similar frame of the same label")
    mean: float = setting(0.6, "share of anchors whose positive is the mean over frames of the same label")
    centroid: float = setting(0.0, "share of anchors whose positive is the running mean of their class")

    def __post_init__(self) -> None:
        names = ("self", "max", "mean", "centroid")
        problems = check_ranges(self, dict.fromkeys(names, (0.0, 1.0)))
        total = sum(getattr(self, name) for name in names)
        if abs(total - 1) > 1e-6:
            problems.append(f"{' + '.join(names)} = {total:g}; the four shares must sum to 1")
        raise_all("ratios:", problems)


@dataclass(frozen=True)
class AunceSettings:
    """Parameters of the AUNCE loss; the defaults are those of the released code."""

    temperature: float = setting(0.5, "temperature of the similarities")
    beta_active: float = setting(1.2, "beta=constant: exponent on the negatives of active anchors")
    beta_inactive: float = setting(0.8, "beta=constant: exponent on the negatives of inactive anchors")
    ratios: Ratios = field(default_factory=Ratios, metadata={"help": "how often each kind of positive is drawn"})
    beta: str = setting("constant", "exponents on the negatives: `constant`, or from each AU's `base_rate`")
    beta_strength: float = setting(0.25, "beta=base_rate: the exponents are 1 +- strength (1 - 2 base rate)")
    centroid_momentum: float = setting(0.99, "share of a class centroid that a step keeps")
    draw: str = setting("anchor", "one positive kind is drawn per `anchor`, or per `au` and batch")
    form: str = setting("corrected", "`corrected`, or `official` for the released code's arithmetic")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        ranges = {"temperature": (0.01, 10.0), "beta_active": (0.0, 10.0), "beta_inactive": (0.0, 10.0)}
        ranges |= {"beta_strength": (0.0, 0.95), "centroid_momentum": (0.0, 0.99999)}
        choices = {"draw": ("anchor", "au"), "form": ("corrected", "official"), "beta": ("constant", "base_rate")}
        problems = check_ranges(self, ranges) + check_choices(self, choices)
        if self.form == "official" and (self.ratios.centroid > 0 or self.beta == "base_rate"):
            problems.append("form=official has neither centroids nor beta=base_rate; set form=corrected for them")
        raise_all("method aunce:", problems)


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
        """Move the classes that a batch shows towards its embeddings z [B, V, A, D]; labels and coded [B, A]."""
        classes = torch.stack([~labels.bool() & coded, labels.bool() & coded], dim=2)  # [B, A, 2]
        count = classes.sum(dim=0) * z.shape[1]
        with full_precision(z):
            total = torch.einsum("bad,bac->acd", z.to(self.means.dtype).sum(dim=1), classes.to(self.means.dtype))
        mean = total / count.clamp_min(1).unsqueeze(2)
        moved = torch.where(self.seen.unsqueeze(2), self.means.lerp(mean, 1 - self.momentum), mean)
        self.means.copy_(torch.where((count > 0).unsqueeze(2), moved, self.means))
        self.seen.logical_or_(count > 0)


def rate_betas(rates: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Exponents on the negatives of active and of inactive anchors for AUs with base rates [A]; our reading.

    The paper re-weights negatives in favour of minority AUs; its rule is not at hand. Ours is 1 + s (1 - 2r) for active
    and 1 - s (1 - 2r) for inactive anchors: 1 for a balanced AU, and within 1 +- s. At s = 0.25, rates of
    0.05, 0.15, 0.5, 0.55 give 1.225, 1.175, 1, 0.975 and 0.775, 0.825, 1, 1.025.
    """
    step = strength * (1 - 2 * rates.nan_to_num(0.5))  # an AU that is never coded has no rate, and no loss
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
    draw = torch.rand(shape, generator=generator, device=generator.device)
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
    """log of how many positives every anchor has [A, 2N]."""
    ones, zeros = (rows.sum(dim=1, keepdim=True) for rows in (active & known, ~active & known))
    return (torch.where(active, ones, zeros) - 1).clamp_min(1).double().log()


def _centroid_scores(rows: Tensor, active: Tensor, centroids: Centroids) -> Tensor:
    """Similarity of every row [2N, A, D] with the centroid of its own class, [A, 2N]."""
    centres = unit(centroids.means).to(rows.dtype)
    scores = rows.transpose(0, 1) @ centres.mT  # [A, 2N, 2]
    return torch.where(active, scores[..., 1], scores[..., 0])
