"""The inputs that a step of the fit loop gives to a loss and to the companion of a method."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data.store import FrameStore
from model.companion import Companion
from model.detector import Detector
from model.embedding import Embed
from model.fit import Fitting, fit
from model.methods import METHODS, Method, TrainingStep
from tests.model.small import equal, small_detector, small_job, state_of


def run(detector: Detector, job: Fitting) -> tuple[list[float], dict[str, Tensor]]:
    return [epoch.loss for epoch in fit(detector, job)], state_of(detector)


class Watching(Companion):
    """A companion with a trained weight, a frozen one and a buffer; it records the detector after every step."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.seen: list[Tensor] = []

    def after_step(self, detector: Detector) -> None:
        self.count += 1
        self.seen.append(detector.head.linear.weight.detach().clone())


def watched(store: FrameStore, folder: Path, companion: Watching, **optim: Any) -> Fitting:
    job = small_job(store, folder, epochs=2, **optim)
    method = Method(
        lambda step, settings: (step.companion.weight.sum() * step.z).square().sum(),
        end_to_end=False,
        companion=lambda detector, settings, seed: companion,
    )
    return replace(job, method=method)


def test_the_companion_is_trained_saved_and_called_after_every_step(store: FrameStore, tmp_path: Path) -> None:
    companion, detector = Watching().eval(), small_detector()
    job = watched(store, tmp_path, companion)
    next(fit(detector, job))
    assert companion.training
    assert int(companion.count) == 4
    assert torch.equal(companion.seen[-1], detector.head.linear.weight)
    assert not torch.equal(companion.seen[0], companion.seen[1])
    assert not torch.equal(companion.weight, torch.ones(2))
    assert torch.equal(companion.frozen, torch.ones(2))
    saved = torch.load(job.checkpoint, weights_only=True)
    assert equal(saved["companion"], state_of(companion))
    assert not [name for name in saved["best"] if "frozen" in name or "count" in name]
    resumed = Watching()
    next(fit(small_detector(), watched(store, tmp_path, resumed)))
    assert equal(state_of(resumed), state_of(companion))


def test_a_step_has_the_labels_and_subjects_of_its_frames(store: FrameStore, tmp_path: Path) -> None:
    steps: list[TrainingStep] = []

    def watch(step: TrainingStep, settings: Any) -> Tensor:
        steps.append(step)
        return METHODS["aunce"].loss(step, settings)

    job = replace(small_job(store, tmp_path, epochs=1), method=replace(METHODS["aunce"], loss=watch))
    list(fit(small_detector(), job))
    rows = [batch.row.numpy() for batch in job.loader.train(job.fold.train, 0, 1)]
    assert [step.views.shape for step in steps] == [(8, 2, 3, 16, 16)] * 4
    names = [store.subjects_of(part) for part in rows]
    numbers = {
        name: int(n)
        for step, part in zip(steps, names, strict=True)
        for name, n in zip(part, step.subject, strict=True)
    }
    assert len({*numbers.values()}) == len(numbers) == 4
    for step, part in zip(steps, names, strict=True):
        assert [numbers[name] for name in part] == step.subject.tolist()
    labels = store.labels((1, 12))[job.fold.train]
    expected = (labels == 1).sum(axis=0) / (labels >= 0).sum(axis=0)
    np.testing.assert_allclose(steps[0].base_rates.numpy(), expected, rtol=1e-6)


def test_optional_ways_to_embed_reach_the_training(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(small_detector(), small_job(store, tmp_path / "plain", epochs=1))
    used: list[str] = []

    def compiler(embed: Embed) -> Embed:
        used.append("compile")
        return embed

    def segments(features: nn.Module) -> list[nn.Module]:
        used.append("checkpointing")
        return [features]

    monkeypatch.setattr(torch, "compile", compiler)
    monkeypatch.setattr("model.embedding._segments", segments)
    for way in ("compile", "checkpointing"):
        optim: dict[str, Any] = {"epochs": 1, way: True}
        same = run(small_detector(), small_job(store, tmp_path / way, **optim))
        assert used.pop() == way
        assert same[0] == plain[0]
        assert equal(same[1], plain[1])
    assert not used
    apart = run(small_detector(), small_job(store, tmp_path / "apart", epochs=1, separate_views=True))
    assert apart[0] != plain[0]
    assert int(apart[1]["head.norm.num_batches_tracked"]) == 8 == 2 * int(plain[1]["head.norm.num_batches_tracked"])
