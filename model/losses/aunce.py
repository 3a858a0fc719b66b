"""AUNCE: contrastive learning of one embedding per AU with mixed positives and re-weighted negatives.

Shang et al., arXiv 2402.06165. `aunce` is the corrected form: the anchor is never its own positive, and the mean runs
over the positives. `aunce_official` follows the released code (losses.py, revision 7eca4dc of 2025-01), in which the
anchor is among its positives, the mean is divided by the number of rows, one draw decides for a whole AU, and a
row that is not coded still is a negative of every coded anchor.

Rows: two views of N frames are 2N rows; row l of the first view and row l + N of the second show the same frame.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from data.errors import raise_all
from data.settings import check_choices, check_ranges, setting


@dataclass(frozen=True)
class Ratios:
    """Shares of the three kinds of positives: a point on the simplex."""

    self: float = setting(0.2, "share of anchors whose positive is the other view of the frame")
    max: float = setting(0.2, "share of anchors whose positive is the most similar frame of the same label")
    mean: float = setting(0.6, "share of anchors whose positive is the mean over frames of the same label")

    def __post_init__(self) -> None:
        problems = check_ranges(self, dict.fromkeys(("self", "max", "mean"), (0.0, 1.0)))
        total = self.self + self.max + self.mean
        if abs(total - 1) > 1e-6:
            problems.append(f"self + max + mean = {total:g}; the three shares must sum to 1")
        raise_all("ratios:", problems)


@dataclass(frozen=True)
class AunceSettings:
    """Parameters of the AUNCE loss; the defaults are those of the released code."""

    temperature: float = setting(0.5, "temperature of the similarities")
    beta_active: float = setting(1.2, "exponent on the negatives of active anchors")
    beta_inactive: float = setting(0.8, "exponent on the negatives of inactive anchors")
    ratios: Ratios = field(default_factory=Ratios, metadata={"help": "how often each kind of positive is drawn"})
    draw: str = setting("anchor", "one positive kind is drawn per `anchor`, or per `au` and batch")
    form: str = setting("corrected", "`corrected`, or `official` for the released code's arithmetic")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        ranges = {"temperature": (0.01, 10.0), "beta_active": (0.0, 10.0), "beta_inactive": (0.0, 10.0)}
        choices = {"draw": ("anchor", "au"), "form": ("corrected", "official")}
        raise_all("method aunce:", check_ranges(self, ranges) + check_choices(self, choices))


def aunce_loss(
    z: Tensor,
    labels: Tensor,
    coded: Tensor,
    settings: AunceSettings,
    generator: torch.Generator,
    au_weights: Tensor | None = None,
) -> Tensor:
    """The AUNCE loss of unit embeddings z [B, 2, A, D], labels [B, A] in {0, 1} and coded [B, A] bool.

    `generator` (on the CPU) draws the kinds of positives; `au_weights` [A] are used when `settings.class_weights`.
    """
    assert z.ndim == 4
    assert z.shape[1] == 2
    assert labels.shape == coded.shape == (z.shape[0], z.shape[2])
    rows = z.permute(2, 1, 0, 3).flatten(1, 2)  # [A, 2N, D], views one after the other
    rows = rows if rows.dtype == torch.float64 else rows.float()
    active = labels.bool().T.repeat(1, 2)  # [A, 2N]
    known = coded.T.repeat(1, 2)
    weights = au_weights if settings.class_weights else None
    form = _corrected if settings.form == "corrected" else _official
    with torch.autocast(z.device.type, enabled=False):
        return form(rows, active, known, settings, generator, weights)


def _corrected(
    rows: Tensor,
    active: Tensor,
    known: Tensor,
    settings: AunceSettings,
    generator: torch.Generator,
    weights: Tensor | None,
) -> Tensor:
    similarity = rows @ rows.transpose(1, 2) / settings.temperature  # [A, 2N, 2N]
    both = known.unsqueeze(2) & known.unsqueeze(1)
    same = active.unsqueeze(2) == active.unsqueeze(1)
    itself = torch.eye(rows.shape[1], dtype=torch.bool, device=rows.device)
    positives = both & same & ~itself
    negative = _log_negatives(similarity, both & ~same, active, settings)
    positive = _pick(_log_positives(similarity, positives), _kinds(active, settings, generator))
    # log(pos + neg) - log pos; an anchor without negatives has log neg = -1e30 and so neither loss nor gradient
    loss = functional.softplus(negative - positive) * known
    if weights is not None:
        loss = loss * weights.unsqueeze(1)
    return loss.sum() / known.sum().clamp_min(1)


def _log_negatives(similarity: Tensor, negatives: Tensor, active: Tensor, settings: AunceSettings) -> Tensor:
    """log of the sum over negatives of exp(beta_i S_il) -> [A, 2N]."""
    beta = active.to(similarity.dtype) * (settings.beta_active - settings.beta_inactive)
    scaled = similarity * (beta + settings.beta_inactive).unsqueeze(2)
    return torch.logsumexp(scaled.masked_fill(~negatives, -1e30), dim=2)


def _log_positives(similarity: Tensor, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log scores of the three kinds of positives, each [A, 2N]: other view, most similar, mean."""
    row, partner = _partners(similarity)
    other_view = similarity[:, row, partner]
    beyond = positives.clone()
    beyond[:, row, partner] = False
    hardest = similarity.masked_fill(~beyond, -torch.inf).amax(dim=2)
    hardest = torch.where(beyond.any(dim=2), hardest, other_view)
    count = positives.sum(dim=2).clamp_min(1)
    total = torch.logsumexp(similarity.masked_fill(~positives, -1e30), dim=2)
    return other_view, hardest, total - count.to(total.dtype).log()


