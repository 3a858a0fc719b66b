"""SupCon, hard negatives, SimCLR, MoCo and BYOL against loops; AUNCE has its own file."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from data.errors import InputError
from model.losses.byol import byol_loss
from model.losses.hard_negative import hard_negative_loss
from model.losses.moco import moco_loss
from model.losses.settings import ByolSettings, HardNegativeSettings, MocoSettings, SimclrSettings, SupconSettings
from model.losses.simclr import nt_xent
from model.losses.supcon import supcon_loss
from tests.model import oracles_contrastive as oracles
from tests.model.batches import labels_of, normal, same, sphere

WEIGHTS = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
PER_AU = [
    SupconSettings(),
    SupconSettings(0.5, class_weights=True),
    HardNegativeSettings(),
    HardNegativeSettings(0.3, beta=0.0, class_weights=True),
    HardNegativeSettings(0.4, beta=1.7, labels=False),
    HardNegativeSettings(0.4, beta=0.0, tau_plus=0.0, labels=False),
    HardNegativeSettings(0.1, beta=0.5, tau_plus=0.5, labels=False),  # often at the floor
    HardNegativeSettings(1.0, beta=1.0, tau_plus=0.5, labels=False),  # at the floor or not
]


def per_au(settings: Any, z: Tensor, labels: Tensor, coded: Tensor) -> Tensor:
    loss: Callable[..., Tensor] = supcon_loss if isinstance(settings, SupconSettings) else hard_negative_loss
    return loss(z, labels, coded, settings, WEIGHTS[: z.shape[2]])


@pytest.mark.parametrize("settings", PER_AU)
@pytest.mark.parametrize(("frames", "aus", "dim"), [(1, 2, 3), (2, 1, 2), (5, 3, 4), (7, 2, 6)])
def test_each_per_au_equals_the_loops(settings: Any, frames: int, aus: int, dim: int) -> None:
    z, (labels, coded) = sphere(frames, frames, 2, aus, dim), labels_of(frames, frames, aus)
    oracle: Callable[..., Tensor] = oracles.supcon if isinstance(settings, SupconSettings) else oracles.hard_negative
    same(per_au(settings, z, labels, coded), oracle(z, labels, coded, settings, WEIGHTS), z)


@pytest.mark.parametrize("settings", PER_AU)
def test_order_and_views_do_not_matter(settings: Any) -> None:
    z, (labels, coded), order = sphere(3, 6, 2, 3, 4), labels_of(3, 6, 3), [4, 2, 0, 1, 5, 3]
    mine = per_au(settings, z, labels, coded)
    torch.testing.assert_close(per_au(settings, z.flip(1), labels, coded), mine)
    torch.testing.assert_close(per_au(settings, z[order], labels[order], coded[order]), mine)


@pytest.mark.parametrize("settings", PER_AU)
@pytest.mark.parametrize("case", ["nothing coded", "all active", "one frame", "all alike"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_degenerate_batches_are_finite(settings: Any, case: str, dtype: torch.dtype) -> None:
    z, (labels, coded) = sphere(4, 6, 2, 3, 4, dtype=dtype), labels_of(4, 6, 3)
    z = z.detach()[:1] if case == "one frame" else z.detach()
    z = (z[:1, :1].repeat(6, 2, 1, 1) if case == "all alike" else z).requires_grad_()
    labels = torch.ones_like(labels) if case == "all active" else labels
    coded = torch.zeros_like(coded) if case == "nothing coded" else coded
    loss = per_au(settings, z, labels[: len(z)], coded[: len(z)])
    (gradient,) = torch.autograd.grad(loss, z)
    assert math.isfinite(float(loss.detach()))
    assert bool(gradient.isfinite().all())
    if case == "nothing coded" and getattr(settings, "labels", True):
        assert float(loss.detach()) == 0
        assert not gradient.any()


@pytest.mark.parametrize("settings", PER_AU)
def test_uncoded_labels_matter_only_without_labels(settings: Any) -> None:
    z, (labels, coded) = sphere(5, 6, 2, 3, 4), labels_of(5, 6, 3)
    (gradient,) = torch.autograd.grad(per_au(settings, z, labels, coded), z)
    touched = gradient.abs().sum(dim=(1, 3)) != 0
    assert bool(touched[coded].any())
    assert bool(touched[~coded].any()) != getattr(settings, "labels", True)


@pytest.mark.parametrize("settings", PER_AU)
def test_autocast_does_not_lower_the_precision(settings: Any) -> None:
    z, (labels, coded) = sphere(6, 6, 2, 3, 4, dtype=torch.float32), labels_of(6, 6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        lowered = per_au(settings, z, labels, coded)
    exact = per_au(settings, z.double(), labels, coded)
    torch.testing.assert_close(lowered.double(), exact, rtol=1e-4, atol=1e-6)


def test_hard_negatives_count_more_with_beta() -> None:
    """One similar and one opposite negative: with growing beta the loss approaches that of the similar one alone."""
    angles = torch.tensor([0.0, 0.0, 0.5, math.pi], dtype=torch.float64)
    z = torch.stack([angles.cos(), angles.sin()], 1).view(4, 1, 1, 2).repeat(1, 2, 1, 1)
    labels, coded = torch.tensor([[1.0], [1.0], [0.0], [0.0]]), torch.ones(4, 1, dtype=torch.bool)
    losses = [float(hard_negative_loss(z, labels, coded, HardNegativeSettings(beta=b), WEIGHTS[:1])) for b in (0, 1, 5)]
    assert losses == sorted(losses)
    assert losses[0] < losses[1]


WHOLE: list[tuple[Callable[..., Tensor], Callable[..., Tensor], int]] = [
    (lambda p, q, queue: nt_xent(p, 0.3), lambda p, q, queue: oracles.nt_xent(p, 0.3), 1),
    (lambda p, q, queue: moco_loss(p, q, queue, 0.2), lambda p, q, queue: oracles.moco(p, q, queue, 0.2), 0),
    (lambda p, q, queue: byol_loss(p, q), lambda p, q, queue: oracles.byol(p, q), 0),
]


@pytest.mark.parametrize(("loss", "oracle", "alone"), WHOLE, ids=["simclr", "moco", "byol"])
@pytest.mark.parametrize("frames", [1, 2, 6])
def test_each_whole_frame_loss_equals_the_loops(
    loss: Callable[..., Tensor], oracle: Callable[..., Tensor], alone: int, frames: int
) -> None:
    p, q, queue = normal(frames, frames, 2, 5), normal(8, frames, 2, 5).detach(), sphere(9, 7, 5).detach()
    same(loss(p, q, queue), oracle(p, q, queue), p)
    if alone and frames == 1:
        assert abs(float(loss(p, q, queue).detach())) < 1e-12, "there is nothing to tell apart"


@pytest.mark.parametrize("loss", [loss for loss, *_ in WHOLE], ids=["simclr", "moco", "byol"])
def test_whole_frame_losses_stay_in_full_precision(loss: Callable[..., Tensor]) -> None:
    p, q = (normal(seed, 6, 2, 5, dtype=torch.bfloat16) for seed in (1, 2))
    queue = sphere(3, 7, 5, dtype=torch.float32).detach()
    with torch.autocast("cpu", torch.bfloat16):
        lowered = loss(p, q, queue)
    assert lowered.dtype == torch.float32
    torch.testing.assert_close(lowered.double(), loss(p.double(), q.double(), queue.double()), rtol=1e-4, atol=1e-6)


def test_byol_by_hand() -> None:
    p = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    assert float(byol_loss(p, p.flip(1) * 3)) == 0
    assert float(byol_loss(p, p)) == 2
    assert float(byol_loss(p, -p.flip(1))) == 4


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (SupconSettings, {"temperature": 0.0}),
        (HardNegativeSettings, {"temperature": math.nan, "beta": -1.0, "tau_plus": 1.0}),
        (SimclrSettings, {"temperature": 0.0, "hidden": 0, "dim": 1}),
        (MocoSettings, {"temperature": 0.0, "momentum": 1.1, "queue": 0, "hidden": 0, "dim": 1}),
        (ByolSettings, {"momentum": -0.1, "hidden": 0, "dim": 1}),
    ],
)
def test_wrong_settings_are_all_listed(settings: type[Any], wrong: dict[str, float]) -> None:
    with pytest.raises(InputError) as caught:
        settings(**wrong)
    assert all(f"{name}={value!r} lies outside" in str(caught.value) for name, value in wrong.items())
