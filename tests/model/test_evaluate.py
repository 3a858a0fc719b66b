import math

import numpy as np
import pytest
import torch

from data.errors import InputError
from data.seeds import generator
from data.store import FrameStore
from data.views import centre_views
from model.detector import Detector
from model.evaluate import embed_rows, label_weights, linear_evaluation, predict, score_rows
from model.metrics import always_positive_f1, f1, objective_value, score_predictions
from model.settings import ProbeSettings
from tests.data.stores import tiny_fold, tiny_loader
from tests.model.small import AUS, CROP, equal, small_detector, state_of


@pytest.fixture
def detector(store: FrameStore) -> Detector:
    """A detector in training mode with BatchNorm statistics of the store and random classifier weights."""
    made = small_detector(dim=32)
    for _ in range(30):
        made.embed(centre_views(torch.from_numpy(store.read(np.arange(32))), CROP))
    torch.nn.init.normal_(made.classifier.weight, generator=generator("w"))
    return made


def evaluate(detector: Detector, store: FrameStore, seed: int = 0, objective: str = "f1", **probe: float) -> float:
    fold = tiny_fold(store)
    settings = ProbeSettings(**{"batch_size": 16} | probe)  # type: ignore[arg-type]
    score = linear_evaluation(detector, tiny_loader(store), fold.train, fold.val, settings, objective, seed)
    return objective_value(score, objective)


def test_label_weights_by_hand() -> None:
    """AU 1: 1 of 4 active; AU 2: 1 of 2 coded; AU 3: never active; AU 4: always; AU 5: not coded."""
    labels = np.array([[1, 1, 0, 1, -1], [0, 0, 0, 1, -1], [0, -1, 0, 1, -1], [0, -1, 0, 1, -1]])
    au_weights, pos_weight = label_weights(labels, 1.0)
    inverse = torch.tensor([4.0, 2.0, 4.0, 1.0, 1.0])
    torch.testing.assert_close(au_weights, inverse / 2.4)
    torch.testing.assert_close(pos_weight, torch.tensor([3.0, 1.0, 3.0, 0.25, 1.0]))
    torch.testing.assert_close(label_weights(labels, 0.5)[1], pos_weight.sqrt())
    assert label_weights(labels, 0.0)[1].tolist() == [1] * 5
    assert au_weights.dtype == pos_weight.dtype == torch.float32
    assert float(au_weights.mean()) == pytest.approx(1)


def test_predictions_are_those_of_the_rows(detector: Detector, store: FrameStore) -> None:
    rows = np.array([9, 60, 2, 3, 4, 33, 34, 35, 36, 0])
    before = state_of(detector)
    probabilities = predict(detector, tiny_loader(store), rows)
    assert equal(before, state_of(detector))
    assert not detector.training
    with torch.no_grad():
        logits = detector(centre_views(torch.from_numpy(store.read(rows)), CROP))
    np.testing.assert_allclose(probabilities, logits.sigmoid().numpy(), atol=1e-6)
    score = score_rows(detector, tiny_loader(store), rows)
    expected = score_predictions(probabilities, store.labels(AUS)[rows], store.subjects_of(rows), AUS)
    np.testing.assert_array_equal(score.counts, expected.counts)
    np.testing.assert_array_equal(score.histogram, expected.histogram)


def test_embeddings_belong_to_their_labels(detector: Detector, store: FrameStore) -> None:
    rows = np.array([60, 2, 33, 5, 6, 7, 8, 9, 1])
    z, labels, coded = embed_rows(detector, tiny_loader(store), rows)
    assert not z.requires_grad
    with torch.no_grad():
        expected = detector.embed(centre_views(torch.from_numpy(store.read(rows)), CROP))
    torch.testing.assert_close(z, expected)
    truth = store.labels(AUS)[rows]
    np.testing.assert_array_equal(torch.where(coded, labels, -1).numpy(), truth)


def test_linear_evaluation_only_reads_the_encoder(detector: Detector, store: FrameStore) -> None:
    before = state_of(detector)
    assert detector.training
    evaluate(detector, store, epochs=3)
    after = state_of(detector)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert not any(module.training for module in detector.modules())
    assert all(parameter.grad is None for parameter in detector.encoder_parameters())


def test_linear_evaluation_learns(detector: Detector, store: FrameStore) -> None:
    """Each AU is a colour: even untrained features show it, also for subjects outside the training set."""
    assert evaluate(detector, store, objective="auc") > 0.9
    tested = score_rows(detector, tiny_loader(store), tiny_fold(store).test).counts.sum(axis=0)
    assert (f1(tested) > always_positive_f1(tested) + 0.1).all()


def test_linear_evaluation_keeps_the_best_epoch(
    detector: Detector, store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.2, 0.9, 0.9, 0.5, 0.1])
    monkeypatch.setattr("model.evaluate.objective_value", lambda score, objective: next(values))
    fold = tiny_fold(store)
    arguments = tiny_loader(store), fold.train, fold.val
    linear_evaluation(detector, *arguments, ProbeSettings(epochs=5, batch_size=16), "f1", 0)
    best = state_of(detector.classifier)
    values = iter([0.2, 0.9])
    linear_evaluation(detector, *arguments, ProbeSettings(epochs=2, batch_size=16), "f1", 0)
    assert equal(best, state_of(detector.classifier))
    values = iter([0.2])
    linear_evaluation(detector, *arguments, ProbeSettings(epochs=1, batch_size=16), "f1", 0)
    assert not equal(best, state_of(detector.classifier))


def test_linear_evaluation_repeats(detector: Detector, store: FrameStore) -> None:
    states = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)
        evaluate(detector, store, seed, epochs=2)
        states.append(state_of(detector.classifier))
    assert equal(states[0], states[1])
    assert not equal(states[0], states[2])


def test_linear_evaluation_can_take_fewer_frames(
    detector: Detector, store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    read = FrameStore.read

    def watch(store: FrameStore, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        asked.append(rows.tolist())
        return read(store, rows, out)

    monkeypatch.setattr(FrameStore, "read", watch)
    evaluate(detector, store, epochs=1, frames=7)
    assert len(set(asked[0])) == len(asked[0]) == 7
    assert set(asked[0]) <= set(tiny_fold(store).train.tolist())
    assert not {row for rows in asked for row in rows} & set(tiny_fold(store).test.tolist())


def test_wrong_settings_are_all_listed() -> None:
    with pytest.raises(InputError) as caught:
        ProbeSettings(online_lr=-1, lr=0, weight_decay=math.nan, epochs=0, batch_size=0, frames=0, balance=2)
    for name in ("online_lr=-1", "lr=0", "weight_decay=nan", "epochs=0", "batch_size=0", "frames=0", "balance=2"):
        assert f"  - {name} lies outside" in str(caught.value)
