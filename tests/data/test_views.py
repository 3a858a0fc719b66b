import math
from collections import Counter
from dataclasses import fields

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from data.errors import InputError
from data.seeds import generator
from data.settings import ViewSettings
from data.views import (
    ViewDraw,
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    apply_views,
    centre_views,
    draw_views,
    shift_hue,
)

SIZE, CROP = 24, 16
MANY = 20_000
OPERATIONS = (adjust_brightness, adjust_contrast, adjust_saturation, shift_hue)
REFERENCES = (
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
)
FACTORS = ((0.6, 1.0, 1.4, 0.0), (0.6, 1.0, 1.4, 0.0), (0.6, 1.0, 1.4, 0.0), (-0.5, -0.1, 0.07, 0.5))


def photos(count: int, size: int = SIZE, seed: int = 0) -> Tensor:
    """uint8 [count, size, size, 3], with grey, black, white and saturated pixels in the first row."""
    frames = torch.randint(0, 256, (count, size, size, 3), generator=generator("photos", seed), dtype=torch.uint8)
    special = [[0, 0, 0], [255] * 3, [128] * 3, [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [9, 200, 200]]
    frames[:, 0, :8] = torch.tensor(special, dtype=torch.uint8)
    return frames


def to_float(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2).float() / 255


def pick(draw: ViewDraw, rows: list[int]) -> ViewDraw:
    return ViewDraw(**{field.name: getattr(draw, field.name)[rows] for field in fields(draw)})


def one_by_one(frame: Tensor, draw: ViewDraw) -> Tensor:
    """The view of one frame [1, H, W, 3] by torchvision's functions and a draw of one row."""
    view = reference.crop(to_float(frame), int(draw.top), int(draw.left), CROP, CROP)
    view = reference.horizontal_flip(view) if bool(draw.flip) else view
    if bool(draw.jitter):
        for number in draw.order[0].tolist():
            view = REFERENCES[number](view, float(draw.factors[0, number]))
    view = reference.rgb_to_grayscale(view, 3) if bool(draw.grayscale) else view
    sigma = float(draw.sigma)
    return reference.gaussian_blur(view, [3, 3], [sigma, sigma]) if sigma > 0 else view  # type: ignore[no-any-return]


@pytest.mark.parametrize("number", range(4), ids=["brightness", "contrast", "saturation", "hue"])
def test_colour_operations_are_torchvisions(number: int) -> None:
    views = to_float(photos(4))
    factors = torch.tensor(FACTORS[number]).view(-1, 1, 1, 1)
    expected = torch.stack([REFERENCES[number](v, float(f)) for v, f in zip(views, factors, strict=True)])
    torch.testing.assert_close(OPERATIONS[number](views, factors), expected, atol=1e-5, rtol=0)


def test_whole_views_are_torchvisions() -> None:
    frames = photos(64)
    draw = draw_views(64, SIZE, ViewSettings(crop=CROP, blur=0.7), generator("whole", 0))
    assert 0 < int(draw.grayscale.sum()) < 64
    assert 0 < int((draw.sigma == 0).sum()) < 64
    expected = torch.cat([one_by_one(frames[i : i + 1], pick(draw, [i])) for i in range(64)])
    views = apply_views(frames, draw, CROP)
    assert views.shape == (64, 3, CROP, CROP)
    assert views.dtype == torch.float32
    torch.testing.assert_close(views, expected, atol=2e-5, rtol=0)
    assert float(views.min()) >= 0
    assert float(views.max()) <= 1


def test_a_view_does_not_depend_on_its_batch_mates() -> None:
    frames = photos(12)
    draw = draw_views(12, SIZE, ViewSettings(crop=CROP), generator("mates", 0))
    together = apply_views(frames, draw, CROP)
    for rows in ([3], [11, 0], [5, 7, 2, 9, 1]):
        torch.testing.assert_close(apply_views(frames[rows], pick(draw, rows), CROP), together[rows], atol=1e-6, rtol=0)


def test_crop_and_flip_are_exact() -> None:
    frames = torch.arange(2 * 10 * 10 * 3).remainder(251).to(torch.uint8).view(2, 10, 10, 3)
    draw = draw_views(2, 10, ViewSettings(crop=8, jitter=0, grayscale=0, blur=0), generator("crop", 0))
    placed = ViewDraw(
        **vars(draw) | {"top": torch.tensor([0, 2]), "left": torch.tensor([1, 2]), "flip": torch.tensor([False, True])}
    )
    views = (apply_views(frames, placed, 8) * 255).round().to(torch.uint8)
    for row in range(8):
        for column in range(8):
            assert views[0, :, row, column].tolist() == frames[0, row, 1 + column].tolist()
            assert views[1, :, row, column].tolist() == frames[1, 2 + row, 2 + 7 - column].tolist()


def test_probability_zero_leaves_the_crop() -> None:
    frames = photos(40)
    settings = ViewSettings(crop=CROP, flip=0, jitter=0, grayscale=0, blur=0)
    draw = draw_views(40, SIZE, settings, generator("plain", 0))
    crops = [
        frame[top : top + CROP, left : left + CROP]
        for frame, top, left in zip(frames, draw.top.tolist(), draw.left.tolist(), strict=True)
    ]
    assert torch.equal(apply_views(frames, draw, CROP), to_float(torch.stack(crops)))


def test_probability_one_is_always() -> None:
    settings = ViewSettings(crop=SIZE, flip=1, jitter=1, grayscale=1, blur=1)
    draw = draw_views(500, SIZE, settings, generator("always", 0))
    assert bool((draw.flip & draw.jitter & draw.grayscale & (draw.sigma > 0)).all())
    assert not bool(draw.top.any() | draw.left.any())
    views = apply_views(photos(4), pick(draw, [0, 1, 2, 3]), SIZE)
    torch.testing.assert_close(views[:, 0], views[:, 2])


def test_the_centre_view() -> None:
    frames = photos(2, size=11)
    assert torch.equal(centre_views(frames, 8), to_float(frames[:, 1:9, 1:9]))
    assert torch.equal(centre_views(frames, 11), to_float(frames))


def near(share: float, expected: float) -> bool:
    """Within five standard deviations of a binomial share of MANY draws."""
    return abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / MANY)


