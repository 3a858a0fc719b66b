import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from data.errors import InputError
from data.seeds import generator
from model.losses.aunce import aunce_loss
from model.losses.settings import AunceSettings, Ratios
from tests.model import oracles
from tests.model.small_aunce import (
    FOUR,
    MAX,
    MEAN,
    MIXED,
    PURE,
    SELF,
    SHAPES,
    batch,
    centroids_of,
    loss_of,
    same,
    settings,
    value_and_gradient,
)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("draw", ["anchor", "au"])
@pytest.mark.parametrize("shape", SHAPES)
def test_corrected_equals_the_loops(shape: tuple[int, int, int], draw: str, weighted: bool) -> None:
    chosen = settings(draw=draw, class_weights=weighted)
    for seed, ratios in enumerate((MIXED, SELF, MAX, MEAN)):
        data, chosen = batch(seed, *shape), replace(chosen, ratios=ratios)
        weights = torch.linspace(0.5, 1.5, shape[1], dtype=torch.float64)
        kinds = oracles.anchor_kinds(chosen, shape[1], 2 * shape[0], generator("kinds", 0))
        expected = oracles.corrected_aunce(*data, chosen, kinds, weights if weighted else None)
        same(data, loss_of(data, chosen, weights), expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_official_equals_the_loops(shape: tuple[int, int, int], weighted: bool) -> None:
    chosen = settings(form="official", class_weights=weighted)
    for seed, ratios in enumerate((MIXED, SELF, MAX, MEAN)):
        data, chosen = batch(seed, *shape), replace(chosen, ratios=ratios)
        weights = torch.linspace(0.5, 1.5, shape[1], dtype=torch.float64)
        kinds = oracles.official_kinds(chosen, shape[1], 2 * shape[0], generator("kinds", 0))
        expected = oracles.official_aunce(*data, chosen, kinds, weights if weighted else None)
        same(data, loss_of(data, chosen, weights), expected)


def test_the_defaults_are_those_of_the_released_code() -> None:
    default = AunceSettings()
    assert (default.temperature, default.beta_active, default.beta_inactive) == (0.5, 1.2, 0.8)
    assert (default.ratios.max, default.ratios.mean, default.ratios.self) == (0.2, 0.6, 0.2)
    assert default.form == "corrected"
    assert not default.class_weights


def test_drawn_kinds_have_their_shares() -> None:
    """Only the two views of a frame are not orthogonal: the loss of an anchor then shows the kind of its positive."""
    frames, aus = 6, 400
    z = torch.eye(frames, dtype=torch.float64).repeat_interleave(2, 0).view(frames, 2, 1, frames).repeat(1, 1, aus, 1)
    labels = torch.tensor([1.0, 1, 1, 0, 0, 0]).unsqueeze(1).repeat(1, aus)
    data = z, labels, torch.ones(frames, aus, dtype=torch.bool)
    ratios = Ratios(self=0.5, max=0.2, mean=0.3)
    flat = AunceSettings(temperature=1.0, beta_active=1.0, beta_inactive=1.0)
    pure = {name: float(loss_of(data, replace(flat, ratios=r))) for name, r in PURE.items()}
    assert math.isclose(pure["self"], math.log(1 + 6 / math.e), rel_tol=1e-9)
    assert math.isclose(pure["max"], math.log(7), rel_tol=1e-9)
    assert math.isclose(pure["mean"], math.log(1 + 6 / ((math.e + 4) / 5)), rel_tol=1e-9)
    expected = sum(getattr(ratios, name) * value for name, value in pure.items())
    spread = max(pure.values()) - min(pure.values())
    for draw, draws in (("anchor", 12 * aus), ("au", aus)):
        mine = float(loss_of(data, replace(flat, ratios=ratios, draw=draw)))
        assert abs(mine - expected) < 5 * 0.5 * spread / math.sqrt(draws)


@pytest.mark.parametrize("kind", PURE)
@pytest.mark.parametrize("form", ["corrected", "official"])
def test_the_order_of_samples_and_views_does_not_matter(form: str, kind: str) -> None:
    z, labels, coded = batch(3, 7, 3, 4)
    chosen = settings(PURE[kind], form=form)
    order = torch.tensor([4, 2, 6, 0, 1, 5, 3])
    mine = loss_of((z, labels, coded), chosen)
    torch.testing.assert_close(loss_of((z[order], labels[order], coded[order]), chosen), mine)
    torch.testing.assert_close(loss_of((z.flip(1), labels, coded), chosen), mine)


@pytest.mark.parametrize("beta", ["constant", "base_rate"])
def test_the_order_of_samples_does_not_matter_when_the_draws_move_too(
    beta: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    z, labels, coded = batch(3, 7, 3, 4)
    chosen, rates, centroids = settings(FOUR, beta=beta), torch.tensor([0.1, 0.5, 0.7]), centroids_of(3, 4, 0, 1)
    order, draws = torch.tensor([4, 2, 6, 0, 1, 5, 3]), torch.rand(3, 2, 7, generator=generator("draws"))
    for moved in (draws, draws[:, :, order]):
        monkeypatch.setattr(torch, "rand", lambda *shape, moved=moved, **more: moved)
        loss = loss_of((z, labels, coded), chosen, rates=rates, centroids=centroids)
        if moved is draws:
            expected, z, labels, coded = loss, z[order], labels[order], coded[order]
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("kind", PURE)
def test_an_anchor_is_never_its_own_positive(kind: str) -> None:
    """All rows are orthogonal: every similarity is 0, except that of a row with itself."""
    z = torch.eye(6, dtype=torch.float64).view(3, 2, 1, 6)
    data = z, torch.tensor([[1.0], [1.0], [0.0]]), torch.ones(3, 1, dtype=torch.bool)
    expected = (4 * math.log(1 + 2) + 2 * math.log(1 + 4)) / 6
    assert math.isclose(float(loss_of(data, settings(PURE[kind]))), expected, rel_tol=1e-12)


def test_in_the_released_code_max_is_the_anchor_itself() -> None:
    z = torch.eye(6, dtype=torch.float64).view(3, 2, 1, 6)
    data = z, torch.tensor([[1.0], [1.0], [0.0]]), torch.ones(3, 1, dtype=torch.bool)
    itself = math.exp(1 / 0.3)
    expected = (4 * math.log(1 + 2 / itself) + 2 * math.log(1 + 4 / itself)) / 6
    assert math.isclose(float(loss_of(data, settings(MAX, form="official"))), expected, rel_tol=1e-12)


def test_max_is_the_most_similar_frame_and_not_the_other_view() -> None:
    """Both views of a frame are equal; frame 1 is closer to frame 0 than frame 2 is; frame 3 is the negative."""
    angles = torch.tensor([0.0, 0.3, 0.9, 2.0], dtype=torch.float64)
    z = torch.stack([angles.cos(), angles.sin()], 1).view(4, 1, 1, 2).repeat(1, 2, 1, 1)
    data = z, torch.tensor([[1.0], [1], [1], [0]]), torch.ones(4, 1, dtype=torch.bool)
    closest = {0: math.cos(0.3), 1: math.cos(0.3), 2: math.cos(0.6)}
    apart = [math.cos(2.0 - angle) for angle in angles.tolist()]
    t, expected = 0.3, 0.0
    for frame, hardest in closest.items():
        expected += 2 * math.log(1 + 2 * math.exp(1.7 * apart[frame] / t) / math.exp(hardest / t))
    negatives = sum(2 * math.exp(0.6 * apart[frame] / t) for frame in closest)
    expected += 2 * math.log(1 + negatives / math.exp(1 / t))
    assert math.isclose(float(loss_of(data, settings(MAX))), expected / 8, rel_tol=1e-12)


@pytest.mark.parametrize("draw", ["anchor", "au"])
@pytest.mark.parametrize("ratios", [SELF, MAX, MEAN, MIXED])
@pytest.mark.parametrize("form", ["corrected", "official"])
def test_without_negatives_there_is_no_loss_and_no_gradient(form: str, ratios: Ratios, draw: str) -> None:
    z, labels, coded = batch(1, 6, 3, 4, unknown=0)
    labels[:, 0], labels[:, 1] = 1, 0
    chosen = settings(ratios, draw=draw, form=form)
    _, gradient = value_and_gradient(loss_of((z, labels, coded), chosen), z)
    assert not gradient[:, :, :2].any()
    assert gradient[:, :, 2].any()
    labels[:, 2] = 1
    value, gradient = value_and_gradient(loss_of((z, labels, coded), chosen), z)
    assert float(value) == 0
    assert not gradient.any()


@pytest.mark.parametrize("ratios", [SELF, MAX, MEAN, MIXED])
@pytest.mark.parametrize("form", ["corrected", "official"])
def test_one_sample_and_nothing_coded(form: str, ratios: Ratios) -> None:
    for frames, unknown in ((1, 0.0), (1, 1.0), (5, 1.0)):
        data = batch(2, frames, 3, 4, unknown=unknown)
        value, gradient = value_and_gradient(loss_of(data, settings(ratios, form=form)), data[0])
        assert float(value) == 0
        assert torch.equal(gradient, torch.zeros_like(gradient))


def test_uncoded_labels_do_not_change_the_corrected_form() -> None:
    z, labels, coded = batch(4, 6, 2, 4, unknown=0)
    z, chosen = z.detach(), settings(MEAN)
    fewer = loss_of((z[:4], labels[:4], coded[:4]), chosen)
    coded[4:] = False
    for label in (0.0, 1.0):
        labels[4:] = label
        torch.testing.assert_close(loss_of((z, labels, coded), chosen), fewer)
    z[4:] = normalize(z[4:] + 1, dim=3)
    torch.testing.assert_close(loss_of((z, labels, coded), chosen), fewer)
    released = replace(chosen, form="official", ratios=SELF)
    known = loss_of((z[:4], labels[:4], coded[:4]), released)
    assert float(loss_of((z, labels, coded), released)) > float(known) * 4 / 6, "a 9 is a negative of the others"


def test_draws_come_from_the_generator_alone() -> None:
    data, chosen = batch(7, 8, 3, 4), settings()
    state = torch.get_rng_state()
    first = aunce_loss(*data, chosen, generator("a"))
    assert torch.equal(aunce_loss(*data, chosen, generator("a")), first)
    assert not torch.equal(aunce_loss(*data, chosen, generator("b")), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_wrong_ratios_are_refused() -> None:
    with pytest.raises(InputError, match=r"self \+ max \+ mean \+ centroid = 1.2; the four shares must sum to 1"):
        Ratios(self=0.4, max=0.4, mean=0.4)
    with pytest.raises(InputError, match=r"self=-0.2 lies outside \[0, 1\]"):
        Ratios(self=-0.2, max=0.6, mean=0.6)
    with pytest.raises(InputError):
        Ratios(self=math.nan, max=0.5, mean=0.5)
    Ratios(self=0.1, max=0.2, mean=0.7)
    Ratios(self=1 / 3, max=1 / 3, mean=1 / 3)


def test_wrong_settings_are_all_listed() -> None:
    with pytest.raises(InputError) as caught:
        AunceSettings(0.0, -1, math.nan, beta="rate", beta_strength=1, centroid_momentum=1, draw="batch", form="paper")
    for text in (
        "temperature=0.0",
        "beta_active=-1",
        "beta_inactive=nan",
        "beta='rate'; allowed: constant, base_rate",
        "beta_strength=1 ",
        "centroid_momentum=1 ",
        "draw='batch'",
        "anchor, au",
        "form='paper'",
    ):
        assert text in str(caught.value)


def test_wrong_shapes_fail_an_assertion() -> None:
    z, labels, coded = batch(0, 4, 2, 3)
    with pytest.raises(AssertionError):
        loss_of((z[:, :1], labels, coded), AunceSettings())
    with pytest.raises(AssertionError):
        loss_of((z, labels[:, :1], coded), AunceSettings())
