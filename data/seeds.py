"""Randomness by name: every draw comes from a generator that is named after what it decides."""

import hashlib

import numpy as np
import torch


def seed_for(*names: object) -> int:
    """A 63-bit seed from the names, the same in every process and Python version."""
    # not hash(): Python salts it differently in every process
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: object, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator seeded by `names`, e.g. `generator("views", seed, epoch)`."""
    return torch.Generator(device=device).manual_seed(seed_for(*names))


def numpy_generator(*names: object) -> np.random.Generator:
    """A numpy generator seeded by `names`."""
    return np.random.default_rng(seed_for(*names))
