"""The losses and metrics once more, as loops over plain numbers, written from the issue and the papers' facts."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.losses.aunce import AunceSettings

Kinds = Sequence[Sequence[str]]  # for each AU, for each row of the 2N: self, max or mean


def anchor_kinds(settings: AunceSettings, aus: int, rows: int, generator: torch.Generator) -> Kinds:
    """The kinds that the corrected form draws, from a generator in the same state."""
    each = rows if settings.draw == "anchor" else 1
    drawn = torch.rand(aus, each, generator=generator).tolist()
    bound = settings.ratios.self, settings.ratios.self + settings.ratios.max
    kinds = [["self" if u < bound[0] else "max" if u < bound[1] else "mean" for u in row] for row in drawn]
    return [row * (rows // each) for row in kinds]


def official_kinds(settings: AunceSettings, aus: int, rows: int, generator: torch.Generator) -> Kinds:
    """One kind per AU, in the order in which the released code compares its draw: max, mean, self."""
    drawn = torch.rand(aus, generator=generator).tolist()
    bound = settings.ratios.max, settings.ratios.max + settings.ratios.mean
    return [["max" if u < bound[0] else "mean" if u < bound[1] else "self"] * rows for u in drawn]


def corrected_aunce(
    z: Tensor, labels: Tensor, coded: Tensor, settings: AunceSettings, kinds: Kinds, weights: Tensor | None = None
) -> Tensor:
    """Loss of z [N, 2, A, D]; labels and coded [N, A]."""
    frames, _, aus, _ = z.shape
    losses = []
    for au in range(aus):
        members = [(view, frame) for view in (0, 1) for frame in range(frames) if bool(coded[frame, au])]
        for view, frame in members:
            label = int(labels[frame, au])
            beta = settings.beta_active if label == 1 else settings.beta_inactive
            others = [member for member in members if member != (view, frame)]
            s = {(v, f): z[f, v, au] @ z[frame, view, au] / settings.temperature for v, f in others}
            same = [other for other in others if int(labels[other[1], au]) == label]
            partner = (1 - view, frame)
            negative = sum(torch.exp(beta * s[other]) for other in others if other not in same)
            kind = kinds[au][view * frames + frame]
            beyond = [other for other in same if other != partner]
            if kind == "self" or (kind == "max" and not beyond):
                positive = torch.exp(s[partner])
            elif kind == "max":
                positive = torch.exp(max(s[other] for other in beyond))
            else:
                positive = sum((torch.exp(s[other]) for other in same), torch.zeros(())) / len(same)
            loss = -torch.log(positive / (positive + negative))
            losses.append(loss if weights is None else loss * weights[au])
    return torch.stack(losses).mean() if losses else z.sum() * 0


def official_aunce(
    z: Tensor, labels: Tensor, coded: Tensor, settings: AunceSettings, kinds: Kinds, weights: Tensor | None = None
) -> Tensor:
    """The released code's loss; a label that is not coded is a 9."""
    frames, _, aus, _ = z.shape
    per_au = []
    for au in range(aus):
        rows = [z[frame, view, au] for view in (0, 1) for frame in range(frames)]
        label = [int(labels[f, au]) if bool(coded[f, au]) else 9 for f in range(frames)] * 2
        total = z.sum() * 0
        for i in range(2 * frames):
            if label[i] == 9:
                continue
            score = [torch.exp(rows[i] @ row / settings.temperature) for row in rows]
            same = [score[j] for j in range(2 * frames) if label[j] == label[i]]
            beta = settings.beta_active if label[i] == 1 else settings.beta_inactive
            negative = sum(score[j] ** beta for j in range(2 * frames) if label[j] != label[i])
            positive = {
                "max": max(same),
                "mean": sum(same, torch.zeros(())) / (2 * frames),
                "self": score[(i + frames) % (2 * frames)],
            }[kinds[au][i]]
            total = total - torch.log(positive / (positive + negative))
        per_au.append(total / (2 * frames) * (1 if weights is None else weights[au]))
    return torch.stack(per_au).mean()


def confusion(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> list[int]:
    """tp, fp, fn, tn of one AU's frames [n]; a label -1 is left out."""
    counts = [0, 0, 0, 0]
    for probability, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        if label == -1:
            continue
        predicted = probability >= threshold
        counts[{(True, 1): 0, (True, 0): 1, (False, 1): 2, (False, 0): 3}[predicted, label]] += 1
    return counts


def rank_auc(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Share of (active, inactive) pairs in the right order, ties half."""
    active = [p for p, label in zip(probabilities.tolist(), labels.tolist(), strict=True) if label == 1]
    inactive = [p for p, label in zip(probabilities.tolist(), labels.tolist(), strict=True) if label == 0]
    won = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in active for b in inactive)
    return won / (len(active) * len(inactive))
