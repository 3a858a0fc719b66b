"""Batched drawing on half faces.

A face is drawn as two halves in mirrored coordinates, so each stroke is written once and appears on both sides:
rows 0..N-1 of a canvas hold the right half of the picture, rows N..2N-1 the left half, mirrored. Canonical units:
x >= 0 from the midline outwards, y downwards, the face about 2 units high. Shapes are [2N, h, w] tensors.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from data.seeds import generator

EXTENT = 0.86  # half side of the output frame, canonical units
CENTRE = 0.05  # y of its centre
MARGIN = 1.16  # the canvas exceeds the frame by this factor, so that a pose can turn hidden parts into view
TILES = 16


def blob(distance: Tensor, width: Tensor | float) -> Tensor:
    """Gaussian bump of `distance`."""
    return torch.exp(-((distance / width) ** 2))


def ramp(value: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`, smooth between; `low` > `high` falls instead."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def hump(t: Tensor) -> Tensor:
    """Parabola through 0 at 0 and 1, with the value 1 at one half; 0 outside."""
    return (4 * t * (1 - t)).clamp(min=0)


def column(values: Tensor) -> Tensor:
    """Per-face numbers [N] -> [2N, 1, 1], the same on both sides."""
    return values.repeat(2).view(-1, 1, 1)


@lru_cache(maxsize=8)
def textures(pixels: int) -> dict[str, Tensor]:
    """Unit-variance noise tiles [TILES, pixels, pixels], from `fine` (one pixel) to `coarse` (a seventh)."""
    named = generator("synthetic textures", pixels)
    grains = {"fine": pixels, "medium": max(4, pixels // 3), "coarse": 7}
    return {name: _tiles(cells, pixels, named) for name, cells in grains.items()}


def _tiles(cells: int, pixels: int, named: torch.Generator) -> Tensor:
    noise = torch.randn(TILES, 1, cells, cells, generator=named)
    if cells == pixels:
        return noise[:, 0]
    return functional.interpolate(noise, (pixels, pixels), mode="bicubic", align_corners=False)[:, 0]


def split_halves(whole: Tensor) -> Tensor:
    """[N, ..., w] -> [2N, ..., w / 2], see the module docstring."""
    left, right = whole.chunk(2, dim=-1)
    return torch.cat([right, left.flip(-1)])


def join_halves(halves: Tensor) -> Tensor:
    """The inverse of `split_halves`."""
    right, left = halves.chunk(2)
    return torch.cat([left.flip(-1), right], dim=-1)


@dataclass(frozen=True)
class Patch:
    """A rectangle of a canvas; its tensors are views, so drawing on it draws on the canvas."""

    x: Tensor  # [1, 1, w]
    y: Tensor  # [1, h, 1]
    rgb: Tensor  # [2N, 3, h, w]
    relief: Tensor  # [2N, h, w]
    skin: Tensor  # [2N, h, w] share of each pixel that the face covers
    pixel: float  # canonical units a pixel

    def inside(self, distance: Tensor, softness: float = 1.0) -> Tensor:
        """Coverage of a shape from its signed distance (positive inside), over `softness` pixels."""
        return (distance / (self.pixel * softness) + 0.5).clamp(0, 1)

    def paint(self, cover: Tensor, colour: Tensor) -> None:
        """Blend `colour` ([2N, 3] or [2N, 3, h, w]) over the patch by `cover` [2N, h, w]."""
        paint = colour[:, :, None, None] if colour.dim() == 2 else colour
        self.rgb.add_(cover.unsqueeze(1) * (paint - self.rgb))

    def shade(self, amount: Tensor) -> None:
        """Brighten (positive) or darken what has been painted, relative to itself."""
        self.rgb.mul_((1 + amount).clamp(0.05, 1.8).unsqueeze(1))

    def press(self, amount: Tensor) -> None:
        """Add light (positive) or shadow to the relief that the skin will be painted with."""
        self.relief.add_(amount)

    def crease(self, start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor], bend: Tensor, width: float) -> Tensor:
        """A fold from `start` to `end`: a dark valley bowed by `bend`, with a soft bright ridge beside it.

        Both a positive `bend` and the ridge lie to the right hand of who walks from `start` to `end`.
        """
        along_x, along_y = end[0] - start[0], end[1] - start[1]
        length = (along_x**2 + along_y**2).sqrt()
        from_x, from_y = self.x - start[0], self.y - start[1]
        t = (from_x * along_x + from_y * along_y) / length**2
        off = (from_y * along_x - from_x * along_y) / length - bend * hump(t)
        taper = (1.8 * hump(t)).clamp(max=1)
        width = max(width, 0.7 * self.pixel)
        return taper * (0.4 * blob(off - 2 * width, 1.8 * width) - blob(off, width))


class Canvas:
    """An empty drawing of `count` faces at output side `size`."""

    def __init__(self, count: int, size: int) -> None:
        self.half = round(size * MARGIN / 2)
        self.pixel = 2 * EXTENT / size
        rows, columns = 2 * self.half, self.half
        self.x = ((torch.arange(columns) + 0.5) * self.pixel).view(1, 1, -1)
        self.y = ((torch.arange(rows) + 0.5 - self.half) * self.pixel + CENTRE).view(1, -1, 1)
        self.rgb = torch.zeros(2 * count, 3, rows, columns)
        self.alpha = torch.zeros(2 * count, rows, columns)
        self.relief = torch.zeros(2 * count, rows, columns)
        self.skin = torch.zeros(2 * count, rows, columns)

    def patch(self, left: float, right: float, top: float, bottom: float) -> Patch:
        """The part with `left` <= x < `right`, `top` <= y < `bottom`, cut to the canvas."""
        across = self._cells(left, right, 0.0, self.half)
        down = self._cells(top, bottom, self.half - CENTRE / self.pixel, 2 * self.half)
        return Patch(
            x=self.x[:, :, across],
            y=self.y[:, down],
            rgb=self.rgb[:, :, down, across],
            relief=self.relief[:, down, across],
            skin=self.skin[:, down, across],
            pixel=self.pixel,
        )

    def _cells(self, low: float, high: float, origin: float, count: int) -> slice:
        first, last = (min(max(round(edge / self.pixel + origin), 0), count) for edge in (low, high))
        return slice(first, last)

    def whole(self) -> Patch:
        """All of it."""
        return self.patch(0, 9, -9, 9)

    def texture(self, name: str, tiles: Tensor) -> Tensor:
        """One noise tile a face as halves [2N, rows, columns]; `tiles` [N] are any whole numbers."""
        return split_halves(textures(2 * self.half)[name][tiles % TILES])
