import math

import pytest
import torch

from data.errors import InputError
from data.seeds import generator
from model.graph import RelationGraph
from model.heads import AuHead
from model.settings import HeadSettings
from tests.model.small import equal, state_of


def tokens(batch: int = 5, count: int = 4, channels: int = 6) -> torch.Tensor:
    return torch.randn(batch, count, channels, generator=generator("tokens"))


@pytest.mark.parametrize("pool", ["mean", "flatten"])
def test_embeddings_are_unit_and_not_negative(pool: str) -> None:
    head = AuHead(6, 4, 3, HeadSettings(dim=8, pool=pool), seed=0)
    z = head(tokens())
    assert z.shape == (5, 3, 8)
    torch.testing.assert_close(z.norm(dim=2), torch.ones(5, 3))
    assert bool((z >= 0).all())
    with torch.autocast("cpu", torch.bfloat16):
        assert head(tokens()).dtype == torch.float32


def test_the_graph_comes_before_the_normalisation() -> None:
    x, settings = tokens(), HeadSettings(dim=8, neighbours=2)
    head, plain = AuHead(6, 4, 3, settings, seed=0), AuHead(6, 4, 3, HeadSettings(dim=8), seed=0)
    assert plain.graph is None
    assert head.graph is not None
    torch.testing.assert_close(head.linear.weight, plain.linear.weight)
    pooled = torch.relu(plain.norm(plain.linear(x).flatten(0, 1))).view(5, 4, 3, 8).mean(dim=1)
    expected = torch.nn.functional.normalize(RelationGraph(3, 8, 2, seed=0)(pooled), dim=2)
    torch.testing.assert_close(head(x), expected)
    with torch.autocast("cpu", torch.bfloat16):
        z = head(x)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.norm(dim=2), torch.ones(5, 3))


def test_mean_is_the_formula() -> None:
    """Linear, BatchNorm in evaluation mode, ReLU for each token, then the mean and the norm, AU by AU."""
    head = AuHead(6, 4, 3, HeadSettings(dim=8), seed=0)
    head(tokens())
    head.eval()
    x, mean, variance = tokens(batch=2), head.norm.running_mean, head.norm.running_var
    assert mean is not None
    assert variance is not None
    z = head(x)
    for b in range(2):
        for au in range(3):
            part = slice(au * 8, (au + 1) * 8)
            features = [
                ((head.linear.weight[part] @ token - mean[part]) / (variance[part] + head.norm.eps).sqrt())
                for token in x[b]
            ]
            pooled = torch.stack(features).relu().mean(0)
            torch.testing.assert_close(z[b, au], pooled / pooled.norm(), atol=1e-5, rtol=1e-5)


def test_mean_ignores_the_order_of_tokens_and_flatten_does_not() -> None:
    x, moved = tokens(), tokens().flip(1)
    for pool, forgets in (("mean", True), ("flatten", False)):
        head = AuHead(6, 4, 3, HeadSettings(dim=8, pool=pool), seed=0).eval()
        assert torch.allclose(head(x), head(moved), atol=1e-6) is forgets


def test_mean_takes_any_number_of_tokens() -> None:
    assert AuHead(6, 4, 3, HeadSettings(dim=8), seed=0)(tokens(count=9)).shape == (5, 3, 8)


def test_a_dead_embedding_is_zero_and_finite() -> None:
    head = AuHead(6, 4, 3, HeadSettings(dim=8), seed=0).eval()
    torch.nn.init.constant_(head.norm.bias, -1e3)
    x = tokens().requires_grad_()
    z = head(x)
    z.sum().backward()
    assert not z.any()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_weights_follow_from_the_seed() -> None:
    state = torch.get_rng_state()
    one, other, third = (state_of(AuHead(6, 4, 3, HeadSettings(), seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert equal(one, other)
    assert not equal(one, third)


def test_wrong_settings_are_all_listed() -> None:
    with pytest.raises(
        InputError, match=r"dim=1 lies outside \[2, 4096\](.|\n)*neighbours=-1(.|\n)*pool='max'; allowed"
    ):
        HeadSettings(dim=1, pool="max", neighbours=-1)
    with pytest.raises(InputError):
        HeadSettings(dim=math.nan)  # type: ignore[arg-type]
