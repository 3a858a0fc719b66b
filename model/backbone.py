"""Image encoders: views [B, 3, H, W] in [0, 1] -> tokens [B, T, C].

`tiny` is ours, the others are torchvision's without their classifier. Weights are a torchvision weight name or a
file with the state dict of the whole network; only a weight name starts a download.
"""

import importlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from data.errors import InputError
from data.seeds import seed_for
from model.settings import BackboneSettings

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Tiny(nn.Sequential):
    """Four stages of two 3x3 convolutions, 16-32-64-128 channels, 1/16 of the input's side; 0.3 M parameters."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        channels = (3, 16, 32, 64, 128)
        for narrow, wide in pairwise(channels):
            layers += [*_convolution(narrow, wide, stride=2), *_convolution(wide, wide, stride=1)]
        super().__init__(*layers)


def _convolution(narrow: int, wide: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(wide),
        nn.ReLU(inplace=True),
    )


class Backbone(nn.Module):
    """An encoder with its input normalisation; `channels` is C of the tokens."""

    mean: Tensor
    std: Tensor

    def __init__(self, features: nn.Module, channels: int, channels_last_output: bool = False) -> None:
        super().__init__()
        self.features, self.channels, self.channels_last_output = features, channels, channels_last_output
        # constants, so they are not in the state dict
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, views: Tensor, features: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Views [B, 3, H, W] in [0, 1] -> tokens [B, T, C]; `features` replaces the forward pass of the features."""
        # cuDNN's convolutions are faster on channels_last, most of all in bf16
        normal = ((views - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        maps: Tensor = (features or self.features)(normal)
        return maps.flatten(1, 2) if self.channels_last_output else maps.flatten(2).transpose(1, 2)


def build_backbone(settings: BackboneSettings, seed: int, weights_file: Path | None = None) -> Backbone:
    """The encoder, initialised from `seed`, or from `weights_file`, or from the named torchvision weights."""
    with torch.random.fork_rng(devices=[]):  # layers take no generator; the global one must not change
        torch.manual_seed(seed_for("backbone", settings.name, seed))
        network = Tiny() if settings.name == "tiny" else _torchvision_models().get_model(settings.name, weights=None)
    if weights_file is not None:
        _load_file(network, weights_file)
    elif settings.weights:
        network.load_state_dict(fetch_weights(settings))
    return _without_classifier(settings.name, network).to(memory_format=torch.channels_last)


def _without_classifier(name: str, network: Any) -> Backbone:
    if name == "tiny":
        return Backbone(network, 128)
    if name.startswith("resnet"):  # its last two children are the average pooling and the classifier
        return Backbone(nn.Sequential(*list(network.children())[:-2]), network.fc.in_features)
    if name.startswith("swin"):  # its maps are [B, H, W, C]
        return Backbone(
            nn.Sequential(network.features, network.norm), network.head.in_features, channels_last_output=True
        )
    return Backbone(network.features, network.classifier[0].in_features)


def fetch_weights(settings: BackboneSettings) -> dict[str, Tensor]:
    """State dict of the named torchvision weights, downloaded unless they are in torch's cache."""
    both = "Give a torchvision weight name on a machine with internet access, or a file: weights=<state_dict.pt>."
    if settings.name == "tiny":
        raise InputError(f"weights={settings.weights!r}: `tiny` has no published weights. {both}")
    choices = _torchvision_models().get_model_weights(settings.name)
    if settings.weights not in choices.__members__:
        raise InputError(
            f"weights={settings.weights!r} of {settings.name}; allowed: {', '.join(choices.__members__)}. {both}"
        )
    try:
        state: dict[str, Tensor] = choices[settings.weights].get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise InputError(f"weights={settings.weights!r} cannot be downloaded here ({error}). {both}") from error
    return state


def _torchvision_models() -> ModuleType:
    """`torchvision.models`, imported only when needed: it imports torch's compiler, which takes as long as torch."""
    return importlib.import_module("torchvision.models")


def _load_file(network: nn.Module, path: Path) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # a pickle could run code otherwise
        network.load_state_dict(state)
    except Exception as error:
        raise InputError(
            f"weights file {path} does not contain the state dict of this network (saved by torch.save): {error}"
        ) from error
