import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode

from data.errors import InputError
from data.seeds import generator
from model.detector import AuClassifier, CosineClassifier
from model.losses.asymmetric import asymmetric_loss
from model.losses.aunce import Centroids, aunce_loss
from model.losses.bce import bce_loss
from model.losses.focal import focal_loss
from model.losses.hard_negative import hard_negative_loss
from model.losses.settings import (
    METHOD_SETTINGS,
    AsymmetricSettings,
    AunceSettings,
    BceSettings,
    FocalSettings,
    GraphSupervisedSettings,
    HardNegativeSettings,
    Ratios,
    SupconSettings,
    settings_of,
)
from model.losses.supcon import supcon_loss
from model.methods import METHODS, Method, TrainingStep
from tests.model.batches import labels_of, normal, sphere
from tests.model.small import CROP, small_detector, small_settings

END_TO_END = {"bce", "focal", "asymmetric", "graph_supervised"}


def step(companion: Any = None) -> TrainingStep:
    labels, coded = labels_of(0, 8, 2, unknown=0.2)
    return TrainingStep(
        views=torch.rand(8, 2, 3, CROP, CROP, generator=generator("views")),
        z=sphere(1, 8, 2, 2, 8, dtype=torch.float32),
        logits=normal(2, 8, 2, 2, dtype=torch.float32),
        labels=labels,
        coded=coded,
        subject=torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]),
        base_rates=torch.tensor([0.2, 0.6]),
        au_weights=torch.tensor([1.5, 0.5]),
        companion=companion,
        generator=generator("draws"),
    )


def test_every_method_is_end_to_end_or_not() -> None:
    assert {name for name, method in METHODS.items() if method.end_to_end} == END_TO_END
    assert [*METHODS] == [*METHOD_SETTINGS]
    assert {name for name, method in METHODS.items() if method.classifier is not AuClassifier} == {"graph_supervised"}
    assert METHODS["graph_supervised"].classifier is CosineClassifier


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="method='simclear'; allowed: aunce, supcon, "):
        settings_of("simclear")


@pytest.mark.parametrize("weighted", [False, True])
def test_each_method_gets_what_it_needs(weighted: bool) -> None:
    s = step()
    on: dict[str, Any] = {"class_weights": weighted}
    given = s.labels, s.coded
    expected = {
        "aunce": (AunceSettings(**on), aunce_loss(s.z, *given, AunceSettings(**on), generator("draws"), s.au_weights)),
        "supcon": (SupconSettings(**on), supcon_loss(s.z, *given, SupconSettings(**on), s.au_weights)),
        "hard_negative": (
            HardNegativeSettings(**on),
            hard_negative_loss(s.z, *given, HardNegativeSettings(**on), s.au_weights),
        ),
        "bce": (BceSettings(**on), bce_loss(s.logits, *given, BceSettings(**on), s.base_rates, s.au_weights)),
        "focal": (FocalSettings(**on), focal_loss(s.logits, *given, FocalSettings(**on), s.au_weights)),
        "asymmetric": (
            AsymmetricSettings(**on),
            asymmetric_loss(s.logits, *given, AsymmetricSettings(**on), s.au_weights),
        ),
        "graph_supervised": (
            GraphSupervisedSettings(**on),
            asymmetric_loss(s.logits, *given, GraphSupervisedSettings(**on), s.au_weights),
        ),
    }
    for name, (settings, loss) in expected.items():
        assert torch.equal(METHODS[name].loss(step(), settings), loss), name


def test_aunce_uses_the_base_rates() -> None:
    settings, s = AunceSettings(beta="base_rate", beta_strength=0.9), step()
    given = s.labels, s.coded, settings, generator("draws"), s.au_weights
    assert torch.equal(METHODS["aunce"].loss(step(), settings), aunce_loss(s.z, *given, s.base_rates))
    assert not torch.equal(aunce_loss(s.z, *given, s.base_rates), aunce_loss(s.z, *given, torch.full((2,), 0.5)))


def test_aunce_uses_the_centroids_and_then_updates_them() -> None:
    settings = AunceSettings(ratios=Ratios(self=0.0, max=0.0, mean=0.0, centroid=1.0))
    kept, twin = Centroids(2, 8, 0.5), Centroids(2, 8, 0.5)
    for _ in range(3):
        s = step(kept)
        given = s.labels, s.coded
        expected = aunce_loss(s.z, *given, settings, generator("draws"), s.au_weights, s.base_rates, twin)
        loss = METHODS["aunce"].loss(s, settings)
        assert torch.equal(loss, expected)
        loss.backward()
        twin.update(s.z.detach(), *given)
        assert torch.equal(kept.means, twin.means)
        assert bool(kept.means.any())


FORMS = [
    *((name, small_settings(name)) for name in METHODS),
    ("aunce", AunceSettings(beta="base_rate", ratios=Ratios(self=0.1, max=0.2, mean=0.3, centroid=0.4))),
    ("hard_negative", HardNegativeSettings(labels=False)),
]


@pytest.mark.parametrize(("name", "settings"), FORMS)
def test_no_step_waits_for_the_device(name: str, settings: Any) -> None:
    """Fake tensors have shapes but no values: code that reads a value raises an error."""
    method = METHODS[name]
    companion = method.companion(small_detector(), settings, 0)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        facts: dict[str, Any] = vars(step(companion))
        facts = {key: mode.from_tensor(value) if isinstance(value, Tensor) else value for key, value in facts.items()}
        loss = method.loss(TrainingStep(**facts), settings)
    assert loss.shape == ()


def test_waiting_for_the_device_is_detected() -> None:
    with FakeTensorMode() as mode, pytest.raises(DynamicOutputShapeException):
        mode.from_tensor(torch.ones(3))[mode.from_tensor(torch.ones(3, dtype=torch.bool))]


def reached(method: Method, settings: Any) -> tuple[Tensor, Tensor | None]:
    s = step(method.companion(small_detector(), settings, 0))
    loss = method.loss(s, settings)
    loss.backward()
    return loss.detach(), (s.logits if method.end_to_end else s.z).grad


@pytest.mark.parametrize("name", METHODS)
def test_every_loss_has_a_gradient_in_the_weights_it_trains(name: str) -> None:
    loss, gradient = reached(METHODS[name], small_settings(name))
    assert loss.shape == ()
    assert math.isfinite(float(loss))
    assert gradient is not None
    assert bool(gradient.isfinite().all())
    assert bool(gradient.any())


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("simclr", "moco", "byol", "clp")])
def test_uncoded_labels_change_nothing(name: str) -> None:
    method, settings = METHODS[name], METHOD_SETTINGS[name]()
    one, other = step(), step()
    assert not bool(one.coded.all())
    object.__setattr__(other, "labels", torch.where(other.coded, other.labels, 1 - other.labels))
    assert torch.equal(method.loss(one, settings), method.loss(other, settings))
