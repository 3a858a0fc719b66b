import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data.errors import InputError
from data.seeds import seed_for
from data.settings import ClipSettings, ViewSettings
from data.store import FrameStore
from model.detector import Detector
from model.evaluate import score_rows
from model.fit import EpochScore, Fitting, fit, learning_rate
from model.losses.settings import AunceSettings, ByolSettings, ClpSettings, MethodSettings, MocoSettings, Ratios
from model.methods import METHODS, Method, TrainingStep
from model.metrics import objective_value
from model.settings import OptimSettings
from tests.data.stores import PLAIN
from tests.model.small import equal, small_detector, small_job, small_settings, state_of

Facts = list[tuple[int, float, float, bytes, bytes]]


class PowerCutError(Exception):
    """Simulates a machine that loses power."""


def facts(epochs: list[EpochScore]) -> Facts:
    """The epochs without their seconds."""
    return [(e.epoch, e.loss, e.value, e.score.counts.tobytes(), e.score.histogram.tobytes()) for e in epochs]


def contrastive(loss: Callable[[TrainingStep, Any], Tensor]) -> Method:
    return Method(loss, end_to_end=False)


def dying_at(step: int, method: Method) -> Method:
    """The method, with a power cut at that step of the whole training, counted from 1."""
    count = iter(range(1, 10_000))

    def loss(seen: TrainingStep, settings: Any) -> Tensor:
        if next(count) == step:
            raise PowerCutError
        return method.loss(seen, settings)

    return replace(method, loss=loss)


def run(detector: Detector, job: Fitting) -> tuple[Facts, dict[str, Tensor]]:
    return facts(list(fit(detector, job))), state_of(detector)


KEEPING = {  # settings with which methods have a companion that their defaults do not have
    "aunce": AunceSettings(ratios=Ratios(self=0.2, max=0.2, mean=0.2, centroid=0.4), centroid_momentum=0.5),
    "moco": MocoSettings(queue=20),
    "byol": ByolSettings(momentum=0.0),
    "clp": ClpSettings(clip=ClipSettings(frames=4, shared_views=True), bank=20),
}
FORMS = [*((name, small_settings(name)) for name in METHODS), *KEEPING.items()]


@pytest.mark.parametrize("step", [7, *(pytest.param(step, marks=pytest.mark.slow) for step in (3, 12))])
@pytest.mark.parametrize(("method", "settings"), FORMS)
def test_an_interrupted_fit_continues_bit_exactly(
    store: FrameStore, tmp_path: Path, method: str, settings: MethodSettings, step: int
) -> None:
    def job_in(folder: str) -> Fitting:
        return replace(small_job(store, tmp_path / folder, method), method_settings=settings)

    classifier = METHODS[method].classifier
    losses, weights = run(small_detector(classifier=classifier), job_in("whole"))
    assert [epoch for epoch, *_ in losses] == [1, 2, 3]
    job = job_in("cut")
    with pytest.raises(PowerCutError):
        run(small_detector(classifier=classifier), replace(job, method=dying_at(step, job.method)))
    torch.manual_seed(step)
    assert job.checkpoint.exists() == (step > 4)  # four steps an epoch
    again = run(small_detector(99 if step > 4 else 0, classifier=classifier), job)
    assert again[0] == losses
    assert equal(again[1], weights)


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_an_abandoned_fit_ends_with_the_same_weights(store: FrameStore, tmp_path: Path, kept: int) -> None:
    optim: dict[str, Any] = {"epoch_frames": 16, "weight_decay": 0.1}
    expected = run(small_detector(), small_job(store, tmp_path / "whole", **optim))
    job = small_job(store, tmp_path / "cut", **optim)
    epochs = fit(small_detector(), job)
    first = facts([next(epochs) for _ in range(kept)])
    epochs.close()  # type: ignore[attr-defined]
    losses, weights = run(small_detector(seed=99), job)
    assert losses[:kept] == first
    assert losses == expected[0]
    assert equal(weights, expected[1])


def test_a_finished_fit_is_read_from_its_checkpoint(store: FrameStore, tmp_path: Path) -> None:
    job = small_job(store, tmp_path)
    losses, weights = run(small_detector(), job)
    again = replace(job, method=dying_at(1, job.method))
    assert run(small_detector(seed=99), again)[0] == losses
    detector = small_detector(seed=99)
    assert equal(run(detector, again)[1], weights)


