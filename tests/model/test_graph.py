import pytest
import torch

from data.errors import InputError
from data.seeds import generator
from model.graph import RelationGraph, adjacency
from tests.model import oracles
from tests.model.small import equal, state_of


def features(faces: int = 3, aus: int = 5, dim: int = 4) -> torch.Tensor:
    """Features in which AU 1 of the first face is all zeros, so it is equally similar to all AUs."""
    x = torch.randn(faces, aus, dim, generator=generator("features"), dtype=torch.float64).relu()
    x[0, 1] = 0
    return x


def layer(neighbours: int, aus: int = 5, dim: int = 4) -> RelationGraph:
    graph = RelationGraph(aus, dim, neighbours, seed=0).double()
    torch.nn.init.uniform_(graph.norm.weight, 0.5, 1.5, generator=generator("scale"))
    torch.nn.init.uniform_(graph.norm.bias, -0.5, 0.5, generator=generator("shift"))
    return graph


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("neighbours", [1, 2, 4, 5])
def test_the_layer_equals_the_loops(neighbours: int, training: bool) -> None:
    graph, x = layer(neighbours), features().requires_grad_()
    graph(features(faces=4) + 1)
    graph.train(training)
    mine, expected = graph(x), oracles.related(x, graph, training)
    pull = torch.randn(mine.shape, generator=generator("pull"), dtype=torch.float64)
    parameters = [x, *graph.parameters()]
    torch.testing.assert_close(mine, expected, atol=1e-10, rtol=1e-10)
    for one, other in zip(
        torch.autograd.grad((mine * pull).sum(), parameters),
        torch.autograd.grad((expected * pull).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


def test_the_order_of_aus_does_not_matter() -> None:
    graph, other, x = layer(2), layer(2), features()
    order = torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        other.norm.weight.copy_(graph.norm.weight[order])
        other.norm.bias.copy_(graph.norm.bias[order])
    torch.testing.assert_close(other(x[:, order]), graph(x)[:, order])


def test_links_are_to_the_most_similar_aus_of_each_face() -> None:
    """AUs 0 and 1 point one way, 2 and 3 another; in the second face the pairs are 0 and 2, 1 and 3."""
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    x = torch.stack([torch.stack([one, one, other, other]), torch.stack([one, other, one, other])])
    graph = adjacency(x, 2)
    assert torch.equal(graph[0] > 0, torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]).bool())
    assert torch.equal(graph[1] > 0, torch.tensor([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]]).bool())
    torch.testing.assert_close(graph.sum(2), torch.ones(2, 4))


def test_equally_similar_aus_are_all_neighbours() -> None:
    torch.testing.assert_close(adjacency(torch.zeros(1, 4, 3), 1), torch.full((1, 4, 4), 0.25))


def test_links_have_no_gradient_and_are_chosen_in_fp32() -> None:
    x = (1 + features() / 100).float().requires_grad_()  # so similar that bf16 cannot separate them
    links = adjacency(x, 2)
    assert not links.requires_grad
    assert not torch.equal(adjacency(x.bfloat16(), 2), links), "the choice depends on the precision"
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(adjacency(x, 2), links)
        assert bool(layer(2).float()(x).isfinite().all())


def test_weights_follow_from_the_seed() -> None:
    state = torch.get_rng_state()
    one, other, third = (state_of(RelationGraph(5, 4, 2, seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert equal(one, other)
    assert not equal(one, third)


def test_more_neighbours_than_aus_are_refused() -> None:
    with pytest.raises(InputError, match=r"head.neighbours=6, but there are 5 AUs; give at most 5"):
        RelationGraph(5, 4, 6, seed=0)
