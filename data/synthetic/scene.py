"""A face crop as part of a larger picture, as a camera records it: moving slowly, tilted, nearer or farther."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from data.synthetic.identity import Traits
from data.synthetic.style import smooth_noise

_WIDTH, _HEIGHT = 1.9, 1.4  # of the picture, in sides of the crop
EDGE = 0.06  # share of the crop's side over which it fades into the picture


def scene_size(size: int) -> tuple[int, int]:
    """Width and height, even numbers, of the picture for crops of side `size`."""
    return 2 * round(size * _WIDTH / 2), 2 * round(size * _HEIGHT / 2)


def placements(frames: int, size: int, named: torch.Generator) -> Tensor:
    """[frames, 2, 3] maps from pixels of the crop to pixels of the picture."""
    width, height = scene_size(size)

    def course(spread: float, wander: float) -> Tensor:
        mean = spread * (2 * torch.rand(1, generator=named) - 1)
        return mean + wander * smooth_noise(1, frames, 12.0, named)[0].clamp(-2, 2)

    turn, scale = course(math.radians(8), math.radians(1.5)), 0.76 + course(0.10, 0.015)
    x, y = width / 2 + size * course(0.30, 0.03), height / 2 + size * course(0.10, 0.015)
    cos, sin = scale * torch.cos(turn), scale * torch.sin(turn)
    middle = (size - 1) / 2
    rows = ((cos, -sin, x - middle * (cos - sin)), (sin, cos, y - middle * (sin + cos)))
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)


def paste(crops: np.ndarray, maps: Tensor, look: Traits) -> np.ndarray:
    """[n, height, width, 3] uint8 pictures that show `crops` [n, size, size, 3] where `maps` [n, 2, 3] put them."""
    size = crops.shape[1]
    faces = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    layers = torch.cat([faces, _fade(size).expand(len(faces), 1, size, size)], dim=1)
    seen = functional.grid_sample(layers, _grid(maps, size), padding_mode="zeros", align_corners=False)
    cover = seen[:, 3:]
    # The layers end at the crop's edge, where the cover is zero, so colours need no correction there.
    picture = seen[:, :3] * cover + _wall(look, *scene_size(size)) * (1 - cover)
    return picture.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def move(points: np.ndarray, maps: Tensor) -> np.ndarray:
    """`points` [n, k, 2] of the crops in pixels of the pictures."""
    maps_ = maps.double().numpy()
    moved: np.ndarray = points @ maps_[:, :, :2].transpose(0, 2, 1) + maps_[:, None, :, 2]
    return moved


def _grid(maps: Tensor, size: int) -> Tensor:
    """[n, height, width, 2] where in the crop, -1 to 1, each pixel of the picture looks."""
    width, height = scene_size(size)
    down, across = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    a, b, x, c, d, y = (entry.view(-1, 1, 1) for entry in maps.flatten(1).unbind(1))
    across, down, area = across - x, down - y, a * d - b * c
    inside = torch.stack([(d * across - b * down) / area, (a * down - c * across) / area], dim=-1)
    return (inside + 0.5) * (2 / size) - 1


def _fade(size: int) -> Tensor:
    """[size, size]: 1, falling to 0 at the edges."""
    place = (torch.arange(size) + 0.5) / size
    ramp = (torch.minimum(place, 1 - place) / EDGE).clamp(max=1)
    return ramp.view(-1, 1) * ramp.view(1, -1)


def _wall(look: Traits, width: int, height: int) -> Tensor:
    fall = torch.linspace(0, 1, height).view(1, 1, -1, 1)
    top, bottom = look["backdrop_top"][:, :, None, None], look["backdrop_bottom"][:, :, None, None]
    return (top + (bottom - top) * fall).expand(-1, -1, -1, width)
