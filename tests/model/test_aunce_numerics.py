"""The derivative, the pieces it is computed in, and low precision."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from model.losses import aunce_corrected
from model.losses.settings import AunceSettings, Ratios
from tests.model.small_aunce import (
    CENTROID,
    FOUR,
    MAX,
    MEAN,
    SELF,
    batch,
    centroids_of,
    loss_of,
    same,
    settings,
    value_and_gradient,
)


@pytest.mark.parametrize("piece", [1, 25, 150, 250])
@pytest.mark.parametrize("ratios", [SELF, MAX, MEAN, CENTROID, FOUR])
def test_pieces_change_nothing(ratios: Ratios, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 rows give 100 scores for each AU: a piece is one anchor, two anchors, one AU, or two AUs of three."""
    data, chosen, centroids = batch(9, 5, 3, 4), settings(ratios), centroids_of(3, 4, 0, 1)
    whole = loss_of(data, chosen, centroids=centroids)
    monkeypatch.setattr(aunce_corrected, "PIECE", piece)
    same(data, loss_of(data, chosen, centroids=centroids), whole)


@pytest.mark.parametrize(
    ("ratios", "piece"), [(SELF, 100), (MAX, 100), (MEAN, 100), (CENTROID, 100), (FOUR, 100), (FOUR, 13)]
)
def test_the_gradient_equals_finite_differences(ratios: Ratios, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aunce_corrected, "PIECE", piece)
    z, labels, coded = batch(10, 3, 2, 3)
    chosen, centroids = settings(ratios), centroids_of(2, 3, 0, 1)
    assert torch.autograd.gradcheck(lambda x: loss_of((x, labels, coded), chosen, centroids=centroids) * 3, z)


def test_no_matrix_of_scores_is_kept_for_the_backward_pass() -> None:
    data, kept = batch(11, 40, 2, 3), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()), lambda x: x):
        loss_of(data, settings())
    assert 0 < sum(kept) < 2 * data[0].numel()
    with torch.no_grad():
        torch.testing.assert_close(loss_of(data, settings()), loss_of(data, settings()).detach())


def equal_rows(z: Tensor) -> Tensor:
    return normalize(torch.ones_like(z), dim=3)


def opposite_classes(z: Tensor) -> Tensor:
    sign = torch.ones(len(z), 1, 1, 1)
    sign[::2] = -1
    return sign.to(z) * equal_rows(z)


def dead(z: Tensor) -> Tensor:
    return torch.zeros_like(z)


@pytest.mark.parametrize("arrange", [torch.clone, equal_rows, opposite_classes, dead])
@pytest.mark.parametrize("temperature", [0.05, 0.02])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", ["corrected", "official"])
def test_finite_in_low_precision_at_low_temperature(
    form: str, dtype: torch.dtype, temperature: float, arrange: Callable[[Tensor], Tensor]
) -> None:
    made, labels, coded = batch(5, 16, 3, 8, dtype=dtype)
    z = arrange(made.detach()).requires_grad_()
    for ratios in (SELF, MAX, MEAN):
        chosen = AunceSettings(temperature, 2.0, 0.2, ratios, form=form)
        value, gradient = value_and_gradient(loss_of((z, labels, coded), chosen), z)
        assert math.isfinite(float(value))
        assert gradient.dtype == dtype
        assert bool(gradient.isfinite().all())
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(loss_of((z, labels, coded), chosen), value)


@pytest.mark.parametrize("form", ["corrected", "official"])
def test_bf16_embeddings_are_converted_to_fp32(form: str) -> None:
    z, labels, coded = batch(5, 16, 3, 8, dtype=torch.bfloat16)
    chosen = AunceSettings(temperature=0.05, form=form)
    loss = loss_of((z, labels, coded), chosen)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, loss_of((z.float(), labels, coded), chosen))


def test_fp32_is_close_to_fp64() -> None:
    z, labels, coded = batch(6, 16, 3, 8)
    for form in ("corrected", "official"):
        chosen = AunceSettings(temperature=0.05, form=form)
        double = loss_of((z.detach(), labels, coded), chosen)
        single = loss_of((z.detach().float(), labels, coded), chosen)
        assert single.dtype == torch.float32
        assert float(single) == pytest.approx(float(double), rel=1e-5)


class NoReading(TorchDispatchMode):
    """Fails when a value, or a shape that depends on values, is read from the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        name = str(function)
        assert not any(word in name for word in ("_local_scalar_dense", "nonzero", "masked_select", "unique")), name
        indices = arguments[1] if name.startswith(("aten.index.", "aten.index_put")) else ()
        assert not any(index is not None and index.dtype == torch.bool for index in indices), name
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("form", ["corrected", "official"])
def test_a_step_reads_nothing_from_the_device(form: str) -> None:
    data, centroids = batch(12, 6, 3, 4), centroids_of(3, 4, 0)
    chosen = settings(FOUR, beta="base_rate") if form == "corrected" else settings(form="official")
    rates = torch.full((3,), 0.2)
    with NoReading():
        loss_of(data, chosen, rates=rates, centroids=centroids).backward()
        centroids.update(*data)
    with pytest.raises(AssertionError, match="index"), NoReading():
        data[0].detach()[data[2][:, 0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_centroids_are_finite_at_low_temperature(dtype: torch.dtype) -> None:
    z, labels, coded = batch(16, 8, 3, 4, dtype=dtype)
    for seen in ((), (1,), (0, 1)):
        chosen = AunceSettings(0.02, ratios=FOUR)
        value, gradient = value_and_gradient(
            loss_of((z, labels, coded), chosen, centroids=centroids_of(3, 4, *seen).float()), z
        )
        assert math.isfinite(float(value))
        assert gradient.dtype == dtype
        assert bool(gradient.isfinite().all())
