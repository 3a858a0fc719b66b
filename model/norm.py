"""BatchNorm when several datasets are trained on together, and on one that was never seen.

`per_dataset`: every dataset has its own statistics and affine map in every BatchNorm layer (domain-specific
batch normalisation, Chang et al., CVPR 2019). A dataset that was never trained on has none: each of its frames is
normalised in the ways of all training datasets and the results are averaged, the rule of Seo et al. (ECCV 2020)
applied layer by layer. With running statistics each normalisation is an affine map and so is their mean: one pass
through the network is enough.

`adapt`: one BatchNorm for all datasets in training; for another dataset only the statistics are estimated again, from
its frames and without labels (AdaBN, Li et al., 2016).
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


@dataclass(frozen=True)
class Domains:
    """The rows of a step by dataset."""

    rows: dict[int, Tensor]
    back: Tensor  # [B] index that restores the order of the step from rows that are sorted by dataset

    @classmethod
    def of(cls, domain: Tensor, device: torch.device) -> "Domains":
        """The rows of `domain` [B], on the CPU, for tensors on `device`."""
        # on the CPU, because `unique` and `nonzero` on a GPU would wait for all work before them
        rows = {number: torch.nonzero(domain == number).flatten() for number in domain.unique().tolist()}
        back = torch.argsort(torch.cat([*rows.values()]))
        return cls({number: places.to(device) for number, places in rows.items()}, back.to(device))


class DomainNorm(nn.Module):
    """One BatchNorm for each of several datasets; `on_domains` sets the dataset of each row."""

    def __init__(self, norm: BatchNorm, domains: int) -> None:
        super().__init__()
        assert norm.affine
        assert norm.track_running_stats
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(domains))
        # an attribute and no argument, because torchvision's networks call their layers with one tensor
        self.domains: Domains | None = None  # None for a dataset without training frames

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` [B * k, C, ...]: k rows for each row of the step, one after the other."""
        if self.domains is None:
            assert not self.training, "a training step says which dataset each row is from"
            return self._mean_of_all(x)
        rows = x.unflatten(0, (len(self.domains.back), -1))
        parts = [
            self._normalised(self.norms[number], rows[places].flatten(0, 1))
            for number, places in self.domains.rows.items()
        ]
        together: Tensor = torch.cat(parts).unflatten(0, rows.shape[:2])
        return together[self.domains.back].flatten(0, 1)

    def _normalised(self, norm: nn.Module, x: Tensor) -> Tensor:
        """Normalise `x`, in training with its own statistics unless it has only one number for each channel."""
        # BatchNorm raises an error for a variance of one number; a small dataset may have one row in a batch
        if self.training and x.numel() == x.shape[1]:
            return _affine(x, *_scale_and_shift(norm))
        y: Tensor = norm(x)
        return y

    def _mean_of_all(self, x: Tensor) -> Tensor:
        scales, shifts = zip(*map(_scale_and_shift, self.norms), strict=True)
        return _affine(x, torch.stack(scales).mean(dim=0), torch.stack(shifts).mean(dim=0))


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """The affine map [C], [C] of a BatchNorm that uses its running statistics."""
    assert isinstance(norm, BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`x` [B, C, ...] times `scale` [C] plus `shift` [C], in the precision of `x`."""
    shape = (1, -1, *[1] * (x.dim() - 2))
    return (x * scale.view(shape) + shift.view(shape)).to(x.dtype)


def split_norms(network: nn.Module, domains: int) -> None:
    """Replace every BatchNorm in `network` by one copy of it for each of `domains` datasets."""
    for name, child in network.named_children():
        if isinstance(child, BatchNorm):
            setattr(network, name, DomainNorm(child, domains))
        else:
            split_norms(child, domains)


@contextmanager
def on_domains(domain: Tensor | None, *networks: nn.Module) -> Iterator[None]:
    """Within this context the rows of a step are from the datasets `domain` [B], on the CPU.

    Needed around the backward pass too, because checkpointing runs the forward pass again there.
    """
    modules = [] if domain is None else [module for network in networks for module in network.modules()]
    split = [module for module in modules if isinstance(module, DomainNorm)]
    if split and domain is not None:
        domains = Domains.of(domain, next(split[0].parameters()).device)
        for norm in split:
            norm.domains = domains
    try:
        yield
    finally:
        for norm in split:
            norm.domains = None


@torch.no_grad()
def adapt_norms(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the statistics of every BatchNorm in `network` by the mean over `batches` of images, in any order.

    Images must be drawn at random from the dataset: with one person per batch the variance would be too small. The rest
    of the network is in evaluation mode, during the call and after it.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # the plain mean over batches
    for images in batches:
        network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
