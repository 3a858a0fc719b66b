"""Helpers of the losses: full precision, rows of views, means over coded labels."""

import torch
from torch import Tensor
from torch.nn import functional

NEVER = -1e30  # in place of log 0: exp of it is exactly 0, and its gradient is 0 where that of -inf is NaN


def full(x: Tensor) -> Tensor:
    """At least float32."""
    return x if x.dtype == torch.float64 else x.float()


def full_precision(x: Tensor) -> torch.autocast:
    """A context in which autocast does not lower the precision on the device of `x`."""
    return torch.autocast(x.device.type, enabled=False)


def view_rows(z: Tensor) -> Tensor:
    """Embeddings [B, V, A, D] -> rows [A, V * B, D] in full precision, views one after the other."""
    return full(z.permute(2, 1, 0, 3).flatten(1, 2))


def unit(x: Tensor) -> Tensor:
    """`x` [..., D] on the unit sphere, in full precision."""
    return functional.normalize(full(x), dim=-1)


def itself(rows: Tensor) -> Tensor:
    """Mask of the pairs [R, R] of rows [..., R, D] that are a row with itself."""
    return torch.eye(rows.shape[-2], dtype=torch.bool, device=rows.device)


def other_view(rows: Tensor) -> Tensor:
    """Mask of the pairs [R, R] of rows [..., R, D] that are the two views of one frame."""
    return itself(rows).roll(rows.shape[-2] // 2, dims=0)


def coded_mean(loss: Tensor, coded: Tensor, au_weights: Tensor | None = None) -> Tensor:
    """Mean over coded labels; loss [..., A], coded broadcasts to it, au_weights [A]."""
    coded = coded.expand_as(loss)
    # the weights have mean 1 over the AUs, so they are left out of the denominator
    weighted = loss * coded if au_weights is None else loss * coded * au_weights
    return weighted.sum() / coded.sum().clamp_min(1)
