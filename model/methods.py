"""The methods by name: which settings each has, and how it turns one step into a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from data.errors import InputError
from model.losses.aunce import AunceSettings, aunce_loss
from model.losses.bce import BceSettings, bce_loss

MethodSettings = AunceSettings | BceSettings


@dataclass(frozen=True)
class Step:
    """Everything a loss may look at in one training step."""

    z: Tensor  # [B, V, A, D] unit embeddings
    logits: Tensor  # [B, V, A] of the classifier, with gradients into the encoder if the method is `end_to_end`
    labels: Tensor  # [B, A] float
    coded: Tensor  # [B, A] bool
    au_weights: Tensor  # [A] inverse base rates of the training frames, mean 1
    pos_weight: Tensor  # [A] weight of active labels in a cross-entropy
    generator: torch.Generator  # on the CPU, named after seed and epoch


@dataclass(frozen=True)
class Method:
    """One way to train a detector.

    A method with `end_to_end` trains the classifier together with the encoder; any other trains the encoder alone,
    a detached probe watches it, and a linear evaluation makes the classifier at the end.
    """

    settings: type[Any]
    loss: Callable[[Step, Any], Tensor]
    end_to_end: bool


def _aunce(step: Step, settings: AunceSettings) -> Tensor:
    return aunce_loss(step.z, step.labels, step.coded, settings, step.generator, step.au_weights)


def _bce(step: Step, settings: BceSettings) -> Tensor:
    return bce_loss(step.logits, step.labels, step.coded, settings, step.pos_weight)


METHODS: dict[str, Method] = {
    "aunce": Method(AunceSettings, _aunce, end_to_end=False),
    "bce": Method(BceSettings, _bce, end_to_end=True),
}


def method_named(name: str) -> Method:
    """The method `name`; `InputError` with the choices for any other name."""
    if name not in METHODS:
        raise InputError(f"method={name!r}; allowed: {', '.join(METHODS)}")
    return METHODS[name]
