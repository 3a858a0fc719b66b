"""A tiny trial of every method: it trains, and goes on after an interruption as if there had been none."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.store import FrameStore
from model.losses.settings import METHOD_SETTINGS
from study.records.config import trial_from_dict
from study.records.store import StudyStore
from study.trial.detectors import kept_detector
from study.trial.run import run_trial
from tests.data.stores import tiny_store
from tests.study.make import curve, placement, same_scores, small_trial


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("frames"), unknown=0.1)


def switched_off(epoch: int, value: float) -> None:
    raise SystemExit


@pytest.mark.parametrize(
    "method",
    [name if name in ("aunce", "bce") else pytest.param(name, marks=pytest.mark.slow) for name in METHOD_SETTINGS],
)
def test_an_interrupted_trial_comes_to_the_same(frames: FrameStore, tmp_path: Path, method: str) -> None:
    config = replace(small_trial(frames, method), score_test=True)
    whole = run_trial(config, placement(frames, tmp_path / "whole"))
    assert (whole.status, whole.error, len(whole.epochs)) == ("DONE", None, 2)
    with pytest.raises(SystemExit):
        run_trial(config, placement(frames, tmp_path / "cut"), switched_off)
    again = run_trial(config, placement(frames, tmp_path / "cut"))
    assert same_scores(again, whole)
    assert curve(again) == curve(whole)


def test_the_detector_that_is_kept_is_that_of_the_method(frames: FrameStore, tmp_path: Path) -> None:
    """With the relation graph and the cosine classifier, and nothing that was kept beside it."""
    values = small_trial(frames, "graph_supervised").to_dict()
    values["head"]["neighbours"] = 2
    done = run_trial(trial_from_dict(values | {"score_test": True}), placement(frames, tmp_path))
    assert done.error is None
    names = kept_detector(StudyStore(tmp_path), done).state_dict().keys()
    assert "head.graph.own.weight" in names
    assert "classifier.bias" not in names
    moco = run_trial(replace(small_trial(frames, "moco"), score_test=True), placement(frames, tmp_path))
    assert moco.error is None
    assert not [name for name in kept_detector(StudyStore(tmp_path), moco).state_dict() if "queue" in name]
