"""Oracles: the losses and metrics as loops over plain numbers, written from the papers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from model.graph import RelationGraph
from model.losses.settings import AunceSettings

Kinds = Sequence[Sequence[str]]  # for each AU, for each row of the 2N: self, max, centroid or mean
Centres = Mapping[tuple[int, int], Tensor]  # by AU and label, only of classes that have been seen


def anchor_kinds(settings: AunceSettings, aus: int, rows: int, generator: torch.Generator) -> Kinds:
    """The kinds of positives that the corrected form draws, from a generator in the same state."""
    each = rows if settings.draw == "anchor" else 1
    drawn = torch.rand(aus, each, generator=generator).tolist()
    ratios = settings.ratios
    until = {"self": ratios.self, "max": ratios.self + ratios.max}
    until |= {"centroid": until["max"] + ratios.centroid, "mean": 2.0}
    kinds = [[next(kind for kind, bound in until.items() if u < bound) for u in row] for row in drawn]
    return [row * (rows // each) for row in kinds]


def exponents(settings: AunceSettings, rate: float | None) -> tuple[float, float]:
    """Exponents on the negatives of inactive and of active anchors of an AU with a base rate."""
    if settings.beta == "constant":
        return settings.beta_inactive, settings.beta_active
    assert rate is not None
    return 1 - settings.beta_strength * (1 - 2 * rate), 1 + settings.beta_strength * (1 - 2 * rate)


def class_means(batches: Sequence[tuple[Tensor, Tensor, Tensor]], momentum: float) -> dict[tuple[int, int], Tensor]:
    """Running means of embeddings z [N, V, A, D] by AU and label, over (z, labels, coded) of one step after another."""
    means: dict[tuple[int, int], Tensor] = {}
    for z, labels, coded in batches:
        for au in range(z.shape[2]):
            for label in (0, 1):
                frames = [f for f in range(len(z)) if bool(coded[f, au]) and int(labels[f, au]) == label]
                members = [z[frame, view, au] for frame in frames for view in range(z.shape[1])]
                if members:
                    mean, old = sum(members, torch.zeros(())) / len(members), means.get((au, label))
                    means[au, label] = mean if old is None else momentum * old + (1 - momentum) * mean
    return means


def official_kinds(settings: AunceSettings, aus: int, rows: int, generator: torch.Generator) -> Kinds:
    """One kind per AU, in the order in which the released code compares its draw: max, mean, self."""
    drawn = torch.rand(aus, generator=generator).tolist()
    bound = settings.ratios.max, settings.ratios.max + settings.ratios.mean
    return [["max" if u < bound[0] else "mean" if u < bound[1] else "self"] * rows for u in drawn]


def corrected_aunce(
    z: Tensor,
    labels: Tensor,
    coded: Tensor,
    settings: AunceSettings,
    kinds: Kinds,
    weights: Tensor | None = None,
    rates: Tensor | None = None,
    centres: Centres | None = None,
) -> Tensor:
    """Loss of z [N, 2, A, D]; labels and coded [N, A]."""
    frames, _, aus, _ = z.shape
    losses = []
    for au in range(aus):
        betas = exponents(settings, None if rates is None else float(rates[au]))
        members = [(view, frame) for view in (0, 1) for frame in range(frames) if bool(coded[frame, au])]
        for view, frame in members:
            label = int(labels[frame, au])
            others = [member for member in members if member != (view, frame)]
            s = {(v, f): z[f, v, au] @ z[frame, view, au] / settings.temperature for v, f in others}
            same = [other for other in others if int(labels[other[1], au]) == label]
            partner = (1 - view, frame)
            negative = sum(torch.exp(betas[label] * s[other]) for other in others if other not in same)
            kind = kinds[au][view * frames + frame]
            beyond = [other for other in same if other != partner]
            centre = (centres or {}).get((au, label))
            if kind == "self" or (kind == "max" and not beyond):
                positive = torch.exp(s[partner])
            elif kind == "max":
                positive = torch.exp(max(s[other] for other in beyond))
            elif kind == "centroid" and centre is not None:
                positive = torch.exp(z[frame, view, au] @ centre / centre.norm() / settings.temperature)
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


def related(x: Tensor, graph: RelationGraph, training: bool) -> Tensor:
    """The graph layer on features x [B, A, D], in float64."""
    faces, aus, dim = x.shape
    change = torch.zeros_like(x)
    for b in range(faces):
        near = []
        for au in range(aus):
            score = [float((x[b, au] * x[b, other]).sum().detach()) for other in range(aus)]
            near.append([o for o in range(aus) if score[o] >= sorted(score, reverse=True)[graph.neighbours - 1]])
        for au in range(aus):
            change[b, au] = graph.own.weight @ x[b, au] + graph.own.bias
            for other in near[au]:
                message = graph.others.weight @ x[b, other] + graph.others.bias
                change[b, au] = change[b, au] + message / math.sqrt(len(near[au]) * len(near[other]))
    out = torch.zeros_like(x)
    for au in range(aus):
        values = [change[b, au, d] for b in range(faces) for d in range(dim)]
        mean, variance = graph.norm.running_mean[au], graph.norm.running_var[au]  # type: ignore[index]
        if training:
            mean = sum(values, torch.zeros(())) / len(values)
            variance = sum(((value - mean) ** 2 for value in values), torch.zeros(())) / len(values)
        normal = (change[:, au] - mean) / torch.sqrt(variance + graph.norm.eps)
        out[:, au] = (x[:, au] + normal * graph.norm.weight[au] + graph.norm.bias[au]).clamp(min=0)
    return out


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
