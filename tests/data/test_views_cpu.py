"""The bounds, in 255ths, lie a fifth to a half above what was measured on these pictures."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from data.seeds import generator
from data.settings import ViewSettings
from data.views import apply_views, centre_views, draw_views
from data.views_cpu import cpu_centre_views, cpu_views
from tests.data.stores import PLAIN
from tests.data.test_views import CROP, FACTORS, REFERENCES, SIZE, one_by_one, photos, pick, to_float

NEUTRAL = torch.tensor([1.0, 1.0, 1.0, 0.0])


def smooth(count: int, size: int = SIZE) -> Tensor:
    """uint8 [count, size, size, 3] without noise, strongly coloured."""
    coarse = torch.rand(count, 3, 4, 4, generator=generator("smooth"))
    planes = interpolate(coarse, (size, size), mode="bilinear")
    return (planes * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def levels(views: Tensor, expected: Tensor) -> np.ndarray:
    """How far the views are off, in 255ths."""
    assert views.shape == expected.shape
    return np.asarray(((views - expected).abs() * 255).numpy())


@pytest.mark.parametrize("pictures", [photos, smooth])
def test_whole_views_are_those_of_the_device_and_of_torchvision(pictures: Callable[[int], Tensor]) -> None:
    frames = pictures(256)
    draw = draw_views(256, SIZE, ViewSettings(crop=CROP, blur=0.7), generator("whole", 0))
    views = cpu_views(frames.numpy(), draw, CROP)
    assert views.dtype == torch.float32
    assert 0 <= float(views.min()) < float(views.max()) <= 1
    theirs = torch.cat([one_by_one(frames[i : i + 1], pick(draw, [i])) for i in range(256)])
    for expected in (apply_views(frames, draw, CROP), theirs):
        off = levels(views, expected)
        assert off.mean() < 0.6
        assert np.quantile(off, 0.999) < 6.5
        assert off.mean(axis=(1, 2, 3)).max() < 2.0


@pytest.mark.parametrize(
    ("number", "mean", "most"),
    [(0, 0.15, 0.51), (1, 0.3, 0.55), (2, 0.25, 0.85), (3, 0.5, 8.0)],
    ids=["brightness", "contrast", "saturation", "hue"],
)
def test_colour_operations_are_torchvisions(number: int, mean: float, most: float) -> None:
    frames = photos(4)
    factors = NEUTRAL.repeat(4, 1)
    factors[:, number] = torch.tensor(FACTORS[number])
    plain = draw_views(4, SIZE, ViewSettings(crop=SIZE, **PLAIN), generator("plain"))
    views = cpu_views(frames.numpy(), replace(plain, jitter=torch.ones(4).bool(), factors=factors), SIZE)
    pairs = zip(to_float(frames), factors[:, number].tolist(), strict=True)
    off = levels(views, torch.stack([REFERENCES[number](frame, factor) for frame, factor in pairs]))
    assert off.mean() < mean
    assert off.max() < most


def test_a_hue_is_shifted_the_right_way_round_the_circle() -> None:
    """The hues just below a full turn are where OpenCV's two conversions differ."""
    frames = torch.tensor([[255, 0, 20], [255, 0, 60], [255, 20, 0], [0, 255, 90]], dtype=torch.uint8).expand(
        1, 8, 4, 3
    )
    plain = draw_views(1, 8, ViewSettings(crop=8, **PLAIN), generator("plain"))
    for turns in (-0.02, 0.0, 0.02, 0.1):
        factors = torch.tensor([[1.0, 1.0, 1.0, turns]])
        frame = frames.repeat(1, 1, 2, 1)
        views = cpu_views(frame.numpy(), replace(plain, jitter=torch.ones(1).bool(), factors=factors), 8)
        assert levels(views, REFERENCES[3](to_float(frame), turns)).max() < 5


def test_grayscale_and_blur_round_once_each() -> None:
    frames = photos(8)
    for settings in (PLAIN | {"grayscale": 1.0}, PLAIN | {"blur": 1.0}, PLAIN | {"grayscale": 1.0, "blur": 1.0}):
        draw = draw_views(8, SIZE, ViewSettings(crop=CROP, **settings), generator("few"))
        off = levels(cpu_views(frames.numpy(), draw, CROP), apply_views(frames, draw, CROP))
        assert 0 < off.max() < 1.1


def test_crop_and_flip_are_exact() -> None:
    frames = photos(40)
    draw = draw_views(40, SIZE, ViewSettings(crop=CROP, **PLAIN | {"flip": 0.5}), generator("crop", 0))
    assert 0 < int(draw.flip.sum()) < 40
    assert torch.equal(cpu_views(frames.numpy(), draw, CROP), apply_views(frames, draw, CROP))


def test_every_frame_gives_as_many_views_as_were_drawn() -> None:
    frames = photos(3)
    draw = draw_views(6, SIZE, ViewSettings(crop=CROP, **PLAIN), generator("many", 0))
    expected = apply_views(frames.repeat_interleave(2, 0), draw, CROP)
    assert torch.equal(cpu_views(frames.numpy(), draw, CROP), expected)
    assert torch.equal(apply_views(frames, draw, CROP), expected)


def test_a_view_does_not_depend_on_its_batch_mates() -> None:
    frames = photos(12).numpy()
    draw = draw_views(12, SIZE, ViewSettings(crop=CROP), generator("mates", 0))
    together = cpu_views(frames, draw, CROP)
    assert torch.equal(cpu_views(frames, draw, CROP), together)
    for rows in ([3], [11, 0], [5, 7, 2, 9, 1]):
        assert torch.equal(cpu_views(frames[rows], pick(draw, rows), CROP), together[rows])


def test_the_frames_are_left_as_they_are() -> None:
    frames = photos(64).numpy()
    kept = frames.copy()
    frames.flags.writeable = False
    cpu_views(frames, draw_views(64, SIZE, ViewSettings(crop=SIZE), generator("kept", 0)), SIZE)
    assert np.array_equal(frames, kept)


def test_views_lie_channels_last() -> None:
    draw = draw_views(4, SIZE, ViewSettings(crop=CROP), generator("memory", 0))
    for views in (cpu_views(photos(4).numpy(), draw, CROP), cpu_centre_views(photos(4).numpy(), CROP)):
        assert views.shape == (4, 3, CROP, CROP)
        assert views.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("crop", [8, 11])
def test_the_centre_view(crop: int) -> None:
    frames = photos(2, size=11)
    assert torch.equal(cpu_centre_views(frames.numpy(), crop), centre_views(frames, crop))
