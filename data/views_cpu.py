"""The views of `data.views`, made on the CPU: OpenCV on uint8, one sample after the other, much faster there.

The operations, their order and their drawn parameters are those of `apply_views`. Every operation rounds to uint8
here, which changes a view by less than 1 of 255 levels on average; `tests/data/test_views_cpu.py` holds the bounds.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from data.opencv import opencv
from data.views import LUMA, ViewDraw


def cpu_views(frames: np.ndarray, draw: ViewDraw, crop: int) -> Tensor:
    """uint8 frames [F, H, W, 3], draw of N = k F views, k a frame -> views [N, 3, crop, crop], float in [0, 1].

    The result lies in memory as [N, crop, crop, 3], which is what convolutions want (`torch.channels_last`).
    """
    views = np.empty((len(draw), crop, crop, 3), np.float32)
    each = len(draw) // len(frames)
    columns = (value.tolist() for value in vars(draw).values())
    for number, (top, left, flip, order, factors, jitter, grayscale, sigma) in enumerate(zip(*columns, strict=True)):
        view = np.ascontiguousarray(frames[number // each, top : top + crop, left : left + crop])
        if jitter:
            view = _jitter(view, order, factors)
        view = _gray_blur(view, grayscale, sigma)
        np.divide(opencv().flip(view, 1) if flip else view, np.float32(255), out=views[number])
    return torch.from_numpy(views).permute(0, 3, 1, 2)


def cpu_centre_views(frames: np.ndarray, crop: int) -> Tensor:
    """uint8 frames [N, H, W, 3] -> their centre crops [N, 3, crop, crop], float in [0, 1]: the test view."""
    top, left = (frames.shape[1] - crop) // 2, (frames.shape[2] - crop) // 2
    views = np.divide(frames[:, top : top + crop, left : left + crop], np.float32(255))
    return torch.from_numpy(views).permute(0, 3, 1, 2)


def _jitter(view: np.ndarray, order: Sequence[int], factors: Sequence[float]) -> np.ndarray:
    operations = (_brightness, _contrast, _saturation, _hue)
    for number in order:
        view = operations[number](view, factors[number])
    return view


def _brightness(view: np.ndarray, factor: float) -> np.ndarray:
    return _scaled(view, factor, 0)


def _contrast(view: np.ndarray, factor: float) -> np.ndarray:
    return _scaled(view, factor, (1 - factor) * opencv().mean(_gray(view))[0])


def _scaled(view: np.ndarray, factor: float, offset: float) -> np.ndarray:
    # cv2.transform would take seven times as long for a diagonal matrix
    return np.asarray(opencv().addWeighted(view, factor, view, 0, offset))


def _saturation(view: np.ndarray, factor: float) -> np.ndarray:
    return np.asarray(opencv().transform(view, factor * np.eye(3) + (1 - factor) * np.array(LUMA)))


def _hue(view: np.ndarray, turns: float) -> np.ndarray:
    cv2, steps = opencv(), round(turns * 256) % 256
    if steps == 0:
        return view
    shift, high = np.zeros((2, view.shape[1], 3), np.uint8)
    shift[:, 0], high[:, 0] = steps, 128
    hsv = cv2.cvtColor(view, cv2.COLOR_RGB2HSV_FULL)
    hsv += shift  # wraps, and so does hue
    hsv -= (hsv & high) >> 7  # a turn is 256 on the way to HSV and 255 on the way back
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))


def _gray(view: np.ndarray) -> np.ndarray:
    cv2 = opencv()
    return np.asarray(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY))


def _gray_blur(view: np.ndarray, grayscale: bool, sigma: float) -> np.ndarray:
    """A grayscale view is blurred while it has one channel."""
    cv2 = opencv()
    view = _gray(view) if grayscale else view
    if sigma > 0:
        side = np.exp(-0.5 / sigma**2)
        kernel = np.array([side, 1, side]) / (1 + 2 * side)
        view = cv2.sepFilter2D(view, -1, kernel, kernel)  # its border is the reflected one
    return np.asarray(cv2.cvtColor(view, cv2.COLOR_GRAY2RGB)) if grayscale else view
