"""The head without its features: hair, neck, clothes, the skin's shape and colour."""

import torch
from torch import Tensor

from data.synthetic.canvas import Patch, blob, ramp
from data.synthetic.face import Face

SHADOW_TINT = torch.tensor([0.86, 1.04, 1.08])  # shadows on skin are red: blue and green fade first
TOP = 0.03  # y of the widest part of the head


def draw_behind(face: Face) -> None:
    """Back hair, neck and clothes, and the outline that separates the person from the background."""
    whole = face.canvas.whole()
    x, y, t = whole.x, whole.y, face.t
    outline = _outline(face, whole)
    whole.skin.copy_(whole.inside((1 - outline) * t["face_width"]))
    back = _back_hair(face, whole)
    # behind the head, so that a dropped jaw covers a part of it
    neck = whole.inside(0.34 + 0.10 * ramp(y, 0.85, 1.2) - x) * ramp(y, 0.45, 0.5)
    collar = whole.inside(y - 0.97 + 0.11 * blob(x, 0.26))
    whole.paint(torch.ones_like(back), _hair_colour(face, whole, _strands(face, whole), 0.72))
    ears = _ears(face, whole)
    whole.paint(neck, face.colour["skin"] * 0.66)
    whole.shade(-0.35 * neck * blob(y - 0.86 - face.spot["jaw_drop"] + 0.35 * x**2, 0.12))
    whole.paint(collar, face.colour["shirt"])
    for shape in (back, neck, collar, ears, whole.skin):
        torch.maximum(face.canvas.alpha, shape, out=face.canvas.alpha)


def _outline(face: Face, patch: Patch) -> Tensor:
    """Distance from the middle of the head, 1 on its edge."""
    wide, height, square = silhouette(face, patch.y)
    return ((patch.x / wide) ** square + ((patch.y - TOP).abs() / height) ** square).clamp(min=1e-6) ** (1 / square)