def test_the_checkpoint_is_written_before_the_epoch_is_yielded(store: FrameStore, tmp_path: Path) -> None:
    job = small_job(store, tmp_path)
    for epoch in fit(small_detector(), job):
        assert len(torch.load(job.checkpoint, weights_only=True)["history"]) == epoch.epoch


def test_the_score_is_that_of_the_validation_rows(store: FrameStore, tmp_path: Path) -> None:
    detector, job = small_detector(), small_job(store, tmp_path, objective="auc")
    for epoch in fit(detector, job):
        score = score_rows(detector, job.loader, job.fold.val)
        np.testing.assert_array_equal(epoch.score.counts, score.counts)
        assert set(epoch.score.subjects) == set(store.subjects_of(job.fold.val))
        assert epoch.value == objective_value(score, "auc")
        assert epoch.seconds > 0


@pytest.mark.parametrize(
    "values", [(0.1, 0.9, 0.3), (0.5, 0.2, 0.1), (0.1, 0.2, 0.3), (0.2, 0.7, 0.7), (0.0, 0.0, 0.0)]
)
def test_the_best_epochs_weights_are_restored(
    store: FrameStore, tmp_path: Path, values: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter(values)
    monkeypatch.setattr("model.fit.objective_value", lambda score, objective: next(told))
    detector, job, states = small_detector(), small_job(store, tmp_path), []
    for epoch in fit(detector, job):
        states.append(state_of(detector))
        assert epoch.value == values[epoch.epoch - 1]
    assert not equal(states[0], states[1])
    assert equal(state_of(detector), states[values.index(max(values))])
    resumed = small_detector(seed=99)
    list(fit(resumed, job))
    assert equal(state_of(resumed), state_of(detector))


def constant(step: TrainingStep, settings: Any) -> Tensor:
    return torch.zeros((), requires_grad=True)


def blank(step: TrainingStep, settings: Any) -> Tensor:
    return step.z.sum() * 0


def test_the_probe_does_not_train_the_encoder(store: FrameStore, tmp_path: Path) -> None:
    job = small_job(store, tmp_path, epochs=1, weight_decay=0)
    detector = small_detector()
    before = state_of(detector)
    list(fit(detector, replace(job, method=contrastive(constant))))
    assert all(parameter.grad is None for parameter in detector.encoder_parameters())
    assert all(
        bool(parameter.grad.any()) for parameter in detector.classifier.parameters() if parameter.grad is not None
    )
    changed = {name for name, value in state_of(detector).items() if not torch.equal(value, before[name])}
    assert {"classifier.weight", "classifier.bias"} <= changed
    assert not changed & dict(detector.backbone.named_parameters(prefix="backbone")).keys()
    assert not changed & dict(detector.head.named_parameters(prefix="head")).keys()


def test_the_probe_adds_nothing_to_the_encoders_gradient(store: FrameStore, tmp_path: Path) -> None:
    detector, job = small_detector(), small_job(store, tmp_path, epochs=1, weight_decay=0)
    list(fit(detector, replace(job, method=contrastive(blank))))
    gradients = [parameter.grad for parameter in detector.encoder_parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("method", METHODS)
def test_training_changes_encoder_and_classifier(store: FrameStore, tmp_path: Path, method: str) -> None:
    detector = small_detector(classifier=METHODS[method].classifier)
    before = state_of(detector)
    list(fit(detector, small_job(store, tmp_path, method, epochs=1)))
    after = state_of(detector)
    assert not [name for name, _ in detector.named_parameters() if torch.equal(before[name], after[name])]


def test_bce_trains_the_encoder_through_the_classifier(store: FrameStore, tmp_path: Path) -> None:
    detector = small_detector()
    torch.nn.init.normal_(detector.classifier.weight)
    list(fit(detector, small_job(store, tmp_path, "bce", epochs=1)))
    assert all(p.grad is not None and bool(p.grad.any()) for p in detector.encoder_parameters())


@pytest.mark.parametrize("method", METHODS)
def test_it_learns(store: FrameStore, tmp_path: Path, method: str) -> None:
    job = small_job(store, tmp_path, method, epochs=12, objective="auc")
    detector = small_detector(classifier=METHODS[method].classifier)
    epochs = list(fit(detector, replace(job, loader=replace(job.loader, views=ViewSettings(crop=16, **PLAIN)))))
    assert epochs[-1].loss < 0.95 * epochs[0].loss
    assert max(epoch.value for epoch in epochs) > 0.85


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error(store: FrameStore, tmp_path: Path, wrong: float) -> None:
    job = small_job(store, tmp_path)
    broken = contrastive(lambda step, settings: step.z.sum() * 0 + wrong)  # the weights stay finite
    with pytest.raises(FloatingPointError, match=f"the loss became {wrong} in epoch 1; lower the learning rate"):
        list(fit(small_detector(), replace(job, method=broken)))
    assert not job.checkpoint.exists()


def test_different_seeds_give_different_results(store: FrameStore, tmp_path: Path) -> None:
    first, second, third = (
        run(small_detector(), replace(small_job(store, tmp_path / str(n), epochs=1), seed=seed))
        for n, seed in enumerate((0, 0, 1))
    )
    assert first[0] == second[0]
    assert equal(first[1], second[1])
    assert first[0] != third[0]


def test_bf16_trains_and_keeps_losses_in_fp32(store: FrameStore, tmp_path: Path) -> None:
    seen = []

    def watch(step: TrainingStep, settings: Any) -> Tensor:
        seen.append((step.z.dtype, step.logits.dtype))
        return METHODS["aunce"].loss(step, settings)

    job = small_job(store, tmp_path, epochs=1, precision="bf16")
    (epoch,) = fit(small_detector(), replace(job, method=contrastive(watch)))
    assert math.isfinite(epoch.loss)
    assert set(seen) == {(torch.float32, torch.float32)}
    (full,) = fit(small_detector(), small_job(store, tmp_path / "fp32", epochs=1))
    assert full.loss != epoch.loss
    assert full.loss == pytest.approx(epoch.loss, rel=0.1)


def test_the_loss_draws_from_the_generator_of_seed_and_epoch(store: FrameStore, tmp_path: Path) -> None:
    seen: list[torch.Generator] = []

    def watch(step: TrainingStep, settings: Any) -> Tensor:
        seen.append(step.generator)
        return METHODS["aunce"].loss(step, settings)

    list(fit(small_detector(), replace(small_job(store, tmp_path, epochs=2), method=contrastive(watch))))
    assert [draws.initial_seed() for draws in seen] == [
        seed_for("loss", 0, epoch) for epoch in (1, 2) for _ in range(4)
    ]
    assert torch.default_generator not in seen


def test_the_learning_rate_by_hand() -> None:
    rates = [learning_rate(progress, 2.0, 5, 1.0) for progress in (0.0, 0.25, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)]
    quarter = math.cos(math.pi / 4)
    assert rates == pytest.approx([0, 0.5, 2, 1 + quarter, 1, 1 - quarter, 0, 0])
    assert learning_rate(0.0, 2.0, 5, 0.0) == 2
    assert learning_rate(2.0, 2.0, 2, 4.0) == 1
    assert learning_rate(2.0, 2.0, 2, 2.0) == 2


def test_each_step_has_its_learning_rate(store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[float, float]] = []
    step = torch.optim.AdamW.step

    def watch(optimizer: torch.optim.AdamW, closure: None = None) -> Any:
        used.append(tuple(group["lr"] for group in optimizer.param_groups))
        return step(optimizer, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    job = small_job(store, tmp_path, lr=0.004, warmup=1.0, epochs=2)
    list(fit(small_detector(), job))
    expected = [learning_rate((n + 1) / 4, 0.004, 2, 1.0) for n in range(8)]
    assert [rate for rate, _ in used] == pytest.approx(expected)
    assert max(expected) == expected[3] == 0.004
    assert [probe for _, probe in used] == pytest.approx([rate * 1e-2 / 0.004 for rate in expected])


def test_wrong_settings_are_all_listed() -> None:
    with pytest.raises(InputError) as caught:
        OptimSettings(0, 1, -1.0, math.nan, -1.0, -1, precision="fp16", objective="accuracy")
    lines = str(caught.value).splitlines()
    assert len(lines) == 9
    assert "  - precision='fp16'; allowed: fp32, bf16" in lines
    assert "  - objective='accuracy'; allowed: f1, auc" in lines
    with pytest.raises(InputError, match="compile=True and checkpointing=True do not work together"):
        OptimSettings(compile=True, checkpointing=True)
