"""CLP: its losses against loops, its bank and its momentum encoder."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data.clips import clips_of
from data.errors import InputError
from data.loader import Batch, Loader
from data.settings import ClipSettings
from model.companion import put
from model.fit import fit
from model.losses.clp import Clp, clp_loss, cross_identity_loss, temporal_logits, temporal_loss
from model.losses.settings import ClpSettings
from model.methods import METHODS, TrainingStep
from tests.data.stores import tiny_store
from tests.model import oracles_clp as oracles
from tests.model.batches import normal, same, sphere
from tests.model.small import CROP, small_detector, small_job, state_of

PEOPLE = torch.tensor([0, 1, -1, 2, 1, 0, 3, -1, 2, 0, 1])


@pytest.mark.parametrize("margin", [0.0, 0.3, 2.0])
@pytest.mark.parametrize(("clips", "length"), [(1, 1), (1, 2), (3, 1), (2, 5), (4, 3)])
def test_the_temporal_loss_equals_the_loops(clips: int, length: int, margin: float) -> None:
    queries, keys = normal(1, clips, length, 3, 4), normal(2, clips, length, 3, 4)
    mine, loops = (f(queries, keys, margin, 0.2) for f in (temporal_loss, oracles.temporal))
    for x in (queries, keys):
        same(mine, loops, x)
    if length == 1:
        assert float(mine.detach()) == 0


def test_logits_grow_with_the_distance_in_time() -> None:
    """All frames have the same embedding, so only the margin makes a difference."""
    alike = torch.ones(1, 5, 1, 2)
    logits = temporal_logits(alike, alike, 0.4, 0.5)[0, 0]
    assert logits[0].tolist() == pytest.approx([2.0, 2.2, 2.4, 2.6, 2.8])
    assert logits[2].tolist() == pytest.approx([2.4, 2.2, 2.0, 2.2, 2.4])
    losses = [float(temporal_loss(alike, alike, margin, 0.5)) for margin in (0.0, 0.1, 0.4)]
    assert losses == sorted(losses)
    assert losses[0] == pytest.approx(math.log(5))


def test_the_margin_pushes_far_frames_farther() -> None:
    """All frames have the same embedding: the gradient of a key grows with its distance in time."""
    queries, keys = torch.tensor([1.0, 0.0]).expand(1, 4, 1, 2), torch.tensor([1.0, 1.0]).repeat(1, 4, 1, 1)
    pushes = []
    for margin in (0.0, 1.0):
        logits = temporal_logits(queries, keys.requires_grad_(), margin, 0.3)[0, 0, 0]
        (gradient,) = torch.autograd.grad(torch.logsumexp(logits, 0) - logits[0], keys)
        pushes.append(gradient[0, 1:, 0].norm(dim=1).tolist())
    assert pushes[0] == pytest.approx([pushes[0][0]] * 3)
    assert pushes[1] == sorted(pushes[1])
    assert pushes[1][2] > 2 * pushes[1][0]


@pytest.mark.parametrize("neighbours", [1, 3, 100])
@pytest.mark.parametrize(("frames", "aus"), [(1, 1), (2, 3), (6, 2)])
def test_the_cross_identity_loss_equals_the_loops(frames: int, aus: int, neighbours: int) -> None:
    z, bank = normal(frames, frames, aus, 4), sphere(9, len(PEOPLE), aus, 4).detach()
    subject = torch.tensor([0, 0, 1, 2, 3, 7])[:frames]
    given = z, subject, bank, PEOPLE, neighbours, 0.15, 0.25
    same(cross_identity_loss(*given), oracles.cross_identity(*given), z)


def test_only_some_frames_have_others() -> None:
    """For subject 1 the bank has no other person; the loss of subject 2 is as if those frames were absent."""
    z, bank, people = normal(1, 4, 2, 4), sphere(2, 3, 2, 4).detach(), torch.tensor([1, 1, -1])
    given = bank, people, 2, 0.1, 0.2
    some = cross_identity_loss(z, torch.tensor([1, 2, 1, 2]), *given)
    same(some, cross_identity_loss(z[[1, 3]], torch.tensor([2, 2]), *given), z)
    same(some, oracles.cross_identity(z, torch.tensor([1, 2, 1, 2]), *given), z)
    assert float(some.detach()) > 0


@pytest.mark.parametrize("people", [[-1, -1, -1], [5, 5, 5], [5, -1, 5]])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_without_another_person_the_loss_is_zero(people: list[int], dtype: torch.dtype) -> None:
    z, subject = normal(1, 4, 2, 3, dtype=dtype), torch.full((4,), 5)
    bank = sphere(2, 3, 2, 3).detach().float() * (torch.tensor(people) >= 0).view(3, 1, 1)
    loss = cross_identity_loss(z, subject, bank, torch.tensor(people), 2, 0.01, 0.01)
    (gradient,) = torch.autograd.grad(loss, z)
    assert float(loss.detach()) == 0
    assert not gradient.any()


def test_a_code_in_the_bank_is_reconstructed_from_it() -> None:
    """Two people with the same two expressions: sharp attention finds the same expression of the other one."""
    happy, sad = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    z, subject = torch.stack([happy, sad]), torch.tensor([0, 0])
    bank, people = torch.stack([sad, happy, sad, happy]), torch.tensor([1, 1, 0, 0])
    aligned = cross_identity_loss(z, subject, bank, people, 1, 0.1, 0.5)
    assert float(aligned) == pytest.approx(math.log(1 + math.exp(-2)))
    own_only = cross_identity_loss(z, subject, bank, torch.zeros(4, dtype=torch.int64), 1, 0.1, 0.5)
    assert float(own_only) == 0


def arguments(settings: ClpSettings, dtype: torch.dtype) -> tuple[Any, ...]:
    z, codes = (sphere(seed, 8, 2, 3, 5, dtype=dtype).detach() for seed in (1, 2))
    bank = sphere(3, len(PEOPLE), 3, 5, dtype=dtype).detach()
    return z.requires_grad_(), codes, torch.tensor([0, 0, 0, 0, 4, 4, 4, 4]), bank, PEOPLE, settings


def test_the_loss_is_the_sum_of_both_over_both_views() -> None:
    settings = ClpSettings(clip=ClipSettings(frames=4), margin=0.3, cross_weight=0.7, neighbours=3)
    z, codes, subject, bank, people, _ = arguments(settings, torch.float64)
    expected: list[Tensor] = []
    for view in (0, 1):
        for start in (0, 4):
            clip = slice(start, start + 4)
            keys = codes[None, clip, 1 - view]
            expected.append(oracles.temporal(z[None, clip, view], keys, 0.3, settings.temperature) / 4)
        given = subject, bank, people, 3, settings.attention, settings.cross_temperature
        expected.append(0.7 * oracles.cross_identity(z[:, view], *given) / 2)
    same(clp_loss(z, codes, subject, bank, people, settings), torch.stack(expected).sum(), z)


def test_autocast_does_not_lower_the_precision() -> None:
    settings = ClpSettings(clip=ClipSettings(frames=4))
    with torch.autocast("cpu", torch.bfloat16):
        lowered = clp_loss(*arguments(settings, torch.float32))
    exact = clp_loss(*arguments(settings, torch.float64))
    assert lowered.dtype == torch.float32
    torch.testing.assert_close(lowered.double(), exact, rtol=1e-4, atol=1e-6)


def test_wrong_settings_are_all_listed() -> None:
    wrong = {"temperature": 0.0, "margin": -1.0, "neighbours": 0, "bank": 0, "momentum": 2.0, "attention": 0.0}
    with pytest.raises(InputError) as caught:
        ClpSettings(then="nothing", **wrong)  # type: ignore[arg-type]
    for name in wrong:
        assert f"{name}=" in str(caught.value)
    assert "then='nothing'; allowed: probe, finetune" in str(caught.value)


# --- its bank and its momentum encoder


def views(frames: int = 4) -> Tensor:
    return torch.rand(frames, 2, 3, CROP, CROP, generator=torch.Generator().manual_seed(0))


def test_the_bank_is_empty_and_holds_the_newest_codes_with_their_people() -> None:
    kept = Clp(small_detector(), ClpSettings(bank=6), 0)
    assert kept.people.tolist() == [-1] * 6
    first, bank, people = kept(views(), torch.tensor([3, 3, 5, 5]))
    assert (people.tolist(), bank.shape, first.shape) == ([-1] * 6, (6, 2, 8), (4, 2, 2, 8))
    assert not first.requires_grad
    second, bank, people = kept(views(), torch.tensor([7, 8, 9, 9]))
    assert people.tolist() == [3, 3, 5, 5, -1, -1]
    torch.testing.assert_close(bank[:4], first[:, 0])
    assert kept.people.tolist() == [9, 9, 5, 5, 7, 8]
    torch.testing.assert_close(kept.bank[[4, 5, 0, 1]], second[:, 0])
    assert {"bank", "people", "place"} <= {*state_of(kept)}


def test_the_codes_come_from_the_momentum_encoder() -> None:
    detector = small_detector()
    kept = Clp(detector, ClpSettings(momentum=0.5), 0)
    own = detector.embed(views().flatten(0, 1)).unflatten(0, (4, 2))
    torch.testing.assert_close(kept(views(), torch.zeros(4, dtype=torch.int64))[0], own)
    with torch.no_grad():
        detector.head.linear.weight += 1
    before = kept.get_parameter("follower.encoder.1.linear.weight").clone()
    kept.after_step(detector)
    torch.testing.assert_close(kept.get_parameter("follower.encoder.1.linear.weight"), before + 0.5)


@pytest.mark.parametrize("more", [1, 3, 4, 9])
def test_put_keeps_the_last(more: int) -> None:
    ring, rows = torch.zeros(4, 1), torch.arange(1.0, more + 1).unsqueeze(1)
    mine = put(ring, torch.tensor(3), rows)
    assert not ring.any()
    assert {*mine.flatten().tolist()} - {0.0} == {float(n) for n in range(max(more - 3, 1), more + 1)}


# --- in training


@pytest.mark.parametrize("shared", [False, True])
def test_a_step_sees_whole_clips(tmp_path: Path, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tiny_store(tmp_path, frames=9)
    job = small_job(store, tmp_path, "clp", epochs=1)
    settings = ClpSettings(clip=ClipSettings(3, 2, shared))
    asked, seen, train = [], [], Loader.train

    def watch(step: TrainingStep, settings: ClpSettings) -> Tensor:
        seen.append(step.subject.view(-1, 3))
        return METHODS["clp"].loss(step, settings)

    def noted(loader: Loader, rows: np.ndarray, *given: Any) -> Iterator[Batch]:
        asked.append((rows.tolist(), given[-1]))
        return train(loader, rows, *given)

    monkeypatch.setattr(Loader, "train", noted)
    list(fit(small_detector(), replace(job, method=replace(job.method, loss=watch), method_settings=settings)))
    assert asked == [(clips_of(store.table, job.fold.train, settings.clip).tolist(), shared)]
    assert [len(clips) for clips in seen] == [2] * 4, "27 frames are nine clips, in twos"
    assert all(bool((clips == clips[:, :1]).all()) for clips in seen)
