"""The extra parts that MoCo, BYOL, SimCLR and AUNCE train besides the detector."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from data.seeds import generator
from model.companion import Companion, Follower, projector, width
from model.losses.aunce import Centroids
from model.losses.byol import Byol
from model.losses.moco import Moco
from model.losses.settings import METHOD_SETTINGS, AunceSettings, ByolSettings, MocoSettings, Ratios, SimclrSettings
from model.losses.simclr import Simclr
from model.methods import METHODS
from tests.model.small import CROP, equal, small_detector, state_of

SMALL = {"hidden": 6, "dim": 5}


def views(frames: int = 4) -> Tensor:
    return torch.rand(frames, 2, 3, CROP, CROP, generator=generator("views"))


def embedded(frames: int = 4) -> Tensor:
    z = torch.randn(frames, 2, 2, 8, generator=generator("z"))
    return normalize(z, dim=3).requires_grad_()


def test_a_method_without_extra_parts() -> None:
    companion = METHODS["bce"].companion(small_detector(), None, 0)
    assert type(companion) is Companion
    assert not state_of(companion)
    companion.after_step(small_detector())


def test_aunce_has_centroids_when_it_draws_them() -> None:
    detector, settings = small_detector(), AunceSettings()
    assert type(METHODS["aunce"].companion(detector, settings, 0)) is Companion
    ratios = Ratios(self=0.5, max=0.0, mean=0.0, centroid=0.5)
    kept = METHODS["aunce"].companion(detector, replace(settings, ratios=ratios, centroid_momentum=0.25), 0)
    assert isinstance(kept, Centroids)
    assert (kept.means.shape, kept.momentum) == ((2, 2, 8), 0.25)


@pytest.mark.parametrize("name", ["simclr", "moco", "byol"])
def test_weights_follow_from_the_seed(name: str) -> None:
    settings = METHOD_SETTINGS[name](**SMALL)

    def build(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed + 100)
        return state_of(METHODS[name].companion(small_detector(), settings, seed))

    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    METHODS[name].companion(small_detector(), settings, 0)
    assert torch.equal(torch.rand(1), drawn), "the global generator is left alone"
    assert equal(build(0), build(0))
    assert not equal(build(0), build(1))


def test_simclr_projects_all_aus_of_a_view_together() -> None:
    detector = small_detector()
    companion, z = Simclr(detector, SimclrSettings(hidden=6, dim=5), 0).eval(), embedded()
    assert width(detector) == 16
    projections = companion(z)
    assert projections.shape == (4, 2, 5)
    torch.testing.assert_close(projections[3, 1], companion.projector(z[3, 1].flatten().unsqueeze(0))[0])


def test_a_momentum_encoder_is_a_moving_average_without_gradient() -> None:
    detector, network = small_detector(), projector(16, 6, 5, "test")
    follower = Follower(detector, network, 0.75)
    assert not any(parameter.requires_grad for parameter in follower.parameters())
    before = state_of(follower)
    with torch.no_grad():
        for parameter in [*detector.parameters(), *network.parameters()]:
            parameter.add_(1)
    assert equal(state_of(follower), before), "it is a copy"
    follower.follow(detector, network)
    for name, parameter in follower.named_parameters():
        torch.testing.assert_close(parameter, before[name] + 0.25)
    assert not follower(views()).requires_grad


@pytest.mark.parametrize("kind", [Moco, Byol])
def test_keys_are_those_of_the_encoder_before_it_moved(kind: type[Moco] | type[Byol]) -> None:
    detector = small_detector()
    settings = MocoSettings(momentum=0.5, queue=16, **SMALL) if kind is Moco else ByolSettings(momentum=0.5, **SMALL)
    companion = kind(detector, settings, 0)  # type: ignore[arg-type]
    z = detector.embed(views().flatten(0, 1)).unflatten(0, (4, 2))
    keys = companion(z, views())[1]
    expected = companion.projector(z.flatten(2).flatten(0, 1)).unflatten(0, (4, 2))
    torch.testing.assert_close(keys, expected)
    assert not keys.requires_grad
    with torch.no_grad():
        detector.head.linear.weight += 1
    followed = companion.get_parameter("follower.encoder.1.linear.weight")
    before = followed.clone()
    companion.after_step(detector)
    torch.testing.assert_close(followed, before + 0.5)


def test_without_momentum_byols_targets_are_simsiams() -> None:
    detector = small_detector()
    companion = Byol(detector, ByolSettings(momentum=0.0, **SMALL), 0)
    with torch.no_grad():
        for parameter in [*detector.parameters(), *companion.projector.parameters()]:
            parameter.mul_(1.1)
    companion.after_step(detector)
    z = detector.embed(views().flatten(0, 1)).unflatten(0, (4, 2))
    predictions, targets = companion(z, views())
    own = companion.projector(z.flatten(2).flatten(0, 1))
    torch.testing.assert_close(targets.flatten(0, 1), own)
    torch.testing.assert_close(predictions.flatten(0, 1), companion.predictor(own))


@pytest.mark.parametrize("size", [3, 8, 11, 64])
def test_the_queue_holds_the_newest_keys(size: int) -> None:
    companion = Moco(small_detector(), MocoSettings(queue=size, **SMALL), 0)
    torch.testing.assert_close(companion.queue.norm(dim=1), torch.ones(size))
    history = list(companion.queue)
    for _ in range(4):
        _, keys, before = companion(embedded(), views())
        assert {tuple(key) for key in before.tolist()} == {tuple(key.tolist()) for key in history[-size:]}
        history += list(normalize(keys.flatten(0, 1), dim=1))
    assert {tuple(key) for key in companion.queue.tolist()} == {tuple(key.tolist()) for key in history[-size:]}
    assert {*state_of(companion)} >= {"queue", "place"}


def test_the_queue_may_change_before_the_gradient_is_computed() -> None:
    companion, z = Moco(small_detector(), MocoSettings(queue=8, **SMALL), 0), embedded()
    queries, _, before = companion(z, views())
    (queries.flatten(0, 1) @ before.T).sum().backward()
    assert z.grad is not None
    assert bool(z.grad.any())
