"""What `launch/regret.py` asks for, and what it refuses before the first trial."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.store import FrameStore
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import TrialNeeds
from launch.keys.trials import RegretKeys
from launch.regret import plan_regret
from study.experiments.hyperparameter_transfer import regret_matrix
from study.records.score_files import read_scores
from study.records.store import StudyStore
from study.records.study_spec import ROBUSTNESS, StudySpec
from tests.data.stores import tiny_store
from tests.launch.commands import run
from tests.study.make import result, score, small_trial
from tests.study.specs import OTHERS, search_spec


def searched(folder: Path, name: str, frames: FrameStore, neighbours: int = 0, lr: float = 0.01) -> StudyStore:
    """A search of one finished trial on one fold of `frames`."""
    base = small_trial(frames, "bce")
    config = replace(base, head=replace(base.head, neighbours=neighbours), optim=replace(base.optim, lr=lr))
    dataset = str(frames.table["dataset"][0])
    store = StudyStore(folder / name)
    asked = search_spec(name, dataset=dataset, method="bce", trials=1, aus=(1,), searched=(), store=str(frames.path))
    store.open_study(asked, free=())
    store.write(result(config))
    return store


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regret")
    searched(folder / "runs", "a", tiny_store(folder, subjects=6, aus=(1, 12)))
    searched(folder / "runs", "b", tiny_store(folder, subjects=6, aus=(1, 2, 4), seed=1, dataset="bp4d"), neighbours=3)
    return folder / "runs"


def test_what_does_not_fit_another_dataset_is_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("regret", "studies=[a,b]", f"runs_root={runs}", "dry_run=true") == 2
    said = capsys.readouterr().err
    assert "on the dataset of a:" in said
    assert "best of b: head.neighbours=3, but gft" in said


def test_a_comparison_is_no_search(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    StudyStore(runs / "c").open_study(StudySpec("c", "bp4d", OTHERS[ROBUSTNESS]), free=())
    assert run("regret", "studies=[a,c]", f"runs_root={runs}", "dry_run=true") == 2
    assert "is a robustness study" in capsys.readouterr().err


def test_every_trial_is_placed_on_the_frames_of_its_own_target(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    stores = {"a": tiny_store(tmp_path, subjects=6, aus=(1, 12))}
    stores["b"] = tiny_store(tmp_path, subjects=6, aus=(1, 2, 4), seed=1, dataset="bp4d")
    for name, frames in stores.items():
        searched(folder, name, frames)
    one: dict[str, Any] = {"trial": TrialNeeds(cpus=1), "cluster": ClusterSettings(cpus=1), "max_concurrent": 1}
    plan = plan_regret(RegretKeys(studies=("a", "b"), runs_root=str(folder), **one))
    assert len(plan.jobs) == 2 * 3, "the two configurations are the same, so each target trains one on three folds"
    for config, placement in plan.jobs:
        frames = next(store for store in stores.values() if store.fingerprint == config.data.fingerprint)
        assert (placement.store, placement.study, placement.keep_detector) == (frames.path, folder / "regret", False)


@pytest.mark.parametrize("subjects", [1, 2])
def test_the_matrix_is_kept_and_printed(subjects: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "runs"
    for name, seed, dataset, lr in (("a", 0, "gft", 0.1), ("b", 1, "bp4d", 0.2)):
        searched(folder, name, tiny_store(tmp_path, subjects=6, aus=(1, 2, 4), seed=seed, dataset=dataset), lr=lr)
    asked = ["studies=[a,b]", f"runs_root={folder}", "trial.cpus=1", "max_concurrent=1", "seeds=2"]
    plan = plan_regret(RegretKeys(studies=("a", "b"), runs_root=str(folder), seeds=2))
    for number, (config, _) in enumerate(plan.jobs):
        people = tuple(f"{config.data.fold}-{person}" for person in range(subjects))
        done = result(config)
        plan.store.write(replace(done, scores=done.scores | {"test": score(number, people)}))
    assert run("regret", *asked) == 0
    kept = regret_matrix(read_scores(folder / "regret", "hyperparameter_transfer"))
    assert [*kept.select("source", "target").iter_rows()] == [(s, t) for t in "ab" for s in "ab"]
    assert (kept["regret_low"].null_count() == 0) == (subjects > 1)
    said = capsys.readouterr().out
    for row in kept.filter(pl.col("source") != pl.col("target")).iter_rows(named=True):
        assert f"{100 * row['f1']:.1f} ({100 * row['regret']:+.1f}" in said
