"""Scoring a detector, and the linear evaluation of its frozen encoder."""

import copy

import numpy as np
import torch
from torch import Tensor

from data.loader import Loader
from data.seeds import generator, numpy_generator
from model.detector import AuClassifier, Detector
from model.losses.bce import masked_bce
from model.metrics import Score, objective_value, score_predictions
from model.settings import ProbeSettings


def label_weights(labels: np.ndarray, balance: float) -> tuple[Tensor, Tensor]:
    """Class weights from labels [n, A] (1, 0, -1 not coded): inverse base rates [A] of mean 1, and pos_weight [A].

    An AU without active labels is treated as if it had one.
    """
    active = np.maximum((labels == 1).sum(axis=0), 1)
    coded = np.maximum((labels >= 0).sum(axis=0), active)
    inverse = coded / active
    pos_weight = (np.maximum(coded - active, 1) / active) ** balance
    return torch.tensor(inverse / inverse.mean(), dtype=torch.float32), torch.tensor(pos_weight, dtype=torch.float32)


def coded_base_rates(labels: np.ndarray) -> Tensor:
    """Share [A] of active among coded labels [n, A], as if every AU had at least one active and one inactive label."""
    active, inactive = (np.maximum((labels == value).sum(axis=0), 1) for value in (1, 0))
    return torch.tensor(active / (active + inactive), dtype=torch.float32)


@torch.no_grad()
def predict(detector: Detector, loader: Loader, rows: np.ndarray) -> np.ndarray:
    """Probabilities [n, A] of `rows`, in evaluation mode."""
    detector.eval()
    return np.concatenate([_probabilities(detector(batch.views[:, 0], batch.domain)) for batch in loader.score(rows)])


def score_rows(detector: Detector, loader: Loader, rows: np.ndarray) -> Score:
    """Counts of the detector on `rows` at threshold 0.5."""
    return _score(predict(detector, loader, rows), loader, rows)


@torch.no_grad()
def embed_rows(detector: Detector, loader: Loader, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings [n, A, D], labels [n, A] and coded [n, A] of `rows`; the encoder is in evaluation mode."""
    detector.eval()
    parts = [(detector.embed(b.views[:, 0], b.domain), b.labels, b.coded) for b in loader.score(rows)]
    z, labels, coded = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return z, labels, coded


def linear_evaluation(
    detector: Detector,
    loader: Loader,
    train: np.ndarray,
    val: np.ndarray,
    settings: ProbeSettings,
    objective: str,
    seed: int,
) -> Score:
    """Train a new classifier on embeddings of `train`; the detector gets the one of the best epoch on `val`.

    The encoder is frozen: evaluation mode, no gradient, no BatchNorm update. Returns the score on `val`.
    """
    rows = np.sort(train[loader.order(train, numpy_generator("probe frames", seed))[: settings.frames]])
    z, labels, coded = embed_rows(detector, loader, rows)
    val_z = embed_rows(detector, loader, val)[0]
    pos_weight = label_weights(loader.store.labels(loader.aus)[rows], settings.balance)[1].to(z.device)
    classifier = AuClassifier(len(loader.aus), z.shape[2]).to(z.device)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    order, best = generator("probe", seed), (-1.0, classifier.state_dict())  # below any score, which is 0 or more
    for _ in range(settings.epochs):
        for part in torch.randperm(len(z), generator=order).to(z.device).split(settings.batch_size):
            optimizer.zero_grad()
            masked_bce(classifier(z[part]), labels[part], coded[part], pos_weight).backward()
            optimizer.step()
        value = objective_value(_score(_probabilities(classifier(val_z)), loader, val), objective)
        if value > best[0]:
            best = (value, copy.deepcopy(classifier.state_dict()))
    detector.classifier.load_state_dict(best[1])
    return score_rows(detector, loader, val)


def _probabilities(logits: Tensor) -> np.ndarray:
    return logits.detach().float().sigmoid().cpu().numpy()


def _score(probabilities: np.ndarray, loader: Loader, rows: np.ndarray) -> Score:
    subjects = loader.store.subjects_of(rows)
    return score_predictions(probabilities, loader.store.labels(loader.aus)[rows], subjects, loader.aus)
