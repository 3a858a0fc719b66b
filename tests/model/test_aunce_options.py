"""Exponents from base rates, and class centroids."""

import math
from dataclasses import replace

import pytest
import torch

from data.errors import InputError
from data.seeds import generator
from model.losses.aunce import Centroids, rate_betas
from model.losses.settings import AunceSettings
from tests.model import oracles
from tests.model.small_aunce import (
    CENTROID,
    FOUR,
    SHAPES,
    batch,
    centroids_of,
    loss_of,
    same,
    settings,
    value_and_gradient,
)


@pytest.mark.parametrize("seen", [(), (0,), (0, 1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_centroid_positives_equal_the_loops(shape: tuple[int, int, int], seen: tuple[int, ...]) -> None:
    frames, aus, dim = shape
    centroids = centroids_of(aus, dim, *seen)
    centres = {(au, label): centroids.means[au, label] for au in range(aus) for label in seen}
    for seed, ratios in enumerate((FOUR, CENTROID)):
        data, chosen = batch(seed, *shape), settings(ratios)
        kinds = oracles.anchor_kinds(chosen, aus, 2 * frames, generator("kinds", 0))
        expected = oracles.corrected_aunce(*data, chosen, kinds, centres=centres)
        same(data, loss_of(data, chosen, centroids=centroids), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_exponents_from_base_rates_equal_the_loops(shape: tuple[int, int, int]) -> None:
    data, chosen = batch(8, *shape), settings(beta="base_rate", beta_strength=0.7)
    rates = torch.linspace(0.05, 0.8, shape[1], dtype=torch.float64)
    kinds = oracles.anchor_kinds(chosen, shape[1], 2 * shape[0], generator("kinds", 0))
    same(data, loss_of(data, chosen, rates=rates), oracles.corrected_aunce(*data, chosen, kinds, rates=rates))


def test_rarer_aus_have_larger_steps_of_active_anchors() -> None:
    active, inactive = rate_betas(torch.tensor([0.05, 0.15, 0.5, 0.55], dtype=torch.float64), 0.25)
    assert active.tolist() == pytest.approx([1.225, 1.175, 1, 0.975])
    assert inactive.tolist() == pytest.approx([0.775, 0.825, 1, 1.025])
    for strength in (0.1, 0.5, 0.95):
        active, inactive = rate_betas(torch.linspace(0, 1, 101, dtype=torch.float64), strength)
        assert bool((active.diff() < 0).all())
        assert bool((inactive.diff() > 0).all())
        assert bool((active > 0).all() & (active < 2).all())
        torch.testing.assert_close(inactive, active.flip(0))


def test_strength_0_is_constant_exponents_of_1() -> None:
    data = batch(13, 6, 3, 4)
    rated = settings(beta="base_rate", beta_strength=0.0)
    plain = replace(settings(), beta_active=1.0, beta_inactive=1.0)
    same(data, loss_of(data, rated, rates=torch.tensor([0.05, 0.3, 0.9])), loss_of(data, plain))


def test_an_au_that_is_never_coded_does_not_change_the_others() -> None:
    z, labels, coded = batch(14, 6, 2, 4, unknown=0)
    coded[:, 1] = False
    rated, rates = settings(beta="base_rate"), torch.tensor([0.3, math.nan])
    value, gradient = value_and_gradient(loss_of((z, labels, coded), rated, rates=rates), z)
    assert float(value) > 0
    assert bool(gradient[:, :, 0].any())
    assert not gradient[:, :, 1].any()


def test_centroids_equal_the_loops() -> None:
    """The second class of an AU appears only in a later step; uncoded labels have no influence."""
    batches = [batch(seed, 5, 3, 4) for seed in range(4)]
    batches[0][1][:, 0] = 0
    centroids = Centroids(3, 4, momentum=0.7).double()
    for number, step in enumerate(batches):
        centroids.update(*step)
        expected = oracles.class_means(batches[: number + 1], 0.7)
        for (au, label), mean in expected.items():
            torch.testing.assert_close(centroids.means[au, label], mean.detach(), atol=1e-12, rtol=1e-12)
        assert {(int(au), int(label)) for au, label in centroids.seen.nonzero()} == expected.keys()
    assert not centroids.means.requires_grad


def test_centroids_are_saved_and_take_low_precision() -> None:
    z, labels, coded = batch(15, 6, 3, 4)
    one, other, low = Centroids(3, 4, 0.9), Centroids(3, 4, 0.9), Centroids(3, 4, 0.9)
    one.update(z.float(), labels, coded)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.means, other.means)
    assert torch.equal(one.seen, other.seen)
    with torch.autocast("cpu", torch.bfloat16):
        low.update(z.bfloat16().float(), labels, coded)
    torch.testing.assert_close(low.means, one.means, atol=5e-3, rtol=0)
    assert low.means.dtype == torch.float32


def test_the_official_form_has_no_centroids_and_no_base_rates() -> None:
    for wrong in (AunceSettings(ratios=FOUR), AunceSettings(beta="base_rate")):
        with pytest.raises(InputError, match=r"form=official has neither centroids nor beta=base_rate"):
            replace(wrong, form="official")
