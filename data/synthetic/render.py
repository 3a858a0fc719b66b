"""Pictures of faces from people, action units, poses and recording conditions."""

import numpy as np
import torch
from torch import Tensor

from data.synthetic.camera import photograph
from data.synthetic.canvas import Canvas
from data.synthetic.face import make_face
from data.synthetic.head import draw_behind, draw_hair, paint_skin, start_relief
from data.synthetic.identity import Traits
from data.synthetic.lower import draw_mouth, draw_nostrils, press_chin, press_folds, press_lips, press_nose
from data.synthetic.upper import (
    draw_brows,
    draw_eyes,
    draw_glasses,
    press_cheek,
    press_forehead,
    press_glabella,
)

# Later steps cover earlier ones. The relief has to be complete before the skin is painted.
STEPS = (
    draw_behind,
    start_relief,
    press_forehead,
    press_glabella,
    press_cheek,
    press_nose,
    press_folds,
    press_chin,
    press_lips,
    paint_skin,
    draw_nostrils,
    draw_eyes,
    draw_mouth,
    draw_brows,
    draw_hair,
    draw_glasses,
)


@torch.no_grad()
def render(who: Traits, intensity: Tensor, pose: Traits, look: Traits, size: int) -> np.ndarray:
    """[N, size, size, 3] uint8 faces; `intensity` [N, A] is 0 to 5 in the order of `identity.AUS`."""
    canvas = Canvas(len(intensity), size)
    face = make_face(canvas, who, intensity, pose, look)
    for step in STEPS:
        step(face)
    return photograph(canvas, pose, look, size).numpy()
