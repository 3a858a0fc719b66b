import math

import pytest
import torch

from data.errors import InputError
from data.seeds import generator
from model.losses.bce import BceSettings, bce_loss, masked_bce


def cross_entropy(logit: float, target: float, weight: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -(weight * target * math.log(p) + (1 - target) * math.log(1 - p))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_bce_is_the_loops(weighted: bool, smoothing: float) -> None:
    g = generator("bce", 0)
    frames, views, aus = 6, 2, 3
    logits = torch.randn(frames, views, aus, generator=g)
    labels = (torch.rand(frames, aus, generator=g) < 0.5).float()
    coded = torch.rand(frames, aus, generator=g) < 0.7
    weight = torch.tensor([0.5, 1.0, 3.0]) if weighted else None
    losses = [
        cross_entropy(
            float(logits[b, v, a]),
            float(labels[b, a]) * (1 - smoothing) + smoothing / 2,
            float(weight[a]) if weight is not None else 1.0,
        )
        for b in range(frames)
        for v in range(views)
        for a in range(aus)
        if coded[b, a]
    ]
    mine = bce_loss(logits, labels, coded, BceSettings(smoothing), weight)
    assert 0 < int(coded.sum()) < coded.numel()
    assert float(mine) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_what_is_not_coded_has_no_gradient() -> None:
    logits = torch.randn(4, 3, generator=generator("bce", 1)).requires_grad_()
    coded = torch.tensor([[True, False, True]] * 4)
    masked_bce(logits, torch.ones(4, 3), coded).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad != 0, coded)


def test_nothing_coded_is_zero() -> None:
    logits = torch.randn(4, 3).requires_grad_()
    loss = masked_bce(logits, torch.ones(4, 3), torch.zeros(4, 3, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_large_bf16_logits_are_finite() -> None:
    logits = torch.tensor([[300.0, -300.0]], dtype=torch.bfloat16)
    loss = masked_bce(logits, torch.tensor([[0.0, 1.0]]), torch.ones(1, 2, dtype=torch.bool))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(300, rel=1e-2)


def test_bf16_logits_are_computed_with_in_fp32() -> None:
    logits = torch.randn(50, 2, generator=generator("bce", 2)).bfloat16()
    labels, coded = (logits > 0.3).float(), torch.ones(50, 2, dtype=torch.bool)
    assert torch.equal(masked_bce(logits, labels, coded), masked_bce(logits.float(), labels, coded))


@pytest.mark.parametrize("smoothing", [-0.1, 0.6, math.nan])
def test_wrong_settings(smoothing: float) -> None:
    with pytest.raises(InputError, match="label_smoothing"):
        BceSettings(label_smoothing=smoothing)
