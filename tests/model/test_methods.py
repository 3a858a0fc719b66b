import pytest
import torch

from data.errors import InputError
from data.seeds import generator
from model.losses.aunce import AunceSettings, aunce_loss
from model.losses.bce import BceSettings, bce_loss
from model.methods import METHODS, Step, method_named


def step() -> Step:
    g = generator("step")
    return Step(
        z=torch.nn.functional.normalize(torch.randn(6, 2, 3, 4, generator=g), dim=3),
        logits=torch.randn(6, 2, 3, generator=g),
        labels=(torch.rand(6, 3, generator=g) < 0.5).float(),
        coded=torch.rand(6, 3, generator=g) < 0.8,
        au_weights=torch.tensor([0.5, 1.0, 1.5]),
        pos_weight=torch.tensor([1.0, 2.0, 4.0]),
        generator=generator("draws"),
    )


def test_each_method_has_its_settings() -> None:
    assert {name: (method.settings, method.end_to_end) for name, method in METHODS.items()} == {
        "aunce": (AunceSettings, False),
        "bce": (BceSettings, True),
    }
    assert all(method_named(name) is METHODS[name] for name in METHODS)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="method='simclr'; allowed: aunce, bce"):
        method_named("simclr")


@pytest.mark.parametrize("weighted", [False, True])
def test_aunce_gets_what_it_needs(weighted: bool) -> None:
    settings, s = AunceSettings(class_weights=weighted), step()
    expected = aunce_loss(s.z, s.labels, s.coded, settings, generator("draws"), s.au_weights)
    assert torch.equal(METHODS["aunce"].loss(step(), settings), expected)


def test_bce_gets_what_it_needs() -> None:
    settings, s = BceSettings(0.1), step()
    expected = bce_loss(s.logits, s.labels, s.coded, settings, s.pos_weight)
    assert torch.equal(METHODS["bce"].loss(s, settings), expected)
    assert not torch.equal(expected, bce_loss(s.logits, s.labels, s.coded, settings, None))