def silhouette(face: Face, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Half width, half height and exponent of the superellipse that bounds the head at height `y`."""
    t = face.t
    down = y - TOP
    # cheeks widen the outline with AU6 and AU12
    puff = 1 + 0.03 * face.act[6] * blob(y - 0.12, 0.16) + 0.035 * face.act[12] * blob(y - 0.28, 0.2)
    taper = 1 - t["jaw"] * (down / 0.8).clamp(0, 1.2) ** 1.4
    height = t["face_height"] - 0.03 + face.spot["jaw_drop"] * ramp(y, 0.2, 0.8)
    return t["face_width"] * puff * taper, height, 2.1 + 0.35 * ramp(y, 0.0, 0.5)


def _ears(face: Face, patch: Patch) -> Tensor:
    """Draw the ears, which long hair hides; returns what they cover."""
    x = patch.x - 0.97 * face.t["face_width"]
    y = patch.y - face.t["eye_y"] - 0.10
    shape = (1 - ((x - 0.15 * y) / 0.075) ** 2 - (y / 0.13) ** 2) * 0.05
    cover = patch.inside(shape) * (1 - face.t["long"])
    patch.paint(cover, face.colour["skin"] * torch.tensor([0.80, 0.72, 0.70]))
    patch.shade(-0.25 * cover * blob(x - 0.02, 0.025) * blob(y, 0.08))
    return cover


def _back_hair(face: Face, patch: Patch) -> Tensor:
    x, y, t = patch.x, patch.y, face.t
    wide = t["face_width"] + t["hair_volume"]
    cap = 1 - ((x / wide) ** 2 + ((y + 0.12) / (0.76 + t["hair_volume"])) ** 2).sqrt()
    short = patch.inside(0.6 * cap) * ramp(y, 0.12, 0.0)
    sweep = wide + 0.05 * torch.sin(6 * y) * t["hair_volume"] - 0.05 * ramp(y, 0.4, 0.9)
    long = t["long"] * patch.inside(sweep - x) * ramp(y, -0.35, -0.2)
    return torch.maximum(short, long)


def _strands(face: Face, patch: Patch) -> Tensor:
    """About -1 to 1: strands that fan out from the parting on the crown."""
    across = face.side * patch.x - 0.3 * face.t["parting"]
    angle = torch.atan2(across, (patch.y + 1.05).clamp(min=0.05))
    phase = 40 * face.t["fringe"]
    waves = torch.sin(23 * angle + phase) + torch.sin(41 * angle - 2 * phase) + torch.sin(67 * angle + 3 * phase)
    return waves / 2.2


def _hair_colour(face: Face, patch: Patch, strands: Tensor, brightness: float) -> Tensor:
    """[2N, 3, h, w]: strands and a band of gloss, darker towards the tips."""
    gloss = 0.22 * blob(patch.y + 0.64 - 0.35 * patch.x**2, 0.09) * (1 + 0.6 * strands)
    tone = brightness * (1 + 0.10 * strands + gloss - 0.15 * ramp(patch.y, -0.6, 0.6))
    return face.colour["hair"][:, :, None, None] * tone.clamp(0.2, 1.8).unsqueeze(1)


def start_relief(face: Face) -> None:
    """Light on an egg: ambient, one lamp, a second one at the rim, and uneven skin."""
    whole = face.canvas.whole()
    look = face.look
    flat_x, flat_y = whole.x / 0.80, (whole.y - TOP) / 1.08
    facing = (1 - flat_x**2 - flat_y**2).clamp(min=0.04).sqrt()
    lamp = 1.04 * facing + face.side * look["side"] * flat_x + look["top"] * flat_y
    rim = look["rim"] * (-face.side * look["side"].sign() * flat_x).clamp(min=0) ** 2
    # even skin would give a detector nothing to be robust against
    mottle = 0.030 * face.canvas.texture("coarse", face.tiles) + 0.010 * face.canvas.texture("fine", face.tiles)
    whole.relief.copy_(look["ambient"] + (1 - look["ambient"]) * lamp + rim + mottle - 1)
    _bone_relief(face)


def _bone_relief(face: Face) -> None:
    whole = face.canvas.patch(0, 0.7, -0.1, 0.9)
    hollow = -0.07 * blob(whole.x - 0.46, 0.13) * blob(whole.y - 0.36, 0.16)
    bone = 0.07 * blob(whole.x - 0.36, 0.14) * blob(whole.y - 0.10, 0.09)
    whole.press(hollow + bone)


def paint_skin(face: Face) -> None:
    """Lay the skin over what is there, shaped by the relief; then blush, freckles and beard."""
    whole = face.canvas.whole()
    tint = SHADOW_TINT.view(1, 3, 1, 1)
    light = (1 + whole.relief.unsqueeze(1) * tint).clamp(0.12, 1.5)
    whole.paint(whole.skin, face.colour["skin"][:, :, None, None] * light)
    _blush(face)
    _freckles(face)
    _beard(face)


def _blush(face: Face) -> None:
    cheek = face.canvas.patch(0.05, 0.7, -0.1, 0.5)
    warm = blob(cheek.x - 0.35, 0.17) * blob(cheek.y - 0.19, 0.13)
    tip = 0.5 * blob(cheek.x, 0.10) * blob(cheek.y - face.spot["nose_y"], 0.07)
    rosy = (warm + tip) * cheek.skin
    cheek.rgb[:, 0].mul_(1 + 0.03 * rosy)
    cheek.rgb[:, 1].mul_(1 - 0.04 * rosy)
    cheek.rgb[:, 2].mul_(1 - 0.04 * rosy)


def _freckles(face: Face) -> None:
    whole = face.canvas.whole()
    specks = ramp(face.canvas.texture("medium", face.tiles + 5), 1.3, 2.0)
    area = face.t["freckles"] * blob(whole.y - 0.10, 0.16) * blob(whole.x - 0.2, 0.25)
    whole.shade(-0.20 * specks * area * whole.skin)


def _beard(face: Face) -> None:
    whole = face.canvas.whole()
    x, y = whole.x, whole.y
    mouth = face.spot["mouth_y"]
    jaw = ramp(y - 0.42 * (x - 0.30).clamp(max=0) + 0.55 * (x - 0.30).clamp(min=0), 0.38, 0.52)
    upper = blob(y - mouth + 0.085, 0.045) * ramp(x, 0.25, 0.16)
    grain = 0.75 + 0.22 * face.canvas.texture("fine", face.tiles + 3)
    cover = face.t["beard"] * torch.maximum(jaw, upper) * whole.skin * grain.clamp(0.2, 1)
    whole.paint(0.75 * cover, face.colour["hair"] * 0.8)


def draw_hair(face: Face) -> None:
    """Hair over the forehead, with a parting off the midline."""
    top = face.canvas.patch(0, 9, -9, 0.1)
    x, t = top.x, face.t
    # off the midline: a parting in the middle would make all faces symmetric
    off = face.side * x - 0.35 * t["parting"]
    sides = 0.9 * ((x / t["face_width"]) - 0.42).clamp(min=0) ** 2
    sweep = t["fringe"] * (1.2 - (off.abs() / 0.22).clamp(max=1.2) - off.abs())
    strands = _strands(face, top)
    line = t["hairline"] - 0.03 + sides - sweep + 0.010 * strands
    top.shade(-0.18 * blob(top.y - line - 0.02, 0.035) * top.skin)
    cover = top.inside(line - top.y, 2.5) * (top.skin > 0)
    top.paint(cover, _hair_colour(face, top, strands, 0.95))
