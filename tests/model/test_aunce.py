import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from data.errors import InputError
from data.seeds import generator
from model.losses.aunce import AunceSettings, Ratios, aunce_loss
from tests.model import oracles

SELF, MAX, MEAN = Ratios(self=1, max=0, mean=0), Ratios(self=0, max=1, mean=0), Ratios(self=0, max=0, mean=1)
MIXED = Ratios(self=0.3, max=0.3, mean=0.4)
PURE = {"self": SELF, "max": MAX, "mean": MEAN}
SHAPES = [(2, 1, 2), (4, 3, 5), (6, 2, 4), (5, 4, 3)]

Batch = tuple[Tensor, Tensor, Tensor]  # z, labels, coded


def batch(
    seed: int, frames: int, aus: int, dim: int, unknown: float = 0.3, dtype: torch.dtype = torch.float64
) -> Batch:
    g = generator("aunce batch", seed)
    z = normalize(torch.randn(frames, 2, aus, dim, generator=g, dtype=torch.float64), dim=3).to(dtype)
    coded = torch.rand(frames, aus, generator=g) >= unknown
    labels = (torch.rand(frames, aus, generator=g) < 0.5) & coded
    return z.requires_grad_(), labels.to(torch.float64), coded


def loss_of(data: Batch, settings: AunceSettings, weights: Tensor | None = None) -> Tensor:
    return aunce_loss(*data, settings, generator("kinds", 0), weights)


def value_and_gradient(loss: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def settings(ratios: Ratios = MIXED, temperature: float = 0.3, **more: object) -> AunceSettings:
    return replace(
        AunceSettings(temperature=temperature, beta_active=1.7, beta_inactive=0.6, ratios=ratios),
        **more,  # type: ignore[arg-type]
    )


def same(data: Batch, one: Tensor, other: Tensor) -> None:
    for mine, expected in zip(value_and_gradient(one, data[0]), value_and_gradient(other, data[0]), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("draw", ["anchor", "au"])
@pytest.mark.parametrize("shape", SHAPES)
def test_corrected_is_the_loops(shape: tuple[int, int, int], draw: str, weighted: bool) -> None:
    chosen = settings(draw=draw, class_weights=weighted)
    for seed, ratios in enumerate((MIXED, SELF, MAX, MEAN)):
        data, chosen = batch(seed, *shape), replace(chosen, ratios=ratios)
        weights = torch.linspace(0.5, 1.5, shape[1], dtype=torch.float64)
        kinds = oracles.anchor_kinds(chosen, shape[1], 2 * shape[0], generator("kinds", 0))
        expected = oracles.corrected_aunce(*data, chosen, kinds, weights if weighted else None)
        same(data, loss_of(data, chosen, weights), expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_official_is_the_loops(shape: tuple[int, int, int], weighted: bool) -> None:
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
    """Orthogonal embeddings but for the views of a frame: then the loss of an anchor tells its kind."""
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


@pytest.mark.parametrize("kind", PURE)
def test_an_anchor_is_never_its_own_positive(kind: str) -> None:
    """All rows are orthogonal, so every similarity but that of a row with itself is 0."""
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


def test_what_is_not_coded_takes_no_part_in_the_corrected_form() -> None:
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
@pytest.mark.parametrize("form", ["corrected", "official"])
def test_finite_in_bf16_at_low_temperature(form: str, temperature: float, arrange: Callable[[Tensor], Tensor]) -> None:
    made, labels, coded = batch(5, 16, 3, 8, dtype=torch.bfloat16)
    z = arrange(made.detach()).requires_grad_()
    for ratios in (SELF, MAX, MEAN):
        chosen = AunceSettings(temperature, 2.0, 0.2, ratios, form=form)
        value, gradient = value_and_gradient(loss_of((z, labels, coded), chosen), z)
        assert math.isfinite(float(value))
        assert gradient.dtype == torch.bfloat16
        assert bool(gradient.isfinite().all())
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(loss_of((z, labels, coded), chosen), value)


@pytest.mark.parametrize("form", ["corrected", "official"])
def test_bf16_embeddings_are_computed_with_in_fp32(form: str) -> None:
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


def test_draws_come_from_the_generator_alone() -> None:
    data, chosen = batch(7, 8, 3, 4), settings()
    state = torch.get_rng_state()
    first = aunce_loss(*data, chosen, generator("a"))
    assert torch.equal(aunce_loss(*data, chosen, generator("a")), first)
    assert not torch.equal(aunce_loss(*data, chosen, generator("b")), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_wrong_ratios_are_refused() -> None:
    with pytest.raises(InputError, match=r"self \+ max \+ mean = 1.2; the three shares must sum to 1"):
        Ratios(self=0.4, max=0.4, mean=0.4)
    with pytest.raises(InputError, match=r"self=-0.2 lies outside \[0, 1\]"):
        Ratios(self=-0.2, max=0.6, mean=0.6)
    with pytest.raises(InputError):
        Ratios(self=math.nan, max=0.5, mean=0.5)
    Ratios(self=0.1, max=0.2, mean=0.7)
    Ratios(self=1 / 3, max=1 / 3, mean=1 / 3)


def test_wrong_settings_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        AunceSettings(temperature=0.0, beta_active=-1, beta_inactive=math.nan, draw="batch", form="paper")
    for text in (
        "temperature=0.0",
        "beta_active=-1",
        "beta_inactive=nan",
        "draw='batch'",
        "anchor, au",
        "form='paper'",
    ):
        assert text in str(caught.value)


def test_wrong_shapes_are_our_mistake() -> None:
    z, labels, coded = batch(0, 4, 2, 3)
    with pytest.raises(AssertionError):
        loss_of((z[:, :1], labels, coded), AunceSettings())
    with pytest.raises(AssertionError):
        loss_of((z, labels[:, :1], coded), AunceSettings())
