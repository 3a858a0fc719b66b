"""Batches of several datasets: an AU that a frame's dataset does not code moves nothing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from data.seeds import generator
from model.companion import Companion
from model.losses.settings import AunceSettings, ClpSettings, MethodSettings
from model.methods import METHODS, TrainingStep
from tests.model.batches import sphere
from tests.model.small import small_detector, small_settings

FRAMES, AUS = 8, 2
SECOND = slice(4, 8)  # frames of a dataset that does not code the second AU
FORMS: list[tuple[str, MethodSettings]] = [
    *((name, small_settings(name)) for name in ("aunce", "supcon", "hard_negative", "bce", "focal", "asymmetric")),
    ("aunce", AunceSettings(beta="base_rate", class_weights=True)),
]


def step(z: Tensor, logits: Tensor, labels: Tensor, coded: Tensor, companion: Companion | None = None) -> TrainingStep:
    """The other inputs of a step stay the same."""
    return TrainingStep(
        views=torch.rand(FRAMES, 2, 3, 16, 16, generator=generator("views")),
        z=z,
        logits=logits,
        labels=labels,
        coded=coded,
        subject=torch.arange(FRAMES) // 2,
        base_rates=torch.tensor([0.3, 0.4]),
        au_weights=torch.tensor([0.8, 1.2]),
        companion=companion or Companion(),
        generator=generator("loss"),
    )


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    labels = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]] * 2).float()
    coded = torch.ones(FRAMES, AUS, dtype=torch.bool)
    coded[SECOND, 1] = False
    z, logits = sphere(1, FRAMES, 2, AUS, 5), sphere(2, FRAMES, 2, AUS)
    return z, logits, labels, coded


@pytest.mark.parametrize(("method", "settings"), FORMS)
def test_uncoded_labels_are_in_no_loss(method: str, settings: MethodSettings) -> None:
    z, logits, labels, coded = batch()
    loss = METHODS[method].loss(step(z, logits, labels * coded, coded), settings)
    wrong = labels.clone()
    wrong[SECOND, 1] = 1 - wrong[SECOND, 1]
    assert torch.equal(METHODS[method].loss(step(z, logits, wrong, coded), settings), loss)
    given = logits if METHODS[method].end_to_end else z
    (gradient,) = torch.autograd.grad(loss, given)
    assert (gradient[SECOND, :, 1] == 0).all()
    assert all((gradient[SECOND, :, 0] != 0).flatten(1).any(dim=1))
    assert all((gradient[:4, :, 1] != 0).flatten(1).any(dim=1))


@pytest.mark.parametrize(("method", "settings"), FORMS)
def test_uncoded_frames_do_not_change_the_loss_of_the_coded_ones(method: str, settings: MethodSettings) -> None:
    """With the second AU alone, a batch of both datasets equals one of the first; one draw is for all anchors."""
    z, logits, labels, coded = batch()
    if isinstance(settings, AunceSettings):
        settings = replace(settings, draw="au")
    losses = []
    for frames in (slice(0, 8), slice(0, 4)):
        second = frames, slice(None), slice(1, 2)
        known = labels[frames, 1:], coded[frames, 1:]
        alone = replace(step(z[second], logits[second], *known), base_rates=torch.tensor([0.4]))
        losses.append(METHODS[method].loss(replace(alone, au_weights=torch.tensor([1.2])), settings))
    torch.testing.assert_close(*losses)


def test_a_method_without_labels_ignores_them() -> None:
    settings, detector = small_settings("clp"), small_detector()
    assert isinstance(settings, ClpSettings)
    z, logits, labels, coded = batch()
    z = sphere(1, FRAMES, 2, AUS, 8, dtype=torch.float32)
    losses = []
    for known in (coded, torch.zeros_like(coded)):
        companion = METHODS["clp"].companion(detector, settings, 0)
        losses.append(METHODS["clp"].loss(step(z, logits, labels * known, known, companion), settings))
    assert torch.equal(*losses)
    assert losses[0].isfinite()
