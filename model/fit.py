"""The fit loop: one epoch at a time, resumable at every epoch, bit-exactly on the CPU.

All random numbers of an epoch follow from (seed, epoch), so a checkpoint needs no generator states.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.clips import clips_of
from data.errors import DamagedError
from data.folds import Fold
from data.loader import Batch, Loader
from data.pool import Frames
from data.seeds import generator, seed_for
from model.checkpoint import load_checkpoint, save_checkpoint
from model.companion import Companion
from model.detector import Detector
from model.embedding import Embed, view_embedding
from model.evaluate import coded_base_rates, label_weights, score_rows
from model.losses.bce import masked_bce
from model.losses.settings import MethodSettings
from model.methods import Method, TrainingStep
from model.metrics import Score, objective_value
from model.norm import on_domains
from model.settings import OptimSettings, ProbeSettings


@dataclass(frozen=True)
class EpochScore:
    """The result of one epoch; `score` and `value` are on the validation subjects."""

    epoch: int
    loss: float
    value: float
    score: Score
    seconds: float


@dataclass(frozen=True)
class Fitting:
    """What a fit needs besides the detector."""

    loader: Loader
    fold: Fold
    method: Method
    method_settings: MethodSettings
    optim: OptimSettings
    probe: ProbeSettings
    seed: int
    checkpoint: Path
    tell: Callable[[str], None] = print  # what a user must know
    keep_last: bool = False  # the checkpoint of a finished fit also has the weights of the last epoch, as "model"


def fit(detector: Detector, job: Fitting) -> Iterator[EpochScore]:
    """Train `detector` and yield every epoch from the first; epochs found in the checkpoint are yielded at once.

    A checkpoint is written before each epoch is yielded. When the iterator ends, the detector has the weights of
    its best epoch on the validation subjects. Raises `FloatingPointError` when the loss is not finite, and `ValueError`
    when a prediction is not.
    """
    training = _training(detector, job)
    kept: dict[str, Any] = {"model": detector, "companion": training.companion, "optimizer": training.optimizer}
    found = _resumed(job) or {"history": [], "best": detector.state_dict(), "value": -math.inf}
    state = {name: found[name] for name in ("history", "best", "value")}
    if 0 < len(state["history"]) < job.optim.epochs:  # a finished fit keeps no optimizer and needs none
        for name, part in kept.items():
            part.load_state_dict(found[name])
    for epoch in range(1, job.optim.epochs + 1):
        if epoch > len(state["history"]):
            started = time.perf_counter()
            loss = _train_epoch(training, epoch)
            score = score_rows(detector, job.loader, job.fold.val)
            value = objective_value(score, job.optim.objective)
            if value > state["value"]:
                state["value"], state["best"] = value, _clone(detector.state_dict())
            seconds = time.perf_counter() - started
            state["history"].append(_to_plain(EpochScore(epoch, loss, value, score, seconds)))
            parts = {name: kept[name].state_dict() for name in _kept_parts(epoch, job)}
            save_checkpoint(state | parts, job.checkpoint)
        # from the history even if it was just computed: a resumed fit yields exactly the same
        yield _from_plain(state["history"][epoch - 1])
    detector.load_state_dict(state["best"])


def _resumed(job: Fitting) -> dict[str, Any] | None:
    """The state in the checkpoint; None when there is none or it is damaged, which is said."""
    try:
        return load_checkpoint(job.checkpoint)
    except DamagedError as error:
        job.tell(f"{error}; its training starts anew")
        return None


def _kept_parts(epoch: int, job: Fitting) -> tuple[str, ...]:
    """Parts of the checkpoint after `epoch`: all that a resumed fit needs, after the last epoch at most the weights."""
    if epoch < job.optim.epochs:
        return ("model", "companion", "optimizer")
    return ("model",) if job.keep_last else ()


@dataclass(frozen=True)
class _Training:
    """What all steps share."""

    detector: Detector
    companion: Companion
    optimizer: torch.optim.AdamW
    embed: Embed
    job: Fitting
    rows: np.ndarray  # [n] frames or [n, T] clips to train on
    shared_views: bool
    subjects: Tensor  # [n] int64 of every row of the store, on the CPU
    base_rates: Tensor  # [A]
    au_weights: Tensor  # [A]
    pos_weight: Tensor  # [A] of the probe


def _training(detector: Detector, job: Fitting) -> _Training:
    device = next(detector.parameters()).device
    companion = job.method.companion(detector, job.method_settings, job.seed).to(device)
    labels = job.loader.store.labels(job.loader.aus)[job.fold.train]
    weights = coded_base_rates(labels), *label_weights(labels, job.probe.balance)
    optim, clip, train = job.optim, job.method.clip(job.method_settings), job.fold.train
    return _Training(
        detector,
        companion,
        _optimizer(detector, companion, job, device),
        view_embedding(detector, optim.separate_views, optim.compile, optim.checkpointing),
        job,
        clips_of(job.loader.store.table, train, clip) if clip else train,
        clip is not None and clip.shared_views,
        _subject_numbers(job.loader.store),
        *(weight.to(device) for weight in weights),
    )


def _subject_numbers(store: Frames) -> Tensor:
    names = store.subjects_of(np.arange(len(store)))
    return torch.from_numpy(np.unique(names, return_inverse=True)[1])


def _optimizer(detector: Detector, companion: Companion, job: Fitting, device: torch.device) -> torch.optim.AdamW:
    trained = [parameter for parameter in companion.parameters() if parameter.requires_grad]
    groups = [
        {"params": [*detector.encoder_parameters(), *trained], "peak": job.optim.lr},
        {"params": detector.classifier.parameters(), "peak": job.probe.online_lr},
    ]
    fused = device.type == "cuda"  # on a GPU, starting many small kernels costs more than their work
    return torch.optim.AdamW(groups, lr=job.optim.lr, weight_decay=job.optim.weight_decay, fused=fused)


def learning_rate(progress: float, peak: float, epochs: int, warmup: float) -> float:
    """Linear warm-up over `warmup` epochs, then a cosine to zero at `epochs`; `progress` in epochs."""
    if progress < warmup:
        return peak * progress / warmup
    share = (progress - warmup) / max(epochs - warmup, 1e-9)  # warm-up may fill the whole training
    return peak * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def _train_epoch(training: _Training, epoch: int) -> float:
    job, optimizer = training.job, training.optimizer
    training.detector.train()
    training.companion.train()
    torch.manual_seed(seed_for("layers", job.seed, epoch))  # DropPath and dropout have no generator argument
    draws = generator("loss", job.seed, epoch)
    frames = min(job.optim.epoch_frames or len(job.fold.train), len(job.fold.train))
    steps = job.loader.steps(training.rows, frames)
    batches = job.loader.train(training.rows, job.seed, epoch, frames, training.shared_views)
    total = torch.zeros_like(training.base_rates[0])  # on the device: reading it in each step would wait for the GPU
    for step, batch in enumerate(batches):
        progress = epoch - 1 + (step + 1) / steps
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, group["peak"], job.optim.epochs, job.optim.warmup)
        with on_domains(batch.domain, training.detector, training.companion):  # copies of the encoder have norms, too
            loss, probe_loss = _step_losses(training, batch, draws)
            optimizer.zero_grad(set_to_none=True)
            (loss + probe_loss).backward()
        optimizer.step()
        training.companion.after_step(training.detector)
        total += loss.detach()
    mean = float(total) / steps
    if not math.isfinite(mean):
        raise FloatingPointError(f"the loss became {mean} in epoch {epoch}; lower the learning rate")
    return mean


def _step_losses(training: _Training, batch: Batch, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """The loss of the method and, unless it is end-to-end, that of the probe, whose gradient ends at the embeddings."""
    job, device = training.job, batch.views.device
    with torch.autocast(device.type, torch.bfloat16, enabled=job.optim.precision == "bf16"):
        z = training.embed(batch.views)
        logits = training.detector.classifier(z if job.method.end_to_end else z.detach())
        step = TrainingStep(
            views=batch.views,
            z=z,
            logits=logits,
            labels=batch.labels,
            coded=batch.coded,
            subject=training.subjects[batch.row].to(device),
            base_rates=training.base_rates,
            au_weights=training.au_weights,
            companion=training.companion,
            generator=draws,
        )
        loss = job.method.loss(step, job.method_settings)
    if job.method.end_to_end:
        return loss, torch.zeros_like(loss)
    target, mask = batch.labels.unsqueeze(1).expand_as(logits), batch.coded.unsqueeze(1).expand_as(logits)
    return loss, masked_bce(logits, target, mask, training.pos_weight)


def _clone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}  # the optimizer changes weights in place


def _to_plain(epoch: EpochScore) -> dict[str, Any]:
    """The epoch in the types that torch.load accepts with `weights_only`, which has no dataclasses."""
    score = epoch.score
    return {
        **{name: getattr(epoch, name) for name in ("epoch", "loss", "value", "seconds")},
        "subjects": list(score.subjects),
        "aus": list(score.aus),
        "counts": torch.from_numpy(score.counts),
        "histogram": torch.from_numpy(score.histogram),
    }


def _from_plain(plain: dict[str, Any]) -> EpochScore:
    counts, histogram = (np.asarray(plain[name].numpy()) for name in ("counts", "histogram"))
    score = Score(tuple(plain["subjects"]), tuple(plain["aus"]), counts, histogram)
    return EpochScore(plain["epoch"], plain["loss"], plain["value"], score, plain["seconds"])
