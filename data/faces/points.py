"""Facial points: the known sets, what makes them unusable, and where they put the crop.

Points are x, y in pixels; whole numbers are the centres of pixels. A crop is an affine map float64 [2, 3] from its unit
coordinates (u to the right, v down, 0 to 1 from edge to edge) to source pixels.
"""

import numpy as np

from data.errors import InputError

JAW = 17
SETS = (5, 49, 51, 66, 68)  # 68: iBUG; 66 without the inner mouth corners (60, 64); 51 and 49: these without the jaw
JAWLESS = (5, 49, 51)
EYES, NOSE, MOUTH = (range(36, 42), range(42, 48)), 30, (48, 54)  # of 68 points
LEAST_EYE_DISTANCE = 4.0  # pixels

# The five points that face recognition aligns to (ArcFace, a crop of 112 x 112 pixels).
ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
# That crop ends above the chin. Centred a little above the tip of the nose instead, and a tenth of the side wider at
# each edge, it reaches from 88 mm above the eyes to 157 mm below (at 63 mm between the pupils): a chin lies about
# 115 mm below the eyes, with the jaw dropped about 140 mm.
ARCFACE_CENTRE = (0.5, 0.62)


def five_points(points: np.ndarray) -> np.ndarray:
    """Eyes, nose tip and mouth corners [n, 5, 2] of a known set [n, K, 2]; image-left before image-right."""
    count = points.shape[1]
    if count not in SETS:
        raise InputError(f"{count} landmarks a face; allowed: {', '.join(str(known) for known in SETS)}")
    if count == 5:
        return points
    first = 0 if count > 60 else JAW
    eyes = [points[:, [index - first for index in eye]].mean(axis=1) for eye in EYES]
    return np.stack([*eyes, *(points[:, index - first] for index in (NOSE, *MOUTH))], axis=1)


def unusable(points: np.ndarray) -> np.ndarray:
    """Why each of `points` [n, K, 2] gives no face: "no landmarks", "bad landmarks", or "" for a good one."""
    flat = points.reshape(len(points), -1)
    absent = ~np.isfinite(flat).all(axis=1) | (flat == 0).all(axis=1)
    distance, height = _proportions(points)
    # the mouth lies on the other side of the eye line in a mirror image, however the head is turned
    bad = (distance < LEAST_EYE_DISTANCE) | (height <= 0)
    return np.where(absent, "no landmarks", np.where(bad, "bad landmarks", ""))


def look_like_faces(points: np.ndarray) -> bool:
    """Whether in most of the faces of `points` [n, K, 2] the mouth lies a plausible way below the eyes."""
    distance, height = _proportions(points[unusable(points) != "no landmarks"])
    plausible = (distance > LEAST_EYE_DISTANCE) & (height > 0.5 * distance) & (height < 4 * distance)
    return 2 * int(plausible.sum()) > len(distance)


def _proportions(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance [n] between the eyes, and how far the mouth lies below their line."""
    left, right, _, mouth_left, mouth_right = np.moveaxis(five_points(points.astype(np.float64)), 1, 0)
    across, down = right - left, (mouth_left + mouth_right - left - right) / 2
    distance = np.hypot(*across.T)
    return distance, (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]) / np.maximum(distance, 1e-9)


def template(margin: float) -> np.ndarray:
    """Where the five points lie in the unit crop [5, 2]; `margin` is what each edge adds, as a share of the side."""
    return 0.5 + (ARCFACE / 112 - ARCFACE_CENTRE) / (1 + 2 * margin)


def similarity(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Crops [n, 2, 3] that put `points` [n, k, 2] at `target` [k, 2] of the unit crop.

    Rotation, scale and shift, without reflection, of least squared distance in the crop (Umeyama 1991); complex
    numbers give it in closed form for two dimensions.
    """
    source = np.asarray(points, np.float64) @ (1, 1j)
    goal = target @ (1, 1j)
    middle, spread = source.mean(axis=1), source - source.mean(axis=1, keepdims=True)
    turn = (spread.conj() * (goal - goal.mean())).sum(axis=1) / (abs(spread) ** 2).sum(axis=1)
    back = 1 / turn
    shift = middle - back * goal.mean()
    rows = [[back.real, -back.imag, shift.real], [back.imag, back.real, shift.imag]]
    return np.moveaxis(np.array(rows), 2, 0)


def box(points: np.ndarray, margin: float) -> np.ndarray:
    """Upright square crops [n, 2, 3] around all of `points` [n, K, 2], wider by `margin` of the side at each edge."""
    low, high = points.min(axis=1).astype(np.float64), points.max(axis=1).astype(np.float64)
    side = (high - low).max(axis=1) * (1 + 2 * margin)
    crops = np.zeros((len(points), 2, 3))
    crops[:, 0, 0] = crops[:, 1, 1] = side
    crops[:, :, 2] = (low + high - side[:, None]) / 2
    return crops
