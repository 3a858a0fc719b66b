"""The upper face: forehead, glabella, brows, eyes and the cheeks under them (AUs 1 2 4 5 6 7, and 9 in part)."""

import math

import torch
from torch import Tensor

from data.synthetic.canvas import Patch, blob, hump, ramp
from data.synthetic.face import Face

WHITE = torch.tensor([0.95, 0.94, 0.92])
BLACK = torch.tensor([0.05, 0.04, 0.04])


def press_forehead(face: Face) -> None:
    """Horizontal lines: in the middle with AU1, above the outer brow with AU2."""
    p = face.canvas.patch(0, 0.6, -0.75, -0.24)
    above = face.spot["brow_rest"] - 0.045 - p.y
    bow = 0.03 * blob(p.x, 0.25) * (face.act[1] - face.act[2])
    # lines bend up in the middle with AU1, and outside with AU2
    ridges = torch.sin((above + bow) * (2 * math.pi / 0.088))
    area = ramp(above, 0.0, 0.06) * ramp(above, 0.34, 0.20)
    amount = face.act[1] * blob(p.x, 0.20) + face.act[2] * blob(p.x - 0.36, 0.15) + 0.4 * face.t["age"] * blob(p.x, 0.4)
    p.press(-0.17 * amount * area * ridges)


def press_glabella(face: Face) -> None:
    """Upright folds between the brows with AU4; wrinkles across the root of the nose with AU9."""
    p = face.canvas.patch(0, 0.30, -0.50, 0.10)
    rest, frown = face.spot["brow_rest"], face.act[4]
    x0 = torch.full_like(rest, 0.038)
    # the upright folds between the brows, with the knot of muscle beside them
    fold = p.crease((x0, rest - 0.05), (x0 + 0.012, rest + 0.12), torch.full_like(rest, -0.006), 0.014)
    knot = 0.16 * blob(p.x - 0.085, 0.05) * blob(p.y - rest - 0.01, 0.06) - 0.14 * blob(p.x, 0.10) * blob(
        p.y - rest - 0.1, 0.06
    )
    p.press((0.46 * frown + 0.15 * face.t["age"]) * fold + frown * knot)
    root = face.t["eye_y"] + 0.055
    waves = torch.sin((p.y - 0.6 * p.x) * (2 * math.pi / 0.062))
    p.press(face.mid[9] * blob(p.y - root, 0.10) * blob(p.x, 0.12) * (0.34 * waves - 0.08))


def press_cheek(face: Face) -> None:
    """Sockets and bags; AU6 lifts the cheek against the eye and folds the skin around it, AU7 tenses the lower lid."""
    p = face.canvas.patch(0, 0.66, -0.40, 0.36)
    t, lift = face.t, face.act[6]
    ex, ey, ew = t["eye_x"], t["eye_y"], t["eye_width"]
    lower = ey + face.spot["lid_down"]
    p.press(-0.13 * blob(p.x - ex + 0.03, ew * 1.15) * blob(p.y - ey + 0.035, 0.075))
    p.press(-(0.05 + 0.3 * t["age"]) * blob(p.x - ex, ew) * blob(p.y - lower - 0.055, 0.022))
    lid = blob(p.y - lower - 0.020, 0.013) - 1.1 * blob(p.y - lower - 0.047, 0.013)
    p.press(0.26 * face.act[7] * blob(p.x - ex, ew) * lid)
    # AU6 lifts the cheek, which catches light above and casts a shadow below
    apple = 0.20 * blob(p.x - ex - 0.05, 0.14) * blob(p.y - 0.095, 0.062)
    under = -0.22 * blob(p.x - ex - 0.06, 0.13) * blob(p.y - 0.225, 0.05)
    p.press(lift * (apple + under))
    rim = p.crease((ex - 0.85 * ew, ey + 0.085), (ex + 1.45 * ew, ey + 0.03), torch.full_like(ex, 0.022), 0.014)
    p.press((0.62 * lift + 0.2 * t["age"] + 0.30 * face.act[9]) * rim)
    _press_crows_feet(face, p)


