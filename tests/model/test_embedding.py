"""From views to embeddings in a training step: together, separately, compiled, with checkpointing."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from data.seeds import generator
from model.detector import Detector
from model.embedding import Embed, view_embedding
from model.settings import BACKBONES
from tests.model.small import CROP, equal, small_detector, state_of

LARGE = ("resnet50", "swin_t", "swin_b")


def views(frames: int = 4, side: int = CROP) -> Tensor:
    return torch.rand(frames, 2, 3, side, side, generator=generator("views"))


def step(detector: Detector, embed: Embed, side: int = CROP) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:
    """Embeddings, gradients, and the state after a step from the same random numbers."""
    detector.train()
    torch.manual_seed(0)
    z = embed(views(side=side))
    (z * torch.randn(z.shape, generator=generator("weights"))).sum().backward()
    gradients = [parameter.grad for parameter in detector.encoder_parameters() if parameter.grad is not None]
    return z.detach(), gradients, state_of(detector)


def test_together_is_one_forward_pass_of_all_views() -> None:
    detector, other = small_detector(), small_detector()
    z = view_embedding(detector, separate=False, compile=False, checkpointing=False)(views())
    assert z.shape == (4, 2, 2, 8)
    assert torch.equal(z, other.embed(views().flatten(0, 1)).view(4, 2, 2, 8))
    assert equal(state_of(detector), state_of(other))


def test_separate_views_have_their_own_statistics() -> None:
    detector, other = small_detector(), small_detector()
    z = view_embedding(detector, separate=True, compile=False, checkpointing=False)(views())
    for view in (0, 1):
        assert torch.equal(z[:, view], other.embed(views()[:, view]))
    assert equal(state_of(detector), state_of(other))
    assert not torch.equal(z, small_detector().embed(views().flatten(0, 1)).view(4, 2, 2, 8))


@pytest.mark.parametrize(
    ("backbone", "separate"),
    [
        ("tiny", True),
        *(pytest.param(name, False, marks=pytest.mark.slow if name in LARGE else ()) for name in BACKBONES),
    ],
)
def test_checkpointing_changes_nothing(backbone: str, separate: bool) -> None:
    results = []
    for checkpointing in (False, True):
        detector = small_detector(backbone=backbone)
        embed = view_embedding(detector, separate, compile=False, checkpointing=checkpointing)
        results.append(step(detector, embed))
    (z, gradients, state), (other_z, other_gradients, other_state) = results
    assert torch.equal(z, other_z)
    assert len(gradients) == len(other_gradients) == len(small_detector(backbone=backbone).encoder_parameters())
    assert all(torch.equal(*pair) for pair in zip(gradients, other_gradients, strict=True))
    assert equal(state, other_state)


def kept(detector: Detector, checkpointing: bool) -> int:
    """Bytes that the graph of a forward pass keeps, without the weights."""
    embed = view_embedding(detector, separate=False, compile=False, checkpointing=checkpointing)
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        z = embed(views(8, 32))
    assert z.requires_grad
    weights = {parameter.data_ptr() for parameter in detector.parameters()}
    return sum(size for address, size in storages.items() if address not in weights)


def test_checkpointing_keeps_less() -> None:
    detector = small_detector()
    assert kept(detector, checkpointing=True) < 0.5 * kept(detector, checkpointing=False)


def test_a_compiler_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def compiler(embed: Embed) -> Embed:
        def run(views: Tensor) -> Tensor:
            calls.append(views.shape)
            return embed(views)

        return run

    monkeypatch.setattr(torch, "compile", compiler)
    embed = view_embedding(small_detector(), separate=True, compile=True, checkpointing=False)
    assert torch.equal(embed(views()), view_embedding(small_detector(), True, False, False)(views()))
    assert calls == [(4, 3, CROP, CROP)] * 2


def test_without_a_compiler_training_continues_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def broken(embed: Embed) -> Callable[[Tensor], Tensor]:
        def run(views: Tensor) -> Tensor:
            calls.append(views.shape)
            raise RuntimeError("no C++ compiler\nhere")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    embed = view_embedding(small_detector(), separate=False, compile=True, checkpointing=False)
    with pytest.warns(
        UserWarning,
        match=r"optim\.compile: the compiler failed, training continues .*RuntimeError: no C\+\+ compiler here$",
    ):
        z = embed(views())
    assert torch.equal(z, small_detector().embed(views().flatten(0, 1)).view(4, 2, 2, 8))
    embed(views())
    assert len(calls) == 1, "it is tried once"


def test_an_error_of_the_embedding_itself_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda embed: embed)
    embed = view_embedding(small_detector(), separate=False, compile=True, checkpointing=False)
    with pytest.raises(RuntimeError, match="size of tensor"):
        embed(torch.rand(4, 2, 5, CROP, CROP))
