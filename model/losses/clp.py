"""CLP: contrastive learning from unlabelled clips, by time within a clip and by similarity between people.

Li & Shan, "Contrastive Learning of Person-independent Representations for Facial Action Unit Detection" (TIP 2023,
arXiv 2403.03400). There is no public code; this is a re-implementation by our interpretation, not a reproduction:

- temporal: InfoNCE of frame t of a clip, the momentum encoder's embedding of the other view of t as positive and those
  of the clip's other frames u as negatives, with logits (s_tu + margin |t - u| / (T - 1)) / temperature. The margin
  makes far frames the harder negatives, so their embeddings must differ more than those of near frames;
- cross-identity: a code is reconstructed from the nearest codes k of *other* people in a bank that the momentum
  encoder fills, z^ = sum_j softmax_j(s(z, k_j) / attention) k_j; InfoNCE of z with its own z^ as positive and the z^
  of the other frames of the same view as negatives;
- loss = temporal + cross_weight * cross-identity.

Every AU has its own code; the losses are means over AUs, both views and all frames.
"""

import torch
from torch import Tensor, nn

from model.companion import Companion, Follower, put
from model.detector import Detector
from model.losses.numerics import NEVER, full_precision, unit
from model.losses.settings import ClpSettings


class Clp(Companion):
    """The momentum encoder, and the bank of its codes with the number of each code's person."""

    bank: Tensor  # [K, A, D] on the unit sphere
    people: Tensor  # [K] int64, -1 where there is no code yet
    place: Tensor  # index of the oldest code, which the next one replaces

    def __init__(self, detector: Detector, settings: ClpSettings, seed: int) -> None:
        super().__init__()
        self.follower = Follower(detector, nn.Identity(), settings.momentum)
        self.register_buffer("bank", torch.zeros(settings.bank, len(detector.aus), detector.head.dim))
        self.register_buffer("people", torch.full((settings.bank,), -1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def forward(self, views: Tensor, subject: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes [B, V, A, D] of a step, and the bank and its people before these codes are added."""
        bank, people, codes = self.bank, self.people, self.follower.embed(views)
        self.bank = put(bank, self.place, unit(codes[:, 0]))
        self.people = put(people, self.place, subject)
        self.place = (self.place + len(subject)) % len(people)
        return codes, bank, people

    def after_step(self, detector: Detector) -> None:
        """Update the momentum encoder."""
        self.follower.follow(detector, self.follower.projector)


def clp_loss(z: Tensor, codes: Tensor, subject: Tensor, bank: Tensor, people: Tensor, settings: ClpSettings) -> Tensor:
    """z and codes [B, V, A, D] of clips, their frames one after the other; subject [B]; bank [K, A, D] of `people`."""
    length = settings.clip.frames
    loss = temporal_loss(_clips(z, length), _clips(codes.flip(1), length), settings.margin, settings.temperature)
    temperatures = settings.attention, settings.cross_temperature
    across = [
        cross_identity_loss(view, subject, bank, people, settings.neighbours, *temperatures) for view in z.unbind(1)
    ]
    return loss + settings.cross_weight * torch.stack(across).mean()


def _clips(z: Tensor, length: int) -> Tensor:
    """[B, V, A, D] -> [V * B / T, T, A, D]."""
    return z.transpose(0, 1).reshape(-1, length, *z.shape[2:])


def temporal_logits(queries: Tensor, keys: Tensor, margin: float, temperature: float) -> Tensor:
    """Logits [C, A, T, T] of key u for query t, larger by the margin the farther u is from t; both [C, T, A, D]."""
    length = queries.shape[1]
    time = torch.arange(length, device=queries.device)
    similarity: Tensor = torch.einsum("ctad,cuad->catu", unit(queries), unit(keys))
    distance = (time - time.unsqueeze(1)).abs().to(similarity.dtype) / max(length - 1, 1)
    return (similarity + margin * distance) / temperature


def temporal_loss(queries: Tensor, keys: Tensor, margin: float, temperature: float) -> Tensor:
    """Cross-entropy of a frame's own key against those of its clip; queries and keys [C, T, A, D]."""
    with full_precision(queries):
        logits = temporal_logits(queries, keys, margin, temperature)
        return (torch.logsumexp(logits, dim=3) - logits.diagonal(dim1=2, dim2=3)).mean()


def cross_identity_loss(
    z: Tensor,
    subject: Tensor,
    bank: Tensor,
    people: Tensor,
    neighbours: int,
    attention: float,
    temperature: float,
) -> Tensor:
    """Cross-entropy of a frame's own reconstructed code against those of all frames.

    z [B, A, D], subject [B], bank [K, A, D] of `people` [K] (-1 for no code). Frames are left out if the bank has no
    code of another person; without any frame the loss is 0.
    """
    with full_precision(z):
        z = unit(z)
        others = (people >= 0) & (people != subject.unsqueeze(1))  # [B, K]
        rebuilt, known = _rebuilt(z, others, bank.to(z.dtype), neighbours, attention), others.any(dim=1)
        logits = torch.einsum("bad,ead->abe", z, unit(rebuilt)) / temperature
        logits = logits.masked_fill(~known, NEVER)
        losses = (torch.logsumexp(logits, dim=2) - logits.diagonal(dim1=1, dim2=2)) * known
        return losses.sum() / (known.sum() * z.shape[1]).clamp_min(1)


def _rebuilt(z: Tensor, others: Tensor, bank: Tensor, neighbours: int, attention: float) -> Tensor:
    """Codes [B, A, D] from the nearest of `bank` [K, A, D] that `others` [B, K] allows; undefined where it has none."""
    similarity = torch.einsum("bad,kad->bak", z, bank).masked_fill(~others.unsqueeze(1), NEVER)
    nearest = similarity.detach().topk(min(neighbours, len(bank)), dim=2).values
    chosen = similarity.masked_fill(similarity < nearest[:, :, -1:], NEVER)
    rebuilt: Tensor = torch.einsum("bak,kad->bad", (chosen / attention).softmax(dim=2), bank)
    return rebuilt
