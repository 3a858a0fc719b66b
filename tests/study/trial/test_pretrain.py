"""Pre-training as a stage of a trial: what it depends on, what it reads, and that it is done once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from data.build import build_store
from data.errors import InputError
from data.folds import Fold, folds
from data.settings import StoreSettings
from data.store import FrameStore
from model import fit
from model.checkpoint import load_checkpoint
from model.methods import METHODS
from study.records.config import TrialConfig, trial_from_dict
from study.records.store import StudyStore
from study.trial import pretrain as pretrain_module
from study.trial.pretrain import finetuned, stage_of, trained_by
from study.trial.run import run_trial
from tests.data.stores import precropped, tiny_store
from tests.study.make import curve, placement, same_scores, small_trial

Trained = list[tuple[str, int]]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("frames"), unknown=0.1)


@pytest.fixture(scope="module")
def strangers(frames: FrameStore, tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Frames of another dataset, beside `frames`, whose people have the same names."""
    folder = tmp_path_factory.mktemp("strangers")
    table = tiny_store(folder, subjects=2, frames=9, seed=1).table.with_columns(dataset=pl.lit("disfa"))
    return build_store(precropped(table), folder / "raw", frames.path.parent, StoreSettings(frames.size))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Method and number of each epoch that is trained from here on."""
    seen: Trained = []
    real = fit._train_epoch
    names = {id(method): name for name, method in METHODS.items()}

    def spy(training: fit._Training, epoch: int) -> float:
        seen.append((names[id(training.job.method)], epoch))
        return real(training, epoch)

    monkeypatch.setattr(fit, "_train_epoch", spy)
    return seen


@pytest.fixture
def rows_trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, np.ndarray]]:
    """Dataset and rows of every batch that is read from a store from here on."""
    batches: list[tuple[str, np.ndarray]] = []
    real = FrameStore.read

    def spy(store: FrameStore, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        batches.append((store.table["dataset"][0], rows))
        return real(store, rows, out)

    monkeypatch.setattr(FrameStore, "read", spy)
    return batches


def tuning(frames: FrameStore, **changes: Any) -> TrialConfig:
    """Two epochs of fine-tuning after three of pre-training."""
    values = small_trial(frames, "clp").to_dict()
    values["method"]["then"] = "finetune"
    values["pretrain"]["epochs"] = 3
    for name, value in changes.items():
        group, _, key = name.rpartition("__")
        (values[group] if group else values)[key] = value
    return trial_from_dict(values)


def fold_of(frames: FrameStore, config: TrialConfig) -> Fold:
    return folds(frames.table, config.data.fold_scheme, config.data.val_share, config.data.fold_seed)[config.data.fold]


def stages(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "pretrained").glob("*.pt")}


# --- what a stage is


def test_only_clp_that_fine_tunes_has_a_stage(frames: FrameStore) -> None:
    assert finetuned(tuning(frames))
    assert not finetuned(small_trial(frames, "clp"))
    assert not finetuned(small_trial(frames, "moco"))
    assert trained_by(tuning(frames))[0] is METHODS["bce"]
    assert trained_by(small_trial(frames, "clp"))[0] is METHODS["clp"]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"optim__epochs": 7, "optim__lr": 0.5, "optim__weight_decay": 0.5, "score_test": True}, True),
        ({"probe__epochs": 9, "probe__lr": 0.5}, True),
        ({"pretrain__epochs": 4}, False),
        ({"pretrain__lr": 0.5}, False),
        ({"pretrain__weight_decay": 0.5}, False),
        ({"pretrain__stores": ["f00"]}, False),
        ({"method__margin": 0.5}, False),
        ({"head__dim": 5}, False),
        ({"views__flip": 0.0}, False),
        ({"optim__batch_size": 16}, False),
        ({"probe__online_lr": 0.5}, False),
        ({"data__fold": "random3-1"}, False),
        ({"data__label_noise": 0.5}, False),
        ({"seed": 1}, False),
    ],
    ids=str,
)
def test_a_stage_is_named_by_what_it_depends_on(frames: FrameStore, changes: dict[str, Any], same: bool) -> None:
    assert (stage_of(tuning(frames, **changes)).key == stage_of(tuning(frames)).key) == same
    assert tuning(frames, **changes).key != tuning(frames).key


def test_what_is_not_used_is_refused(frames: FrameStore) -> None:
    values = small_trial(frames, "bce").to_dict() | {"pretrain": {"epochs": 4, "stores": ["f00"]}}
    with pytest.raises(InputError, match=r"(?s)epochs=4 is only for method=clp.*stores=\('f00',\) is only for"):
        trial_from_dict(values)
    probe = small_trial(frames, "clp").to_dict()
    with pytest.raises(InputError, match=r"lr=0.5 is only for method=clp method.then=finetune"):
        trial_from_dict(probe | {"pretrain": {"lr": 0.5}})
    assert trial_from_dict(probe | {"pretrain": {"stores": ["f00"]}}).pretrain.stores == ("f00",)


# --- a trial with a stage


def test_pre_training_comes_first_and_only_fine_tuning_is_reported(
    frames: FrameStore, tmp_path: Path, trained: Trained
) -> None:
    reports: list[int] = []
    config = tuning(frames)
    done = run_trial(config, placement(frames, tmp_path), lambda epoch, value: reports.append(epoch))
    assert (done.status, done.error) == ("DONE", None)
    assert trained == [("clp", 1), ("clp", 2), ("clp", 3), ("bce", 1), ("bce", 2)]
    assert reports == [epoch.epoch for epoch in done.epochs] == [1, 2]
    assert done.environment["pretrained"] == stage_of(config).key
    assert stages(tmp_path) == {stage_of(config).key}
    kept = load_checkpoint(StudyStore(tmp_path).pretrained_path(stage_of(config).key))
    assert kept is not None
    assert kept.keys() == {"history", "best", "value"}, "what only a training needs is not kept"
    assert done.seconds > sum(epoch["seconds"] for epoch in kept["history"]) + sum(e.seconds for e in done.epochs)


def test_fine_tuning_starts_from_what_was_pre_trained(
    frames: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, begun = tuning(frames), []
    real = fit.fit

    def watch(detector: Any, job: Any) -> Iterator[Any]:
        begun.append({name: value.clone() for name, value in detector.state_dict().items()})
        return real(detector, job)

    monkeypatch.setattr(pretrain_module, "fit", watch)
    monkeypatch.setattr("study.trial.run.fit", watch)
    assert run_trial(config, placement(frames, tmp_path)).error is None
    kept = load_checkpoint(StudyStore(tmp_path).pretrained_path(stage_of(config).key))
    assert kept is not None
    untrained, pretrained = begun
    encoder = {name for name in pretrained if not name.startswith("classifier.")}
    assert all(torch.equal(pretrained[name], kept["best"][name]) for name in encoder)
    assert not torch.equal(pretrained["head.linear.weight"], untrained["head.linear.weight"])
    assert not pretrained["classifier.weight"].any(), "what the probe learned from labels is forgotten"
    assert kept["best"]["classifier.weight"].any()


def test_trials_share_a_stage(frames: FrameStore, tmp_path: Path, trained: Trained) -> None:
    run_trial(tuning(frames), placement(frames, tmp_path))
    trained.clear()
    other = run_trial(tuning(frames, optim__lr=0.02), placement(frames, tmp_path))
    assert trained == [("bce", 1), ("bce", 2)]
    alone = run_trial(tuning(frames, optim__lr=0.02), placement(frames, tmp_path / "alone"))
    assert same_scores(other, alone)
    assert len(stages(tmp_path)) == 1


def test_two_trials_at_once_pre_train_once(frames: FrameStore, tmp_path: Path, trained: Trained) -> None:
    configs = [tuning(frames, optim__lr=lr) for lr in (0.01, 0.02)]
    threads = [threading.Thread(target=run_trial, args=(c, placement(frames, tmp_path))) for c in configs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [epoch for method, epoch in trained if method == "clp"] == [1, 2, 3]
    assert [result.status for result in StudyStore(tmp_path).results()] == ["DONE"] * 2


@pytest.mark.parametrize("stopped", [3, *(pytest.param(epoch, marks=pytest.mark.slow) for epoch in (2, 4, 5))])
def test_a_stopped_trial_goes_on_to_the_same_end(
    frames: FrameStore, tmp_path: Path, stopped: int, monkeypatch: pytest.MonkeyPatch, trained: Trained
) -> None:
    """The machine goes down in the second or third epoch of the stage, or in one of fine-tuning."""
    config = tuning(frames)
    whole = run_trial(config, placement(frames, tmp_path / "whole"))
    trained.clear()
    spy = fit._train_epoch

    def dying(training: fit._Training, epoch: int) -> float:
        if len(trained) == stopped - 1:
            raise SystemExit
        return spy(training, epoch)

    with monkeypatch.context() as going_down:
        going_down.setattr(fit, "_train_epoch", dying)
        with pytest.raises(SystemExit):
            run_trial(config, placement(frames, tmp_path / "cut"))
    again = run_trial(config, placement(frames, tmp_path / "cut"))
    assert trained == [("clp", 1), ("clp", 2), ("clp", 3), ("bce", 1), ("bce", 2)], "no epoch is trained twice"
    assert same_scores(again, whole)
    assert curve(again) == curve(whole)


# --- what is learned from


@pytest.mark.parametrize("then", ["probe", "finetune"])
def test_who_is_held_out_is_never_learned_from(
    frames: FrameStore, tmp_path: Path, then: str, rows_trained: list[tuple[str, np.ndarray]]
) -> None:
    config = tuning(frames) if then == "finetune" else small_trial(frames, "clp")
    assert run_trial(config, placement(frames, tmp_path)).error is None
    fold = fold_of(frames, config)
    for _, rows in rows_trained:
        assert {*rows.tolist()} <= {*fold.train.tolist()} or {*rows.tolist()} <= {*fold.val.tolist()}


@pytest.mark.parametrize("then", ["probe", "finetune"])
def test_unlabelled_frames_are_learned_from_in_pre_training_alone(
    frames: FrameStore,
    strangers: FrameStore,
    tmp_path: Path,
    then: str,
    rows_trained: list[tuple[str, np.ndarray]],
) -> None:
    base = tuning(frames) if then == "finetune" else small_trial(frames, "clp")
    config = trial_from_dict(
        {**base.to_dict(), "pretrain": {**base.to_dict()["pretrain"], "stores": [strangers.fingerprint]}}
    )
    with_them = run_trial(config, placement(frames, tmp_path))
    assert with_them.error is None
    seen = np.concatenate([rows for dataset, rows in rows_trained if dataset == "disfa"])
    assert {*seen.tolist()} == {*range(len(strangers))}
    batches = [dataset for dataset, _ in rows_trained]
    assert set(batches[-3:]) == {"gft"}
    without = run_trial(base, placement(frames, tmp_path))
    assert config.key != base.key
    assert curve(without) != curve(with_them)
    assert same_scores(run_trial(config, placement(frames, tmp_path / "again")), with_them)


def test_unlabelled_frames_that_show_who_is_tested_fail_the_trial(
    frames: FrameStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = tiny_store(tmp_path_factory.mktemp("again"), frames=8, seed=5)
    beside = frames.path.parent / again.path.name
    beside.symlink_to(again.path)
    config = trial_from_dict({**small_trial(frames, "clp").to_dict(), "pretrain": {"stores": [again.fingerprint]}})
    failed = run_trial(config, placement(frames, tmp_path))
    assert failed.status == "FAILED"
    tested = frames.subjects_of(fold_of(frames, config).test[:1])[0]
    assert "whom fold random3-2 holds out" in str(failed.error)
    assert again.path.name in str(failed.error)
    assert tested in str(failed.error)


def test_unlabelled_frames_that_are_gone_fail_the_trial(frames: FrameStore, tmp_path: Path) -> None:
    config = trial_from_dict({**small_trial(frames, "clp").to_dict(), "pretrain": {"stores": ["f00"]}})
    assert "has no frame store f00" in str(run_trial(config, placement(frames, tmp_path)).error)


def test_sequences_without_a_clip_fail_the_trial(frames: FrameStore, tmp_path: Path) -> None:
    config = small_trial(frames, "clp")
    long = replace(config, method=replace(config.method, clip=replace(config.value("method.clip"), frames=5)))
    assert "no clip of clip.frames=5 with clip.stride=2" in str(run_trial(long, placement(frames, tmp_path)).error)
