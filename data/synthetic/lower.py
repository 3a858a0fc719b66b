"""The lower face: nose, the folds around the mouth, chin and mouth (AUs 9 10 12 14 15 17 20 23 24 25 26)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from data.synthetic.canvas import Patch, blob, hump, ramp
from data.synthetic.face import Face

TEETH = torch.tensor([0.93, 0.91, 0.87])
CAVITY = torch.tensor([0.20, 0.06, 0.06])
TONGUE = torch.tensor([0.66, 0.30, 0.30])


def press_nose(face: Face) -> None:
    """Bridge, tip and wings; AU9 draws furrows beside the nose."""
    p = face.canvas.patch(0, 0.32, -0.22, 0.36)
    tip, wide = face.spot["nose_y"], face.spot["nose_width"]
    # the flank that the lamp does not reach lies in deeper shade
    slope = (0.13 + 0.12 * face.look["side"] * face.side).clamp(0.02, 0.3) * face.t["nose_bridge"]
    flank = blob(p.x - 0.5 * wide - 0.05 * (p.y - tip), 0.034)
    p.press(-slope * flank * ramp(p.y, -0.16, -0.02) * ramp(p.y - tip, 0.01, -0.07))
    p.press(0.13 * blob(p.x, 0.036) * (blob(p.y - tip + 0.055, 0.055) + 0.5 * blob(p.y - 0.02, 0.13)))
    p.press(-0.22 * blob(p.x, 0.75 * wide) * blob(p.y - tip - 0.048, 0.020))
    wing = ((p.x - 0.70 * wide) ** 2 + (1.1 * (p.y - tip + 0.008)) ** 2).sqrt()
    p.press(-0.34 * blob(wing - 0.40 * wide, 0.012) * ramp(p.x / wide, 0.62, 0.95))
    bend = torch.full_like(wide, 0.014)
    furrow = p.crease((0.95 * wide, tip - 0.13), (1.5 * wide, tip + 0.03), bend, 0.014)
    p.press(0.55 * face.act[9] * furrow)


def draw_nostrils(face: Face) -> None:
    """Wider with AU9."""
    p = face.canvas.patch(0, 0.20, 0.05, 0.32)
    tip, wide = face.spot["nose_y"], face.spot["nose_width"]
    hole = blob(p.x - 0.42 * wide, 0.028 + 0.010 * face.mid[9]) * blob(p.y - tip - 0.020 - 0.1 * p.x, 0.015)
    p.shade(-0.62 * hole)


def press_folds(face: Face) -> None:
    """Folds from nose to mouth (12: long and bowed, 10: short and high) and at the corners (14, 15, 20, 23)."""
    p = face.canvas.patch(0, 0.64, 0.05, 0.84)
    act, spot = face.act, face.spot
    wing, tip = 1.1 * spot["nose_width"], spot["nose_y"]
    cx, cy = spot["mouth_width"], spot["mouth_y"] + spot["corner"]
    below = (cx + 0.095 + 0.02 * act[12], cy + 0.045)
    # AU12 draws it long and bowed, from the wing of the nose around the corner of the mouth
    smile = p.crease(below, (wing + 0.012, tip - 0.02), 0.016 + 0.038 * act[12], 0.016)
    p.press((0.03 + 0.20 * face.t["age"] + 0.52 * act[12]) * smile)
    p.press(0.18 * act[12] * blob(p.x - cx - 0.05, 0.11) * blob(p.y - cy + 0.145, 0.085))
    lip = (wing + 0.115, spot["mouth_y"] - 0.045)
    # AU10 draws it short, high and close to the nose: this tells it from a smile
    sneer = p.crease(lip, (wing - 0.005, tip - 0.06), torch.full_like(cx, 0.032), 0.014)
    p.press(0.62 * act[10] * sneer + 0.20 * act[10] * blob(p.x - wing - 0.09, 0.06) * blob(p.y - tip - 0.01, 0.05))
    _press_corners(face, p, cx, cy)


def _press_corners(face: Face, p: Patch, cx: Tensor, cy: Tensor) -> None:
    act, none = face.act, torch.zeros_like(cx)
    # AU14 presses the corner against the teeth: a pit beside it
    dimple = p.crease((cx + 0.052, cy - 0.080), (cx + 0.052, cy + 0.080), none - 0.024, 0.017)
    pit = 0.22 * blob(p.x - cx - 0.105, 0.04) * blob(p.y - cy, 0.07) - 0.42 * blob(p.x - cx - 0.024, 0.026) * blob(
        p.y - cy, 0.032
    )
    p.press(act[14] * (0.72 * dimple + pit))
    # AU15 pulls the corner down: a fold below it
    sag = p.crease((cx + 0.012, cy - 0.005), (cx + 0.06, cy + 0.125), none - 0.012, 0.014)
    p.press(act[15] * (0.68 * sag - 0.18 * blob(p.x - cx + 0.02, 0.05) * blob(p.y - cy - 0.055, 0.03)))
    # AU20 stretches the mouth sideways: upright lines beside the corner
    lines = torch.cos((p.x - cx) * (2 * math.pi / 0.055)) * ramp(p.x - cx, 0.005, 0.03) * blob(p.x - cx - 0.06, 0.07)
    p.press(-0.24 * act[20] * lines * blob(p.y - cy - 0.02, 0.085))
    p.press(-0.26 * act[23] * blob(p.x - cx - 0.022, 0.014) * blob(p.y - cy, 0.035))


def press_chin(face: Face) -> None:
    """The groove under the lip; AU17 bunches the chin into a pebbled boss."""
    p = face.canvas.patch(0, 0.42, 0.48, 0.98)
    mouth = lips_at(face, p.x)
    under = mouth.lower_out.amax(2, keepdim=True) + 0.032
    boss = face.mid[17] * blob(p.x, 0.16) * blob(p.y - under - 0.115, 0.085)
    rows, columns = p.relief.shape[1:]
    # the dimpled skin of a raised chin tells AU17 from AU15 at small sizes
    pebble = face.canvas.texture("medium", face.tiles + 9)[:, :rows, :columns]
    p.press(boss * (0.13 + 0.15 * pebble.clamp(-1.6, 1.6)))
    groove = blob(p.y - under - 0.25 * p.x**2 * (1 + 3 * face.mid[17]), 0.017) * ramp(p.x, 0.19, 0.08)
    p.press(-(0.09 + 0.34 * face.mid[17]) * groove)
    p.press(0.06 * blob(p.x, 0.12) * blob(p.y - under - 0.11, 0.06))


@dataclass(frozen=True)
class Lips:
    """Contours of the mouth over x: y of the outer and the inner edges, [2N, 1, w]."""

    u: Tensor  # x in half mouth widths
    arc: Tensor  # 1 in the middle, 0 at the corner
    line: Tensor
    upper_out: Tensor
    upper_in: Tensor
    lower_in: Tensor
    lower_out: Tensor


def lips_at(face: Face, x: Tensor) -> Lips:
    """The contours of the mouth at `x`."""
    t, spot, mid = face.t, face.spot, face.mid
    u = x / spot["mouth_width"]
    arc = (1 - u**2).clamp(min=0)
    # with AU15 the bend gathers at the corners, and the middle of the mouth stays straight
    pull = spot["corner"] * u.clamp(max=1.2) ** (1.7 + 0.8 * mid[15])
    line = spot["mouth_y"] + pull + spot["arch"] * (u**2 - 0.35).clamp(max=1) + 0.006 * blob(u, 0.18)
    upper_in = line - 0.22 * spot["gap"] * arc**0.8 - 0.016 * mid[10] * arc
    lower_in = line + 0.78 * spot["gap"] * arc**0.65
    bow = 1 - t["cupid"] * (1 - 0.7 * mid[10]) * blob(u, 0.17)
    # AU10 lifts the whole upper lip, most beside its middle
    square = 0.030 * mid[10] * arc**0.5 * (1 + 0.6 * blob(u - 0.45, 0.25))
    upper_out = upper_in - spot["upper_lip"] * arc**0.6 * bow - square
    lower_out = lower_in + spot["lower_lip"] * arc**0.55
    return Lips(u, arc, line, upper_out, upper_in, lower_in, lower_out)


def press_lips(face: Face) -> None:
    """Skin around the red: philtrum, shadow under the lip, bulges of AU24, tight upright lines of AU23."""
    p = face.canvas.patch(0, 0.46, 0.22, 0.80)
    lips, tight, press = lips_at(face, p.x), face.mid[23], face.mid[24]
    p.press(
        -0.09 * blob(p.x, 0.020) * blob(p.y - 0.5 * (lips.line + face.spot["nose_y"]) - 0.02, 0.05) * (1 - 0.6 * press)
    )
    p.press(-0.15 * blob(lips.u, 0.7) * blob(p.y - lips.lower_out - 0.022, 0.018))
    # AU24 presses lip on lip: the skin above and below bulges, while AU23 rolls the red inwards
    bulge = 0.31 * blob(p.y - lips.upper_out + 0.038, 0.022) + 0.32 * blob(p.y - lips.lower_out - 0.040, 0.024)
    p.press(press * lips.arc**0.5 * (bulge - 0.14 * blob(p.y - lips.lower_out - 0.085, 0.02)))
    rays = torch.cos(p.x * (2 * math.pi / 0.042))
    near = blob(p.y - lips.upper_out + 0.026, 0.020) + blob(p.y - lips.lower_out - 0.026, 0.020)
    p.press(-0.18 * tight * rays * near * blob(lips.u, 0.8))


def draw_mouth(face: Face) -> None:
    """The red of the lips, what shows between them, and the line where they meet."""
    p = face.canvas.patch(0, 0.46, 0.22, 0.86)
    lips = lips_at(face, p.x)
    inside = p.inside((1 - lips.u) * face.spot["mouth_width"])
    red = p.inside(p.y - lips.upper_out) * p.inside(lips.lower_out - p.y) * inside
    open_ = (
        p.inside(p.y - lips.upper_in) * p.inside(lips.lower_in - p.y) * inside * ramp(face.spot["gap"], 0.002, 0.008)
    )
    p.paint(0.92 * red, _lip_colour(face, p, lips))
    _draw_cavity(face, p, lips, open_)
    # the line between closed lips fades while the mouth opens
    closed = ramp(face.spot["gap"], 0.03, 0.008) * ramp(lips.u, 1.08, 0.94)
    width = (0.007 + 0.003 * face.mid[24] + 0.001 * face.mid[23]).clamp(min=0.6 * p.pixel)
    p.paint(0.78 * closed * blob(p.y - lips.line, width), face.colour["lip"] * 0.32)
    corner = blob(lips.u - 1, 0.07) * blob(p.y - lips.line, 0.014)
    p.shade(-0.35 * corner)


def _lip_colour(face: Face, p: Patch, lips: Lips) -> Tensor:
    """The upper lip lies in shade, the lower one catches the light."""
    light = 1 + 0.8 * p.relief.clamp(-0.5, 0.3)
    upper = -0.20 * ramp(lips.line - p.y, -0.004, 0.010)
    middle = 0.5 * (lips.lower_in + lips.lower_out)
    gloss = 0.20 * blob(p.y - middle, 0.5 * face.spot["lower_lip"]) * blob(lips.u, 0.5)
    return face.colour["lip"][:, :, None, None] * (light + upper + gloss).clamp(0.2, 1.5).unsqueeze(1)


def _draw_cavity(face: Face, p: Patch, lips: Lips, open_: Tensor) -> None:
    count = len(open_)
    p.paint(open_, CAVITY.expand(count, 3))
    # the jaw has to drop (AU26) before the tongue is seen; with AU25 alone the teeth are
    tongue = p.inside(p.y - lips.lower_in + 0.40 * face.spot["gap"] * (1 - 0.6 * lips.u**2), 3)
    p.paint(0.75 * open_ * tongue * face.mid[26].clamp(0, 1), TONGUE.expand(count, 3))
    length = torch.minimum(0.62 * face.spot["gap"], torch.full_like(face.spot["gap"], 0.045))
    row = p.inside(lips.upper_in + length * lips.arc**0.4 - p.y) * ramp(lips.u, 0.92, 0.78)
    p.paint(open_ * row, TEETH.expand(count, 3))
    p.shade(-0.25 * open_ * blob(p.y - lips.upper_in, 0.012))
    p.shade(-0.12 * open_ * row * (hump((p.x / 0.055).remainder(1.0)) < 0.25))
