"""Oracles: the contrastive losses as loops over rows, written from the papers' formulas."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from model.losses.settings import HardNegativeSettings, SupconSettings

Row = tuple[int, int]  # frame, view


def _rows(frames: int) -> list[Row]:
    return [(frame, view) for frame in range(frames) for view in (0, 1)]


def _anchors(labels: Tensor, coded: Tensor) -> Iterator[tuple[int, Row, list[Row], list[Row]]]:
    """AU, anchor, positives and negatives, for every coded row."""
    frames, aus = labels.shape
    for au in range(aus):
        for row in _rows(frames):
            others = [other for other in _rows(frames) if other != row and bool(coded[other[0], au])]
            if bool(coded[row[0], au]):
                same = [other for other in others if labels[other[0], au] == labels[row[0], au]]
                yield au, row, same, [other for other in others if other not in same]


def _mean(losses: list[Tensor], z: Tensor) -> Tensor:
    return torch.stack(losses).mean() if losses else z.sum() * 0


def supcon(z: Tensor, labels: Tensor, coded: Tensor, settings: SupconSettings, weights: Tensor) -> Tensor:
    """Khosla et al., equation 2, of z [B, 2, A, D], anchor by anchor."""
    losses = []
    for au, (frame, view), same, different in _anchors(labels, coded):

        def score(other: Row, au: int = au, anchor: Tensor = z[frame, view, au]) -> Tensor:
            return torch.exp(anchor @ z[other[0], other[1], au] / settings.temperature)

        total = sum((score(other) for other in [*same, *different]), torch.zeros(()))
        loss = -sum((torch.log(score(other) / total) for other in same), torch.zeros(())) / len(same)
        losses.append(loss * weights[au] if settings.class_weights else loss)
    return _mean(losses, z)


def hard_negative(z: Tensor, labels: Tensor, coded: Tensor, settings: HardNegativeSettings, weights: Tensor) -> Tensor:
    """Robinson et al., equation 4 and the estimator below it, of z [B, 2, A, D]."""
    losses = []
    unlabelled = _unlabelled(len(z), z.shape[2])
    for au, (frame, view), same, different in _anchors(labels, coded) if settings.labels else unlabelled:

        def score(other: Row, au: int = au, anchor: Tensor = z[frame, view, au]) -> Tensor:
            return torch.exp(anchor @ z[other[0], other[1], au] / settings.temperature)

        for positive in same:
            negatives = _reweighted([score(other) for other in different], score(positive), settings)
            loss = -torch.log(score(positive) / (score(positive) + negatives)) / len(same)
            losses.append((loss * weights[au] if settings.labels and settings.class_weights else loss, 1 / len(same)))
    if not losses:
        return z.sum() * 0
    return sum((loss for loss, _ in losses), torch.zeros(())) / sum(share for _, share in losses)


def _unlabelled(frames: int, aus: int) -> Iterator[tuple[int, Row, list[Row], list[Row]]]:
    for au in range(aus):
        for row in _rows(frames):
            yield au, row, [(row[0], 1 - row[1])], [other for other in _rows(frames) if other[0] != row[0]]


def _reweighted(scores: list[Tensor], positive: Tensor, settings: HardNegativeSettings) -> Tensor:
    if not scores:
        return torch.zeros(())
    importance = [score**settings.beta for score in scores]
    mean = sum(importance, torch.zeros(())) / len(scores)
    hard = sum((i / mean * s for i, s in zip(importance, scores, strict=True)), torch.zeros(()))
    tau = 0.0 if settings.labels else settings.tau_plus
    debiased = (hard - tau * len(scores) * positive) / (1 - tau)
    return debiased.clamp_min(len(scores) * torch.exp(torch.tensor(-1 / settings.temperature, dtype=hard.dtype)))


def nt_xent(p: Tensor, temperature: float) -> Tensor:
    """Chen et al., equation 1, of projections [B, 2, P]."""
    rows = _rows(len(p))
    losses = []
    for frame, view in rows:
        score = {other: _score(p[frame, view], p[other], temperature) for other in rows if other != (frame, view)}
        losses.append(-torch.log(score[frame, 1 - view] / sum(score.values(), torch.zeros(()))))
    return torch.stack(losses).mean()


def moco(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """He et al., equation 1, of queries and keys [B, 2, P] and a queue [K, P]."""
    losses = []
    for frame, view in _rows(len(queries)):
        query = queries[frame, view]
        own = _score(query, keys[frame, 1 - view], temperature)
        negatives = sum((_score(query, key, temperature) for key in queue), torch.zeros(()))
        losses.append(-torch.log(own / (own + negatives)))
    return torch.stack(losses).mean()


def byol(predictions: Tensor, targets: Tensor) -> Tensor:
    """Grill et al., equation 2: squared distances on the sphere."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return ((normalize(a, dim=0) - normalize(b, dim=0)) ** 2).sum()

    losses = [distance(predictions[f, v], targets[f, 1 - v]) for f, v in _rows(len(predictions))]
    return torch.stack(losses).mean()


def _score(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    return torch.exp(normalize(one, dim=0) @ normalize(other, dim=0) / temperature)