def _press_crows_feet(face: Face, p: Patch) -> None:
    t = face.t
    out = p.x - t["eye_x"] - 1.02 * t["eye_width"]
    down = p.y - t["eye_y"] + t["eye_tilt"]
    angle = torch.atan2(down, out.clamp(min=1e-3))
    rays = (
        torch.cos(angle * 9) * blob((out**2 + down**2).sqrt() - 0.085, 0.05) * ramp(out, 0.0, 0.03) * blob(angle, 0.85)
    )
    p.press((0.28 * face.act[6] + 0.16 * t["age"]) * rays)


def draw_eyes(face: Face) -> None:
    """Lids, eyeball and lashes; the lids follow AUs 4 5 6 7 9 and blinking."""
    p = face.canvas.patch(0.05, 0.50, -0.36, 0.06)
    u, axis, upper, lower = lids(face, p.x)
    _draw_lid(face, p, u, axis, upper)
    opening = p.inside(p.y - upper) * p.inside(lower - p.y) * (u.abs() < 1)
    _draw_eyeball(face, p, opening, upper)
    _draw_lashes(face, p, u, upper, lower)


def lids(face: Face, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """At `x`: the place within the eye (-1 its inner corner, 1 the outer), and y of its axis, upper and lower lid."""
    t = face.t
    u = (x - t["eye_x"]) / t["eye_width"]
    arc = (1 - u**2).clamp(min=0)
    axis = t["eye_y"] - t["eye_tilt"] * u + 0.012 * (1 - arc) * (u < 0)
    blink = face.pose["blink"]
    # the upper lid does nearly all of a blink; a lower lid that rises is AU7 or AU6
    upper = axis - face.spot["lid_up"] * (1 - 1.25 * blink) * arc**0.7
    lower = axis + face.spot["lid_down"] * (1 - 0.3 * blink) * arc**0.9
    return u, axis, upper, lower


def _draw_lid(face: Face, p: Patch, u: Tensor, axis: Tensor, upper: Tensor) -> None:
    """The fold above the eye, and the lid between fold and lashes; raised (AU5) the lid all but vanishes."""
    t = face.t
    visible = (0.034 - 0.014 * t["hooded"] - 0.022 * face.act[5] - 0.014 * face.act[4] - 0.008 * face.act[9]).clamp(
        min=0.006
    )
    fold = torch.minimum(upper, axis - 0.3 * t["eye_height"]) - visible * (1.15 - u**2).clamp(min=0.02) ** 0.5
    ends = ramp(u.abs(), 1.15, 0.85)
    p.shade(-0.36 * ends * blob(p.y - fold, max(0.010, 0.7 * p.pixel)))
    p.shade(0.08 * ends * blob(p.y - 0.5 * (fold + upper), 0.012))


def _draw_eyeball(face: Face, p: Patch, opening: Tensor, upper: Tensor) -> None:
    t = face.t
    lit = (0.72 + 0.28 * face.look["ambient"]).view(-1, 1)
    p.paint(opening, WHITE * lit)
    size = t["iris_size"]
    iris_x = t["eye_x"] + 0.022 * face.pose["gaze_x"] * face.side
    iris_y = t["eye_y"] - 0.008 + 0.012 * face.pose["gaze_y"]
    radius = ((p.x - iris_x) ** 2 + (p.y - iris_y) ** 2).sqrt()
    disc = p.inside(size - radius)
    p.paint(opening * disc, face.colour["iris"])
    p.shade(opening * disc * (0.45 * blob(p.y - iris_y - 0.6 * size, 0.5 * size) - 0.5 * blob(radius - size, 0.009)))
    p.paint(opening * p.inside(0.42 * size - radius), BLACK.expand(len(opening), 3))
    p.shade(-0.38 * opening * blob(p.y - upper, 0.024))  # the shadow of the lid
    glint = ((p.x - iris_x + 0.016 * face.side) ** 2 + (p.y - iris_y + 0.017) ** 2).sqrt()
    p.paint(0.92 * opening * p.inside(0.0125 - glint), torch.ones(len(opening), 3))


def _draw_lashes(face: Face, p: Patch, u: Tensor, upper: Tensor, lower: Tensor) -> None:
    thick = (0.007 + 0.005 * face.t["lashes"]) * (0.75 + 0.35 * u.clamp(-1, 1))
    line = blob(p.y - upper + 0.3 * thick, thick.clamp(min=0.6 * p.pixel)) * ramp(u.abs(), 1.12, 0.96)
    p.paint(0.9 * line, BLACK.expand(len(line), 3))
    p.shade(
        -0.30
        * (1 + 0.8 * face.act[7])
        * blob(p.y - lower - 0.004, max(0.008, 0.6 * p.pixel))
        * ramp(u.abs(), 1.05, 0.7)
    )


def brow(face: Face, x: Tensor) -> tuple[Tensor, Tensor]:
    """At `x`: the place within the brow (-1 its inner end, 1 the outer), and y of its middle line."""
    spot = face.spot
    v = (x - spot["brow_x"]) / face.t["brow_length"]
    inner, arch, outer = spot["brow_inner"], spot["brow_arch"], spot["brow_outer"]
    # limited, so that the parabola does not swing beyond brows that are strongly drawn
    middle = arch + 0.25 * (arch - 0.5 * (inner + outer)).clamp(-0.02, 0.02)
    return v, middle + v * 0.5 * (outer - inner) + v**2 * (0.5 * (inner + outer) - middle)


def draw_brows(face: Face) -> None:
    """A parabola through the heights of inner end, arch and outer end."""
    p = face.canvas.patch(0, 0.56, -0.56, -0.10)
    t = face.t
    v, line = brow(face, p.x)
    thick = t["brow_thickness"] * (1 - 0.30 * v - 0.28 * v**2).clamp(min=0.2) * (1 + 0.2 * face.act[4])
    ends = ramp(v.abs(), 1.12, 0.92)
    hairs = 0.9 + 0.12 * torch.sin(95 * p.x + 60 * (p.y - line))
    cover = p.inside(thick - (p.y - line).abs(), 2.2) * ends * hairs.clamp(0, 1) * t["brow_density"]
    p.shade(-0.20 * face.act[4] * blob(p.y - line - thick - 0.014, 0.016) * ramp(v.abs(), 1.0, 0.6))
    p.paint(cover, face.colour["hair"] * 0.62)


def draw_glasses(face: Face) -> None:
    """Frame, bridge and arms, for those who wear them."""
    p = face.canvas.patch(0, 0.62, -0.42, 0.16)
    t = face.t
    across = ((p.x - t["eye_x"] - 0.005) / 1.18).abs()
    down = (p.y - t["eye_y"] - 0.02).abs() / 0.95
    ring = (across**4 + down**4).clamp(min=1e-9) ** 0.25
    width = max(0.010, 0.5 * p.pixel)
    frame = p.inside(width - (ring - 0.165).abs())
    bridge = p.inside(width - (p.y - t["eye_y"] + 0.02 - 2 * p.x**2).abs()) * ramp(p.x, 0.09, 0.08)
    arm = p.inside(width - (p.y - t["eye_y"] + 0.03).abs()) * ramp(p.x, 0.455, 0.465)
    rims = torch.maximum(torch.maximum(frame, bridge), arm)
    p.paint(0.9 * t["glasses"] * rims, face.colour["shirt"] * 0.35)
    p.shade(0.05 * t["glasses"] * p.inside(0.165 - ring) * hump((p.x - p.y).remainder(0.3) / 0.3))
