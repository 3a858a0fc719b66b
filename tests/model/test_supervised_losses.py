"""Focal, asymmetric and weighted cross-entropy against one label at a time."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from data.errors import InputError
from model.losses.asymmetric import asymmetric_loss
from model.losses.bce import bce_loss
from model.losses.focal import focal_loss
from model.losses.settings import AsymmetricSettings, BceSettings, FocalSettings, GraphSupervisedSettings
from tests.model import oracles_supervised as oracles
from tests.model.batches import labels_of, normal, same

RATES = torch.tensor([0.5, 0.1, 0.9], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)

Case = tuple[Any, Callable[..., Tensor]]
CASES: list[Case] = [
    (BceSettings(0.0, balance=0.0), oracles.bce),
    (BceSettings(0.2, balance=0.7), oracles.bce),
    (BceSettings(0.1, balance=0.5, class_weights=True), oracles.bce),
    (FocalSettings(), oracles.focal),
    (FocalSettings(0.5, 0.7, class_weights=True), oracles.focal),
    (FocalSettings(0.0, 0.5), oracles.focal),
    (AsymmetricSettings(), oracles.asymmetric),
    (AsymmetricSettings(0.5, 0.0, 0.2), oracles.asymmetric),
    (AsymmetricSettings(1.0, 2.5, 0.0, class_weights=True), oracles.asymmetric),
    (GraphSupervisedSettings(), oracles.asymmetric),
]


def loss_of(settings: Any, logits: Tensor, labels: Tensor, coded: Tensor) -> Tensor:
    if isinstance(settings, BceSettings):
        return bce_loss(logits, labels, coded, settings, RATES, WEIGHTS)
    loss: Callable[..., Tensor] = focal_loss if isinstance(settings, FocalSettings) else asymmetric_loss
    return loss(logits, labels, coded, settings, WEIGHTS)


@pytest.mark.parametrize(("settings", "oracle"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_equals_the_loops(settings: Any, oracle: Callable[..., Tensor]) -> None:
    logits, (labels, coded) = normal(1, 7, 2, 3, scale=2), labels_of(1, 7, 3)
    losses = []
    for frame, view, au in torch.cartesian_prod(*(torch.arange(n) for n in logits.shape)).tolist():
        if coded[frame, au]:
            p = torch.sigmoid(logits[frame, view, au])
            loss = oracle(p, float(labels[frame, au]), settings, float(RATES[au]))
            losses.append(loss * (WEIGHTS[au] if settings.class_weights else 1))
    assert 0 < len(losses) < logits.numel()
    same(loss_of(settings, logits, labels, coded), torch.stack(losses).mean(), logits)


@pytest.mark.parametrize("settings", [settings for settings, _ in CASES])
@pytest.mark.parametrize("logit", [-200.0, -30.0, 30.0, 200.0])
def test_confident_predictions_have_finite_losses_and_gradients(settings: Any, logit: float) -> None:
    logits = torch.full((2, 2, 3), logit, requires_grad=True)
    loss = loss_of(settings, logits, torch.tensor([[0.0] * 3, [1.0] * 3]), torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_the_weight_of_an_active_label_grows_with_its_rarity() -> None:
    logits, coded = torch.zeros(1, 1, 3), torch.eye(3, dtype=torch.bool)
    settings = BceSettings(balance=1.0)
    costs = [float(loss_of(settings, logits, torch.ones(1, 3), coded[au : au + 1])) for au in range(3)]
    assert costs == pytest.approx([math.log(2), 9 * math.log(2), math.log(2) / 9])


def test_focal_without_focus_is_half_the_cross_entropy() -> None:
    logits, (labels, coded) = normal(2, 5, 2, 3), labels_of(2, 5, 3)
    plain = loss_of(BceSettings(balance=0.0), logits, labels, coded)
    same(2 * loss_of(FocalSettings(0.0, 0.5), logits, labels, coded), plain, logits)
    same(loss_of(AsymmetricSettings(0.0, 0.0, 0.0), logits, labels, coded), plain, logits)


def test_inactive_labels_below_the_margin_add_no_loss() -> None:
    logits = torch.logit(torch.tensor([0.04, 0.06])).view(2, 1, 1).requires_grad_()
    settings = AsymmetricSettings(margin=0.05)
    loss = asymmetric_loss(logits, torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool), settings, torch.ones(1))
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad.flatten() != 0).tolist() == [False, True]


def test_the_defaults_are_the_papers() -> None:
    assert FocalSettings() == FocalSettings(gamma=2.0, alpha=0.5, class_weights=False)
    assert AsymmetricSettings() == AsymmetricSettings(0.0, 4.0, 0.05, class_weights=False)
    assert GraphSupervisedSettings() == GraphSupervisedSettings(0.0, 1.0, 0.0, class_weights=True)


def test_wrong_settings_are_all_listed() -> None:
    with pytest.raises(InputError, match=r"(?s)gamma=-1\.0.*alpha=2\.0"):
        FocalSettings(-1.0, 2.0)
    with pytest.raises(InputError, match=r"(?s)gamma_active=nan.*margin=0\.6"):
        replace(GraphSupervisedSettings(), gamma_active=math.nan, margin=0.6)
    with pytest.raises(InputError, match=r"balance=-1\.0"):
        BceSettings(balance=-1.0)
