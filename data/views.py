"""Two views of a frame: random crop, flip, colour jitter, grayscale and blur, drawn for each sample on its own.

Drawing and applying are apart: `draw_views` makes small tensors of parameters from a CPU generator, `apply_views`
runs batched on the accelerator that holds the frames, and `data.views_cpu` does the same on the CPU, faster. A view
does not depend on its batch mates. Colour operations agree with torchvision's float functions
(`tests/data/test_views.py`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from data.settings import ViewSettings

LUMA = (0.2989, 0.587, 0.114)  # torchvision's rgb_to_grayscale


@dataclass(frozen=True)
class ViewDraw:
    """What was drawn for N views; every field has N rows."""

    top: Tensor  # [N] int64
    left: Tensor  # [N] int64
    flip: Tensor  # [N] bool
    order: Tensor  # [N, 4] int64, the order of the four colour operations
    factors: Tensor  # [N, 4] brightness, contrast, saturation, hue; neutral where no jitter was drawn
    jitter: Tensor  # [N] bool
    grayscale: Tensor  # [N] bool
    sigma: Tensor  # [N] blur in pixels, 0 for none

    def __len__(self) -> int:
        return len(self.top)

    def to(self, device: torch.device) -> "ViewDraw":
        """The same draw on `device`."""
        return ViewDraw(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})

    def take(self, views: Tensor) -> "ViewDraw":
        """The draws of `views` (int64, repetitions allowed)."""
        return ViewDraw(**{name: value[views] for name, value in vars(self).items()})


def draw_views(count: int, size: int, settings: ViewSettings, generator: torch.Generator) -> ViewDraw:
    """Draw the parameters of `count` views of frames of `size` pixels."""
    uniform = torch.rand(count, 10, generator=generator)
    slack = size - settings.crop
    assert slack >= 0, f"crop {settings.crop} exceeds the stored frames of {size} px"
    spread = torch.tensor([settings.brightness, settings.contrast, settings.saturation, settings.hue])
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0])
    sigma = 0.1 + (settings.blur_sigma - 0.1) * uniform[:, 7]
    return ViewDraw(
        top=(uniform[:, 0] * (slack + 1)).long(),
        left=(uniform[:, 1] * (slack + 1)).long(),
        flip=uniform[:, 2] < settings.flip,
        order=torch.rand(count, 4, generator=generator).argsort(dim=1),
        factors=neutral + spread * (2 * uniform[:, 3:7] - 1),
        jitter=torch.rand(count, generator=generator) < settings.jitter,
        grayscale=uniform[:, 8] < settings.grayscale,
        sigma=torch.where(uniform[:, 9] < settings.blur, sigma, torch.zeros(())),
    )


def apply_views(frames: Tensor, draw: ViewDraw, crop: int) -> Tensor:
    """uint8 frames [F, H, W, 3], draw of N = k F views, k a frame -> views [N, 3, crop, crop], float in [0, 1].

    `draw` stays on the CPU: which samples an operation takes is then known without waiting for the device.
    """
    placed = draw.to(frames.device)
    views = _crop_flip(frames, placed, crop)
    _jitter(views, draw, placed.factors)
    views = torch.where(placed.grayscale.view(-1, 1, 1, 1), _gray(views), views)
    return _blur(views, placed.sigma)


def centre_views(frames: Tensor, crop: int) -> Tensor:
    """uint8 frames [N, H, W, 3] -> their centre crops [N, 3, crop, crop], float in [0, 1]: the test view."""
    top, left = (frames.shape[1] - crop) // 2, (frames.shape[2] - crop) // 2
    return _to_float(frames[:, top : top + crop, left : left + crop])


def _to_float(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _crop_flip(frames: Tensor, draw: ViewDraw, crop: int) -> Tensor:
    steps = torch.arange(crop, device=frames.device)
    rows = draw.top[:, None] + steps
    columns = draw.left[:, None] + torch.where(draw.flip[:, None], crop - 1 - steps, steps)
    sample = torch.arange(len(draw), device=frames.device)[:, None, None] // (len(draw) // len(frames))
    return _to_float(frames[sample, rows[:, :, None], columns[:, None, :]])


def _jitter(views: Tensor, draw: ViewDraw, factors: Tensor) -> None:
    """Apply the four colour operations to the jittered samples, in place, each sample in its own order."""
    operations = (adjust_brightness, adjust_contrast, adjust_saturation, shift_hue)
    for position in range(4):
        for number, operation in enumerate(operations):
            chosen = (draw.jitter & (draw.order[:, position] == number)).nonzero().squeeze(1)
            chosen = chosen.to(views.device, non_blocking=True)
            views[chosen] = operation(views[chosen], factors[chosen, number].view(-1, 1, 1, 1))


def _gray(views: Tensor) -> Tensor:
    weights = torch.tensor(LUMA, device=views.device).view(1, 3, 1, 1)
    return (views * weights).sum(1, keepdim=True)


def adjust_brightness(views: Tensor, factor: Tensor) -> Tensor:
    """Scale `views` [N, 3, H, W] by `factor` [N, 1, 1, 1]."""
    return (views * factor).clamp(0, 1)


def adjust_contrast(views: Tensor, factor: Tensor) -> Tensor:
    """Blend each view with its mean luminance."""
    mean = _gray(views).mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean.expand_as(views), views, factor).clamp(0, 1)


def adjust_saturation(views: Tensor, factor: Tensor) -> Tensor:
    """Blend each view with its luminance."""
    return torch.lerp(_gray(views).expand_as(views), views, factor).clamp(0, 1)


def shift_hue(views: Tensor, turns: Tensor) -> Tensor:
    """Rotate the HSV hue of `views` [N, 3, H, W] by `turns` [N, 1, 1, 1] of a full circle."""
    red, green, blue = views.unbind(1)
    value, chroma = views.amax(1), views.amax(1) - views.amin(1)
    safe = chroma.clamp_min(1e-12)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    offsets = torch.tensor([5.0, 3.0, 1.0], device=views.device).view(1, 3, 1, 1)
    sextant = (offsets + (hue + 6 * turns.squeeze(1)).unsqueeze(1)) % 6
    weight = torch.minimum(sextant, 4 - sextant).clamp(0, 1)
    return value.unsqueeze(1) - chroma.unsqueeze(1) * weight


def _blur(views: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, 3x3, reflected borders; `sigma` 0 leaves a sample as it is."""
    side = torch.exp(-0.5 / sigma.clamp_min(1e-6).square())
    side = (side / (1 + 2 * side)).view(-1, 1, 1, 1)
    for dim in (2, 3):
        size = views.shape[dim]
        before = torch.cat([views.narrow(dim, 1, 1), views.narrow(dim, 0, size - 1)], dim)
        after = torch.cat([views.narrow(dim, 1, size - 1), views.narrow(dim, size - 2, 1)], dim)
        views = views + side * (before + after - 2 * views)
    return views
