import math

import pytest
import torch

from data.errors import InputError
from data.seeds import generator
from model.losses.bce import masked_bce
from model.losses.settings import BceSettings


def test_uncoded_labels_have_no_gradient() -> None:
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


def test_bf16_logits_are_converted_to_fp32() -> None:
    logits = torch.randn(50, 2, generator=generator("bce", 2)).bfloat16()
    labels, coded = (logits > 0.3).float(), torch.ones(50, 2, dtype=torch.bool)
    assert torch.equal(masked_bce(logits, labels, coded), masked_bce(logits.float(), labels, coded))


@pytest.mark.parametrize("smoothing", [-0.1, 0.6, math.nan])
def test_wrong_settings(smoothing: float) -> None:
    with pytest.raises(InputError, match="label_smoothing"):
        BceSettings(label_smoothing=smoothing)
