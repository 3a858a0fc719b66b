"""Where the 68 points of the iBUG scheme lie on a synthetic face.

Eyes, nose and mouth are the contours that are drawn; the jaw follows the head's outline.
"""

import math

import numpy as np
import torch
from torch import Tensor

from data.synthetic.camera import seen_at
from data.synthetic.canvas import CENTRE, EXTENT, Canvas
from data.synthetic.face import Face, make_face
from data.synthetic.head import TOP, silhouette
from data.synthetic.identity import Traits
from data.synthetic.lower import lips_at
from data.synthetic.upper import brow, lids

# What the datasets distribute: DISFA without the inner corners of the mouth, BP4D also without the jaw.
POINTS_66 = [point for point in range(68) if point not in (60, 64)]
POINTS_49 = POINTS_66[17:]

# Points of one half of the face, by their place in `_half`.
_JAW, _BROW, _NOSE, _EYE, _LIPS, _BRIDGE = 0, 9, 14, 17, 23, 35
_LEFT, _RIGHT = -1, 1
_ORDER = [
    *((_LEFT, _JAW + k) for k in range(9)), *((_RIGHT, _JAW + k) for k in range(7, -1, -1)),
    *((_LEFT, _BROW + k) for k in range(4, -1, -1)), *((_RIGHT, _BROW + k) for k in range(5)),
    *((_RIGHT, _BRIDGE + k) for k in range(4)),
    *((_LEFT, _NOSE + k) for k in (2, 1)), *((_RIGHT, _NOSE + k) for k in (0, 1, 2)),
    *((_LEFT, _EYE + k) for k in (3, 2, 1, 0, 5, 4)), *((_RIGHT, _EYE + k) for k in range(6)),
    *((_LEFT, _LIPS + k) for k in (0, 1, 2)), *((_RIGHT, _LIPS + k) for k in (3, 2, 1, 0)),
    *((_RIGHT, _LIPS + k) for k in (4, 5, 6)), *((_LEFT, _LIPS + k) for k in (5, 4)),
    *((_LEFT, _LIPS + k) for k in (7, 8)), *((_RIGHT, _LIPS + k) for k in (9, 8, 7)),
    *((_RIGHT, _LIPS + k) for k in (10, 11)), (_LEFT, _LIPS + 10),
]  # fmt: skip
TIP = 0.04  # the tip of the nose is this far above its lower edge
_STEPS = 30


@torch.no_grad()
def landmarks(who: Traits, intensity: Tensor, pose: Traits, look: Traits, size: int) -> np.ndarray:
    """[N, 68, 2]: x, y in pixels of what `render` draws from the same; (0, 0) is the centre of the first pixel."""
    face = make_face(Canvas(len(intensity), 2), who, intensity, pose, look)
    half_x, half_y = _half(face)
    columns = torch.tensor([column for _, column in _ORDER])
    left = torch.tensor([side == _LEFT for side, _ in _ORDER])
    right_x, left_x = half_x[..., columns].chunk(2)
    right_y, left_y = half_y[..., columns].chunk(2)
    across, down = _place(torch.where(left, -left_x, right_x), torch.where(left, left_y, right_y), pose)
    places = torch.stack([across, down], dim=-1)[:, 0]
    return ((places / EXTENT + 1) * size / 2 - 0.5).double().numpy()


def _half(face: Face) -> tuple[Tensor, Tensor]:
    """x and y, [2N, 1, points], of the points of each half in its own canonical coordinates."""
    parts = [_jaw(face), _brow(face), _nose(face), _eye(face), _lips(face), _bridge(face)]
    return torch.cat([x for x, _ in parts], dim=-1), torch.cat([y for _, y in parts], dim=-1)


def _jaw(face: Face) -> tuple[Tensor, Tensor]:
    """From beside the eye to the chin."""
    start = face.t["eye_y"] + 0.02
    chin = TOP + face.t["face_height"] - 0.03 + face.spot["jaw_drop"]
    y = start + (chin - start) * torch.sin(torch.arange(9) * (math.pi / 16))
    wide, height, square = silhouette(face, y)
    return wide * (1 - ((y - TOP).abs() / height) ** square).clamp(min=0) ** (1 / square), y


def _brow(face: Face) -> tuple[Tensor, Tensor]:
    x = face.spot["brow_x"] + torch.linspace(-1, 1, 5) * face.t["brow_length"]
    return x, brow(face, x)[1]


def _nose(face: Face) -> tuple[Tensor, Tensor]:
    """The lower edge, from the middle to the wing."""
    x = torch.tensor([0.0, 0.40, 0.80]) * face.spot["nose_width"]
    return x, face.spot["nose_y"] + torch.tensor([0.040, 0.034, 0.022])


def _eye(face: Face) -> tuple[Tensor, Tensor]:
    """From the inner corner along the upper lid to the outer corner and back along the lower lid."""
    x = face.t["eye_x"] + torch.tensor([-1.0, -0.4, 0.4, 1.0, 0.4, -0.4]) * face.t["eye_width"]
    _, axis, upper, lower = lids(face, x)
    ends, above = torch.tensor([True, False, False] * 2), torch.tensor([False, True, True, False, False, False])
    return x, torch.where(ends, axis, torch.where(above, upper, lower))


def _lips(face: Face) -> tuple[Tensor, Tensor]:
    """Corner, upper edge to the middle, lower edge likewise; then the same of the inner edge."""
    x = torch.tensor([1.0, 0.62, 0.25, 0.0, 0.62, 0.30, 0.0, 0.90, 0.30, 0.0, 0.30, 0.0]) * face.spot["mouth_width"]
    lips = lips_at(face, x)
    edges = (lips.line, *[lips.upper_out] * 3, *[lips.lower_out] * 3, lips.line, *[lips.upper_in] * 2)
    columns = (*edges, *[lips.lower_in] * 2)
    return x, torch.stack([edge[..., k] for k, edge in enumerate(columns)], dim=-1)


def _bridge(face: Face) -> tuple[Tensor, Tensor]:
    """From between the eyes to the tip of the nose."""
    top, tip = face.t["eye_y"], face.spot["nose_y"] - TIP
    y = top + (tip - top) * torch.linspace(0, 1, 4)
    return torch.zeros_like(y), y


def _place(x: Tensor, y: Tensor, pose: Traits) -> tuple[Tensor, Tensor]:
    """The places of the frame at which the turned head shows the points (x, y): the inverse of `seen_at`."""
    p = {name: values.view(-1, 1, 1) for name, values in pose.items()}
    cos, sin = torch.cos(p["roll"]), torch.sin(p["roll"])
    across, down = x, y - CENTRE
    # by iteration: how far the depth of the face moves a point depends on where it is seen
    for _ in range(_STEPS):
        seen_x, seen_y = seen_at(across, down, pose)
        off_x, off_y = x - seen_x, y - seen_y
        across = across + p["zoom"] * (cos * off_x - sin * off_y)
        down = down + p["zoom"] * (sin * off_x + cos * off_y)
    return across, down