def _partners(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Every row [2N], and beside it the row of the same frame's other view."""
    row = torch.arange(similarity.shape[1], device=similarity.device)
    return row, row.roll(len(row) // 2)


def _kinds(active: Tensor, settings: AunceSettings, generator: torch.Generator) -> Tensor:
    """Draw the kind of positive, 0 self, 1 max, 2 mean, for each anchor [A, 2N] or for each AU [A, 1]."""
    shape = active.shape if settings.draw == "anchor" else (len(active), 1)
    draw = torch.rand(shape, generator=generator, device=generator.device).to(active.device)
    ratios = settings.ratios
    return (draw >= ratios.self).long() + (draw >= ratios.self + ratios.max).long()


def _pick(scores: tuple[Tensor, Tensor, Tensor], kinds: Tensor) -> Tensor:
    return torch.where(kinds == 0, scores[0], torch.where(kinds == 1, scores[1], scores[2]))


def _official(
    rows: Tensor,
    active: Tensor,
    known: Tensor,
    settings: AunceSettings,
    generator: torch.Generator,
    weights: Tensor | None,
) -> Tensor:
    similarity = rows @ rows.transpose(1, 2) / settings.temperature
    label = torch.where(known, active.long(), 9)
    same = (label.unsqueeze(2) == label.unsqueeze(1)) & known.unsqueeze(2)
    different = (label.unsqueeze(2) != label.unsqueeze(1)) & known.unsqueeze(2)
    negative = _log_negatives(similarity, different, active, settings)
    row, partner = _partners(similarity)
    other_view = similarity[:, row, partner]
    hardest = similarity.masked_fill(~same, -1e30).amax(dim=2)
    mean = torch.logsumexp(similarity.masked_fill(~same, -1e30), dim=2) - math.log(rows.shape[1])
    draw = torch.rand(len(rows), 1, generator=generator, device=generator.device).to(rows.device)
    ratios = settings.ratios  # the released code compares one draw with 0.2 (max), then 0.8 (mean), else self
    kinds = torch.where(draw < ratios.max, 1, torch.where(draw < ratios.max + ratios.mean, 2, 0))
    loss = functional.softplus(negative - _pick((other_view, hardest, mean), kinds)) * known
    per_au = loss.mean(dim=1)
    return (per_au if weights is None else per_au * weights).mean()
