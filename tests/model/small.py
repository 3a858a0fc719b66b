"""A small detector, and a job to fit it, for the tests of the fit loop, the evaluation and the checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from data.settings import ClipSettings
from data.store import FrameStore
from model.detector import AuClassifier, Classifier, Detector
from model.fit import Fitting
from model.losses.settings import METHOD_SETTINGS, ClpSettings
from model.methods import METHODS
from model.settings import BackboneSettings, HeadSettings, OptimSettings, ProbeSettings
from tests.data.stores import tiny_fold, tiny_loader

AUS = (1, 12)
CROP = 16


def small_detector(
    seed: int = 0,
    aus: tuple[int, ...] = AUS,
    classifier: Callable[[int, int], Classifier] = AuClassifier,
    backbone: str = "tiny",
    **head: Any,
) -> Detector:
    """A backbone at 16 px with embeddings of length 8."""
    settings = HeadSettings(**{"dim": 8} | head)
    return Detector(aus, CROP, BackboneSettings(backbone), settings, seed, classifier=classifier)


def small_settings(method: str) -> Any:
    """The defaults of `method`, with clips that fit the small batches and the short sequences."""
    return ClpSettings(clip=ClipSettings(frames=4)) if method == "clp" else METHOD_SETTINGS[method]()


def small_job(store: FrameStore, folder: Path, method: str = "aunce", **optim: Any) -> Fitting:
    """Three epochs of `method` on half of the subjects of `store`, in batches of 8."""
    settings = OptimSettings(**{"epochs": 3, "batch_size": 8, "lr": 1e-2} | optim)
    return Fitting(
        loader=tiny_loader(store, settings.batch_size),
        fold=tiny_fold(store),
        method=METHODS[method],
        method_settings=small_settings(method),
        optim=settings,
        probe=ProbeSettings(),
        seed=0,
        checkpoint=folder / "checkpoint.pt",
    )


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter and buffer."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two states are bit-identical."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
