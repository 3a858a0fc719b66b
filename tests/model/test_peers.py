"""The losses against implementations of the same formulas in other libraries."""

import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss, SupConLoss
from torch.nn.functional import normalize
from torchvision.ops import sigmoid_focal_loss

from model.losses.focal import focal_loss
from model.losses.settings import FocalSettings, SupconSettings
from model.losses.simclr import nt_xent
from model.losses.supcon import supcon_loss
from tests.model.batches import labels_of, normal, same


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_supcon(temperature: float) -> None:
    x, (labels, coded) = normal(1, 8, 2, 1, 5), labels_of(1, 8, 1)
    z, known = normalize(x, dim=3), coded[:, 0]
    mine = supcon_loss(z, labels, coded, SupconSettings(temperature), torch.ones(1))
    rows = z[known, :, 0].transpose(0, 1).flatten(0, 1)
    same(mine, SupConLoss(temperature=temperature)(rows, labels[known, 0].repeat(2)), x)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_nt_xent(temperature: float) -> None:
    p = normal(2, 8, 2, 5)
    same(nt_xent(p, temperature), SelfSupervisedLoss(NTXentLoss(temperature))(p[:, 0], p[:, 1]), p)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.7, 0.6)])
def test_focal(gamma: float, alpha: float) -> None:
    logits, (labels, coded) = normal(3, 8, 2, 3), labels_of(3, 8, 3)
    mine = focal_loss(logits, labels, coded, FocalSettings(gamma, alpha), torch.ones(3))
    target, mask = (x.unsqueeze(1).expand_as(logits) for x in (labels.double(), coded))
    same(mine, sigmoid_focal_loss(logits[mask], target[mask], alpha, gamma, reduction="mean"), logits)
