"""The methods by name: the loss of a training step and the extra parts of each; settings: `model.losses.settings`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from data.settings import ClipSettings
from model.companion import Companion
from model.detector import AuClassifier, Classifier, CosineClassifier, Detector
from model.losses.asymmetric import asymmetric_loss
from model.losses.aunce import Centroids, aunce_loss
from model.losses.bce import bce_loss
from model.losses.byol import Byol, byol_loss
from model.losses.clp import Clp, clp_loss
from model.losses.focal import focal_loss
from model.losses.hard_negative import hard_negative_loss
from model.losses.moco import Moco, moco_loss
from model.losses.settings import (
    AsymmetricSettings,
    AunceSettings,
    BceSettings,
    ByolSettings,
    ClpSettings,
    FocalSettings,
    HardNegativeSettings,
    MocoSettings,
    SimclrSettings,
    SupconSettings,
)
from model.losses.simclr import Simclr, nt_xent
from model.losses.supcon import supcon_loss


@dataclass(frozen=True)
class TrainingStep:
    """All inputs of a loss in one training step; the loss is computed inside the training's autocast."""

    views: Tensor  # [B, V, 3, H, W] in [0, 1]
    z: Tensor  # [B, V, A, D] unit embeddings
    logits: Tensor  # [B, V, A] of the classifier, with gradients into the encoder if the method is `end_to_end`
    labels: Tensor  # [B, A] float
    coded: Tensor  # [B, A] bool
    subject: Tensor  # [B] int64, number of the person
    base_rates: Tensor  # [A] share of active among the coded training labels
    au_weights: Tensor  # [A] inverse base rates, mean 1
    companion: Any  # what `Method.companion` built
    generator: torch.Generator  # on the CPU, named after seed and epoch


def no_companion(detector: Detector, settings: Any, seed: int) -> Companion:
    """The companion of a method without extra parts."""
    return Companion()


def no_clip(settings: Any) -> ClipSettings | None:
    """No clip: the method learns from single frames."""
    return None


@dataclass(frozen=True)
class Method:
    """One way to train a detector.

    With `end_to_end` the classifier is trained together with the encoder. Otherwise the loss trains only the encoder, a
    detached probe gives the scores during training, and a linear evaluation trains the classifier at the end.
    `companion(detector, settings, seed)` builds the extra parts; `classifier(aus, dim)` the module from embeddings to
    logits. If `clip(settings)` is not None, a batch consists of whole clips, their frames one after the other.
    """

    loss: Callable[[TrainingStep, Any], Tensor]
    end_to_end: bool
    companion: Callable[[Detector, Any, int], Companion] = no_companion
    classifier: Callable[[int, int], Classifier] = AuClassifier
    clip: Callable[[Any], ClipSettings | None] = no_clip


def _centroids(detector: Detector, settings: AunceSettings, seed: int) -> Companion:
    wanted = settings.ratios.centroid > 0
    return Centroids(len(detector.aus), detector.head.dim, settings.centroid_momentum) if wanted else Companion()


def _aunce(step: TrainingStep, settings: AunceSettings) -> Tensor:
    given = step.labels, step.coded
    centroids = step.companion if settings.ratios.centroid > 0 else None
    loss = aunce_loss(step.z, *given, settings, step.generator, step.au_weights, step.base_rates, centroids)
    if centroids is not None:  # after the loss: an anchor must not be part of its own positive
        centroids.update(step.z.detach(), *given)
    return loss


def _bce(step: TrainingStep, settings: BceSettings) -> Tensor:
    return bce_loss(step.logits, step.labels, step.coded, settings, step.base_rates, step.au_weights)


def _focal(step: TrainingStep, settings: FocalSettings) -> Tensor:
    return focal_loss(step.logits, step.labels, step.coded, settings, step.au_weights)


def _asymmetric(step: TrainingStep, settings: AsymmetricSettings) -> Tensor:
    return asymmetric_loss(step.logits, step.labels, step.coded, settings, step.au_weights)


def _supcon(step: TrainingStep, settings: SupconSettings) -> Tensor:
    return supcon_loss(step.z, step.labels, step.coded, settings, step.au_weights)


def _hard_negative(step: TrainingStep, settings: HardNegativeSettings) -> Tensor:
    return hard_negative_loss(step.z, step.labels, step.coded, settings, step.au_weights)


def _simclr(step: TrainingStep, settings: SimclrSettings) -> Tensor:
    return nt_xent(step.companion(step.z), settings.temperature)


def _moco(step: TrainingStep, settings: MocoSettings) -> Tensor:
    queries, keys, queue = step.companion(step.z, step.views)
    return moco_loss(queries, keys, queue, settings.temperature)


def _byol(step: TrainingStep, settings: ByolSettings) -> Tensor:
    predictions, targets = step.companion(step.z, step.views)
    return byol_loss(predictions, targets)


def _clp(step: TrainingStep, settings: ClpSettings) -> Tensor:
    codes, bank, people = step.companion(step.views, step.subject)
    return clp_loss(step.z, codes, step.subject, bank, people, settings)


def _clip_of_clp(settings: ClpSettings) -> ClipSettings:
    return settings.clip


METHODS: dict[str, Method] = {
    "aunce": Method(_aunce, end_to_end=False, companion=_centroids),
    "supcon": Method(_supcon, end_to_end=False),
    "hard_negative": Method(_hard_negative, end_to_end=False),
    "simclr": Method(_simclr, end_to_end=False, companion=Simclr),
    "moco": Method(_moco, end_to_end=False, companion=Moco),
    "byol": Method(_byol, end_to_end=False, companion=Byol),
    "clp": Method(_clp, end_to_end=False, companion=Clp, clip=_clip_of_clp),
    "bce": Method(_bce, end_to_end=True),
    "focal": Method(_focal, end_to_end=True),
    "asymmetric": Method(_asymmetric, end_to_end=True),
    "graph_supervised": Method(_asymmetric, end_to_end=True, classifier=CosineClassifier),
}