@pytest.fixture(scope="module")
def many() -> ViewDraw:
    return draw_views(MANY, SIZE, ViewSettings(crop=CROP, flip=0.3, blur=0.6), generator("many", 0))


def test_shares_are_the_probabilities(many: ViewDraw) -> None:
    events = {"flip": many.flip, "jitter": many.jitter, "gray": many.grayscale, "blur": many.sigma > 0}
    shares = {name: float(event.float().mean()) for name, event in events.items()}
    expected = {"flip": 0.3, "jitter": 0.8, "gray": 0.2, "blur": 0.6}
    assert all(near(shares[name], expected[name]) for name in expected), shares


def test_crops_are_uniform_with_both_ends(many: ViewDraw) -> None:
    for places in (many.top, many.left):
        counts = Counter(places.tolist())
        assert sorted(counts) == list(range(SIZE - CROP + 1))
        assert all(near(count / MANY, 1 / 9) for count in counts.values())


def test_orders_are_uniform_permutations(many: ViewDraw) -> None:
    orders = Counter(tuple(order) for order in many.order.tolist())
    assert len(orders) == 24
    assert all(sorted(order) == [0, 1, 2, 3] and near(n / MANY, 1 / 24) for order, n in orders.items())


def test_factors_are_uniform_around_neutral(many: ViewDraw) -> None:
    centre, spread = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([0.4, 0.4, 0.4, 0.1])
    scaled = (many.factors - centre) / spread
    assert float(scaled.abs().max()) <= 1.0001
    for bound in (-0.5, 0.0, 0.5):
        shares = (scaled < bound).float().mean(dim=0)
        assert all(near(float(share), (bound + 1) / 2) for share in shares)
    sigma = many.sigma[many.sigma > 0]
    assert 0.1 <= float(sigma.min()) < 0.11
    assert 1.99 < float(sigma.max()) <= 2.0
    assert abs(float(sigma.mean()) - 1.05) < 0.03


def test_what_is_drawn_is_independent(many: ViewDraw) -> None:
    columns = [many.top, many.left, many.flip, *many.factors.T, many.jitter, many.grayscale, many.sigma > 0]
    columns += [many.order[:, 0]]
    correlation = torch.corrcoef(torch.stack([column.double() for column in columns]))
    assert float((correlation - torch.eye(len(columns))).abs().max()) < 5 / math.sqrt(MANY)


def test_drawing_reads_only_the_given_generator() -> None:
    state = torch.get_rng_state()
    one, other = (draw_views(9, SIZE, ViewSettings(crop=CROP), generator("cpu", 0)) for _ in range(2))
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in vars(one))
    assert torch.equal(torch.get_rng_state(), state)
    assert {value.device.type for value in vars(one).values()} == {"cpu"}
    assert {len(value) for value in vars(one.to(torch.device("cpu"))).values()} == {9}


def test_a_crop_larger_than_the_frames_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="crop 32 exceeds the stored frames of 24 px"):
        draw_views(1, SIZE, ViewSettings(crop=32), generator("large", 0))


def test_settings_outside_their_range_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        ViewSettings(crop=4, flip=1.5, hue=0.6, brightness=-0.1, blur_sigma=0.0, grayscale=math.nan)
    for name in ("crop=4", "flip=1.5", "hue=0.6", "brightness=-0.1", "blur_sigma=0.0", "grayscale=nan"):
        assert name in str(caught.value)
