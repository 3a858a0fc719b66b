"""The sum over anchors of the corrected AUNCE loss and its derivative, in pieces so that the memory is limited.

Rows are interleaved: 2f and 2f + 1 are the two views of frame f. With scores S_il = <z_i, z_l> / t, an anchor i has

    N_i = log sum over rows l of the other label of exp(beta_i S_il)
    P_i = the log score of its positive, which is one of the four kinds
    L_i = log(exp P_i + exp N_i) - P_i = softplus(N_i - P_i)

and, with g_i = sigmoid(N_i - P_i), the derivative of L_i by a score is

    dL_i / dS_il = g_i (beta_i softmax_l(beta_i S_il, l negative) - dP_i / dS_il),

where dP_i / dS_il is 1 at the one positive of `self` and `max`, and softmax_l(S_il, l positive) for `mean`. With G the
matrix of these, dL / dZ = (G + G^T) Z / t. Autograd would keep several matrices of the size of S for the same result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.losses.numerics import NEVER

SELF, MAX, CENTROID, MEAN = _KINDS = 0, 1, 2, 3
PIECE = 2**21  # scores in one piece


@dataclass(frozen=True, eq=False)
class Anchors:
    """Inputs of the loss besides the embeddings; each [A, 2N]."""

    label: Tensor  # int8: 1 active, 0 inactive, -1 not coded
    kind: Tensor  # int8: SELF, MAX, CENTROID or MEAN
    beta: Tensor  # exponent on the negatives
    weight: Tensor  # share in the loss; 0 where not coded
    log_count: Tensor  # log of the number of positives

    def of(self, aus: slice, rows: slice) -> "Anchors":
        """The same for some AUs and anchors, [a, n, 1]."""
        parts = (self.label, self.kind, self.beta, self.weight, self.log_count)
        return Anchors(*(part[aus, rows, None] for part in parts))


class CorrectedLoss(torch.autograd.Function):
    """rows [2N, A, D] and `given` [A, 2N], the log scores of centroid positives -> sum of weighted losses."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, given: Tensor, anchors: Anchors, temperature: float) -> Tensor:
        """Compute the loss and its gradient together, so that no score is kept or computed twice."""
        z = rows.transpose(0, 1)
        by_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        by_given = torch.empty_like(given)
        total = rows.new_zeros(())
        for aus, some in _pieces(len(z), z.shape[1]):
            loss, by_score, by_given[aus, some] = _piece(z[aus], given, anchors, aus, some, temperature)
            total += loss
            if by_rows is not None:
                _collect(by_rows.transpose(0, 1)[aus], by_score.div_(temperature), z[aus], some)
        ctx.save_for_backward(by_rows, by_given)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        """Scale what `forward` found."""
        by_rows, by_given = ctx.saved_tensors
        return None if by_rows is None else by_rows * upstream, by_given * upstream, None, None


def _pieces(aus: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """AUs and anchors of each piece: as many AUs as fit, or a part of the anchors of one AU."""
    wide = max(PIECE // rows**2, 1)
    long = min(max(PIECE // rows, 1), rows)
    for au in range(0, aus, wide):
        for row in range(0, rows, long):
            yield slice(au, au + wide), slice(row, min(row + long, rows))


def _collect(gradient: Tensor, by_product: Tensor, z: Tensor, some: slice) -> None:
    """Add (G + G^T) Z to the gradient [a, 2N, D] of rows z, for the anchors `some` of G [a, n, 2N], in order."""
    if by_product.shape[1] == by_product.shape[2]:  # one piece has all anchors: one product instead of two
        gradient.copy_((by_product + by_product.mT) @ z)
        return
    if some.start == 0:  # the first piece of these AUs; the memory is not initialised
        gradient.zero_()
    gradient[:, some] += by_product @ z
    gradient += by_product.mT @ z[:, some]


def _piece(
    z: Tensor, given: Tensor, anchors: Anchors, aus: slice, some: slice, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of the anchors `some` of `aus`, its derivative by their scores [a, n, 2N] and by `given` [a, n]."""
    own = anchors.of(aus, some)
    labels = anchors.label[aus, None]
    # in place where possible: matrices of this size are most of the memory of the loss
    scores = (z[:, some] @ z.mT).div_(temperature)
    negative, push = _log_sum(torch.where(labels == 1 - own.label, scores * own.beta, NEVER))
    same = labels == own.label
    same.diagonal(some.start, 1, 2).fill_(False)  # an anchor is not its own positive
    positive, pull, nearest = _positives(scores.masked_fill_(~same, NEVER), own, given[aus, some, None], some)
    margin = negative - positive
    loss = torch.logaddexp(margin, torch.zeros_like(margin)) * own.weight
    slope = torch.sigmoid(margin) * own.weight
    push.mul_(slope * own.beta).addcmul_(pull, -slope * (own.kind == MEAN))
    push.scatter_add_(2, nearest, -slope * (own.kind < CENTROID))
    return loss.sum(), push, (-slope * (own.kind == CENTROID)).squeeze(2)


def _positives(scores: Tensor, own: Anchors, given: Tensor, some: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Log score of each anchor's positive [a, n, 1], weights in the mean [a, n, 2N], and the row of self or max.

    `scores` are NEVER except for rows of the same label. For an anchor whose label no other frame has, the most similar
    row is the other view.
    """
    # views are interleaved: xor 1 gives the other view of a row
    partner = torch.arange(some.start, some.stop, device=scores.device).bitwise_xor(1).view(1, -1, 1)
    partner = partner.expand(*scores.shape[:2], 1)
    other_view = scores.gather(2, partner)
    hardest, where = scores.scatter_(2, partner, NEVER).max(dim=2, keepdim=True)
    alone = hardest <= NEVER
    hardest, where = torch.where(alone, other_view, hardest), torch.where(alone, partner, where)
    total, weights = _log_sum(scores.scatter_(2, partner, other_view))
    positive = torch.where(own.kind == MEAN, total - own.log_count, given)
    positive = torch.where(own.kind == MAX, hardest, torch.where(own.kind == SELF, other_view, positive))
    return positive, weights, torch.where(own.kind == MAX, where, partner)


def _log_sum(logits: Tensor) -> tuple[Tensor, Tensor]:
    """log of the sum of exp along the last dimension (kept), and the softmax."""
    # the softmax of the largest logit is 1 / sum exp(logit - largest), so the sum needs no second exp
    shares = logits.softmax(dim=2)
    return logits.amax(dim=2, keepdim=True) - shares.amax(dim=2, keepdim=True).log(), shares
