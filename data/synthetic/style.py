"""What sets the datasets' pictures apart: pose, light, framing, background and camera."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from data.synthetic.identity import Traits

Range = tuple[float, float]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Style:
    """Ranges that a sequence draws its recording conditions from."""

    yaw: float  # degrees, standard deviation; likewise pitch and roll
    pitch: float
    roll: float
    zoom: Range
    shift: float
    backdrop: tuple[Colour, Colour]
    clutter: float
    ambient: Range
    side: float  # the light comes from at most this far left or right
    top: Range
    rim: float  # strength of a second light from the other side
    gamma: Range
    saturation: Range
    contrast: Range
    cast: float
    blur: Range  # pixels at a frame side of 128
    noise: Range


STYLES: dict[str, Style] = {
    "bp4d": Style(
        yaw=5, pitch=4, roll=2.5, zoom=(0.98, 1.06), shift=0.025,
        backdrop=((0.05, 0.07, 0.16), (0.12, 0.15, 0.28)), clutter=0.02,
        ambient=(0.60, 0.70), side=0.25, top=(-0.45, -0.15), rim=0.0,
        gamma=(0.92, 1.08), saturation=(0.95, 1.1), contrast=(0.98, 1.1), cast=0.015,
        blur=(0.3, 0.5), noise=(0.004, 0.010),
    ),
    "disfa": Style(
        yaw=6, pitch=4, roll=3, zoom=(0.94, 1.04), shift=0.03,
        backdrop=((0.30, 0.31, 0.32), (0.46, 0.47, 0.48)), clutter=0.02,
        ambient=(0.52, 0.64), side=0.5, top=(-0.5, -0.1), rim=0.0,
        gamma=(0.85, 1.1), saturation=(0.45, 0.65), contrast=(0.88, 1.0), cast=0.02,
        blur=(0.4, 0.6), noise=(0.008, 0.014),
    ),
    "gft": Style(
        yaw=12, pitch=7, roll=6, zoom=(0.88, 1.02), shift=0.05,
        backdrop=((0.35, 0.30, 0.24), (0.68, 0.62, 0.54)), clutter=0.05,
        ambient=(0.50, 0.62), side=0.7, top=(-0.6, 0.1), rim=0.30,
        gamma=(0.8, 1.2), saturation=(0.75, 1.0), contrast=(0.85, 1.05), cast=0.04,
        blur=(0.4, 0.7), noise=(0.010, 0.020),
    ),
    "affwild2": Style(
        yaw=14, pitch=9, roll=7, zoom=(0.86, 1.06), shift=0.05,
        backdrop=((0.10, 0.10, 0.10), (0.85, 0.80, 0.75)), clutter=0.10,
        ambient=(0.42, 0.66), side=0.85, top=(-0.7, 0.35), rim=0.20,
        gamma=(0.72, 1.2), saturation=(0.4, 1.1), contrast=(0.75, 1.1), cast=0.07,
        blur=(0.4, 0.85), noise=(0.010, 0.028),
    ),
}  # fmt: skip

BLINK = 0.015  # chance that a blink starts at a frame


def looks(style: Style, frames: int, named: torch.Generator) -> Traits:
    """Recording conditions [frames, ...] of one sequence: constant but for the sensor's grain."""

    def draw(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(1, generator=named)).expand(frames)

    low, high = (torch.tensor(colour) for colour in style.backdrop)
    shares = torch.rand(2, 1, generator=named) + 0.35 * (torch.rand(2, 3, generator=named) - 0.5)
    ends = low + (high - low) * shares.clamp(0, 1)
    scalars = {
        name: draw(*getattr(style, name))
        for name in ("ambient", "top", "gamma", "saturation", "contrast", "blur", "noise")
    }
    return {
        **scalars,
        "side": draw(-style.side, style.side),
        "rim": draw(0.3 * style.rim, style.rim),
        "clutter": torch.full((frames,), style.clutter),
        # a colour cast of the whole recording, as of a white balance that is off
        "cast": (1 + style.cast * torch.randn(1, 3, generator=named)).clamp(0.8, 1.2).expand(frames, 3),
        "backdrop_top": ends[:1].expand(frames, 3),
        "backdrop_bottom": ends[1:].expand(frames, 3),
        "scene": torch.randint(0, 1 << 20, (1,), generator=named).expand(frames),
        "grain": torch.randint(0, 1 << 20, (frames,), generator=named),
    }


def poses(style: Style, frames: int, named: torch.Generator) -> Traits:
    """Head pose, gaze and blinking [frames] of one sequence: slow wandering about the sequence's own mean."""

    def angle(degrees: float) -> Tensor:
        wander = 0.8 * smooth_noise(1, frames, 10.0, named)[0] + 0.6 * torch.randn(1, generator=named)
        return math.radians(degrees) * wander.clamp(-2, 2)

    def place(low: float, high: float) -> Tensor:
        mean = low + (high - low) * torch.rand(1, generator=named)
        return mean + 0.08 * (high - low) * smooth_noise(1, frames, 6.0, named)[0]

    return {
        "yaw": angle(style.yaw),
        "pitch": angle(style.pitch),
        "roll": angle(style.roll),
        "zoom": place(*style.zoom),
        "shift_x": place(-style.shift, style.shift),
        "shift_y": place(-style.shift, style.shift),
        "gaze_x": smooth_noise(1, frames, 3.0, named)[0].clamp(-1.5, 1.5),
        "gaze_y": 0.6 * smooth_noise(1, frames, 3.0, named)[0].clamp(-1.5, 1.5),
        "blink": _blinks(frames, named),
    }


def frontal(count: int) -> Traits:
    """The pose of a passport picture."""
    names = ("yaw", "pitch", "roll", "shift_x", "shift_y", "gaze_x", "gaze_y", "blink")
    return {name: torch.zeros(count) for name in names} | {"zoom": torch.ones(count)}


def smooth_noise(rows: int, frames: int, width: float, named: torch.Generator) -> Tensor:
    """Stationary unit-variance Gaussian noise [rows, frames], correlated over about `width` frames."""
    reach = math.ceil(3 * width)
    kernel = torch.exp(-((torch.arange(-reach, reach + 1) / width) ** 2))
    kernel = (kernel / kernel.square().sum().sqrt()).view(1, 1, -1)
    # a margin at both ends, so that the first frames vary as much as all others
    white = torch.randn(rows, 1, frames + 2 * reach, generator=named)
    return functional.conv1d(white, kernel)[:, 0]


def _blinks(frames: int, named: torch.Generator) -> Tensor:
    """Closed share of the lids: each blink takes three frames."""
    starts = (torch.rand(frames + 2, generator=named) < BLINK).float()
    return (0.6 * starts[2:] + starts[1:-1] + 0.5 * starts[:-2]).clamp(max=1)
