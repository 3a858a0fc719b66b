import hashlib

import numpy as np
import torch

from data.seeds import generator, numpy_generator, seed_for


def test_a_seed_is_named() -> None:
    first_bytes = hashlib.sha256(b"views\x1f3\x1f1").digest()[:8]
    assert seed_for("views", 3, 1) == int.from_bytes(first_bytes, "big") // 2
    seeds = {seed_for(*names) for names in [("a", 1, 2), ("a", 12), ("a", 2, 1), ("b", 1, 2), ("a", 1), ("a1",)]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_never_change_by_themselves() -> None:
    """A literal: if it changes, every result that anyone has is another one."""
    assert seed_for("order", 0, 1) == 6998642760411335394


def test_generators_repeat_and_leave_the_global_ones_alone() -> None:
    state, legacy = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    one, other = (torch.rand(5, generator=generator("x", 1)) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, torch.rand(5, generator=generator("x", 2)))
    assert numpy_generator("x", 1).random() == numpy_generator("x", 1).random()
    assert generator("x").device.type == "cpu"
    assert torch.equal(torch.get_rng_state(), state)
    assert str(np.random.get_state()) == legacy  # noqa: NPY002
