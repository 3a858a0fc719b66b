"""From the frontal drawing to a picture: head pose, background, lens, sensor."""

import torch
from torch import Tensor
from torch.nn import functional

from data.synthetic.canvas import CENTRE, EXTENT, TILES, Canvas, blob, join_halves, textures
from data.synthetic.identity import Traits

_LUMA = torch.tensor([0.30, 0.59, 0.11]).view(1, 3, 1, 1)
REACH = 2  # taps of the blur on each side


def photograph(canvas: Canvas, pose: Traits, look: Traits, size: int) -> Tensor:
    """[N, size, size, 3] uint8 pictures of the drawn heads."""
    drawing = join_halves(torch.cat([canvas.rgb, canvas.alpha.unsqueeze(1)], dim=1))
    warped = _turn(drawing, canvas, pose, size)
    alpha = warped[:, 3:]
    image = warped[:, :3] * alpha + _background(look, size) * (1 - alpha)
    # the order of a real camera: lens, then tone curve, then the noise of the sensor
    image = _develop(_blur(image, look["blur"] * size / 128), look)
    image = image + _number(look["noise"]) * _grain(look["grain"], size)
    return image.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)


def _number(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _turn(drawing: Tensor, canvas: Canvas, pose: Traits, size: int) -> Tensor:
    """Look up, for each output pixel, the point of the frontal drawing that the turned head shows there."""
    axis = ((torch.arange(size) + 0.5) * 2 / size - 1) * EXTENT
    x, y = seen_at(axis.view(1, 1, -1), axis.view(1, -1, 1), pose)
    reach = canvas.half * canvas.pixel
    grid = torch.stack([x, y - CENTRE], dim=-1) / reach
    return functional.grid_sample(drawing, grid, padding_mode="border", align_corners=False)


def seen_at(across: Tensor, down: Tensor, pose: Traits) -> tuple[Tensor, Tensor]:
    """Canonical coordinates that the turned heads show at the places (`across`, `down`), [N or 1, h, w], of the frame.

    Places are canonical lengths from the centre of the frame.
    """
    p = {name: values.view(-1, 1, 1) for name, values in pose.items()}
    u, v = (across - p["shift_x"]) / p["zoom"], (down - p["shift_y"]) / p["zoom"]
    cos, sin = torch.cos(p["roll"]), torch.sin(p["roll"])
    x, y = cos * u + sin * v, cos * v - sin * u + CENTRE
    depth = 0.32 * (1 - (x / 0.85) ** 2 - (y / 1.15) ** 2).clamp(min=0) + 0.06 * blob(x, 0.12) * blob(y - 0.15, 0.15)
    # a turned head shows its near parts, above all the nose, farther to the side
    x = x / torch.cos(p["yaw"]) - torch.sin(p["yaw"]) * depth
    return x, y - torch.sin(p["pitch"]) * depth


def _background(look: Traits, size: int) -> Tensor:
    tiles = textures(size)["coarse"]
    scene = look["scene"]
    clouds = torch.stack([tiles[(scene + offset) % TILES] for offset in (0, 3, 7)], dim=1)
    mixed = clouds[:, :1] + 0.3 * clouds
    fall = torch.linspace(0, 1, size).view(1, 1, -1, 1)
    top, bottom = look["backdrop_top"][:, :, None, None], look["backdrop_bottom"][:, :, None, None]
    return top + (bottom - top) * fall + _number(look["clutter"]) * mixed


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    for dim in (2, 3):
        image = _blur_along(image, sigma, dim)
    return image


def _blur_along(image: Tensor, sigma: Tensor, dim: int) -> Tensor:
    """Gaussian taps as shifted sums: unlike a convolution, the same bits on every machine."""
    size = image.shape[dim]
    pad = (REACH, REACH, 0, 0) if dim == 3 else (0, 0, REACH, REACH)
    wide = functional.pad(image, pad, mode="replicate")
    taps = [torch.exp(-0.5 * (step / sigma.clamp(min=0.05)) ** 2) for step in range(REACH + 1)]
    total = taps[0] + 2 * sum(taps[1:], torch.zeros_like(sigma))
    result = _number(taps[0] / total) * image
    for step in range(1, REACH + 1):
        pair = wide.narrow(dim, REACH - step, size) + wide.narrow(dim, REACH + step, size)
        result = result + _number(taps[step] / total) * pair
    return result


def _develop(image: Tensor, look: Traits) -> Tensor:
    grey = (image * _LUMA).sum(1, keepdim=True)
    tinted = (grey + (image - grey) * _number(look["saturation"])) * look["cast"][:, :, None, None]
    curved = tinted.clamp(0, 1) ** _number(look["gamma"])
    return (curved - 0.5) * _number(look["contrast"]) + 0.5


def _grain(grain: Tensor, size: int) -> Tensor:
    tiles = textures(size)["fine"]
    return torch.stack([tiles[(grain + channel) % TILES] for channel in range(3)], dim=1)
