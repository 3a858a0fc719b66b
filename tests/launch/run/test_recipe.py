"""The recipe of the commands that train: what is left to do, and which trials are run again."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import launch.run.recipe
from data.errors import InputError
from launch.cluster.work import Work
from launch.keys.runs import RunKeys
from launch.plan.budget import Ending
from launch.plan.resources import Resources
from launch.run.recipe import finished, given_work, run_work
from launch.run.trials import GivenTrial
from model.checkpoint import save_checkpoint
from study.records.config import Placement
from study.records.predictions import write_predictions
from study.records.store import StudyStore
from tests.study.make import opened, result, trial
from tests.study.predicted import predicted

RESOURCES = Resources(2, 1, 0.0, "cpu")
GOOD, FAILED, LOST, NEW = (trial(seed=seed, score_test=True) for seed in range(4))


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    """A study with one trial that is whole, one that failed, and one whose detector is gone."""
    store = opened(tmp_path / "one")
    store.write(result(FAILED, None, status="FAILED", curve=()))
    for config in (GOOD, LOST):
        store.write(result(config))
        keep_files(store, config.key)
    store.detector_path(LOST.key).unlink()
    return store


def keep_files(store: StudyStore, name: str) -> None:
    save_checkpoint({"weight": 1.0}, store.detector_path(name))
    write_predictions(store.predictions_path(name), predicted("a", ["F1"]))


def work(store: StudyStore, keep_detector: bool = True, **keys: bool) -> Work:
    placement = Placement(store.root, store.root, keep_detector=keep_detector)
    jobs = [(config, placement) for config in (GOOD, FAILED, LOST, NEW)]
    return given_work("final", RunKeys(**keys), store, RESOURCES, jobs, lambda: 0, about="4 trials")  # type: ignore[arg-type]


def test_trials_with_a_result_are_not_run_again(store: StudyStore) -> None:
    made = work(store)
    assert (made.todo, made.again, made.wanted) == (1, (), 4)


def test_trials_that_failed_or_lost_their_files_are_run_again_when_asked_to(store: StudyStore) -> None:
    made = work(store, retry_failed=True)
    assert (made.todo, made.again, made.wanted) == (3, (FAILED.key, LOST.key), 4)


def test_trials_whose_files_are_damaged_are_run_again_when_asked_to(store: StudyStore) -> None:
    keep_files(store, LOST.key)
    assert work(store, retry_failed=True).again == (FAILED.key,)
    store.detector_path(GOOD.key).write_bytes(b"")
    store.predictions_path(LOST.key).write_bytes(store.predictions_path(GOOD.key).read_bytes())
    assert work(store, retry_failed=True).again == (GOOD.key, FAILED.key, LOST.key)


def test_what_is_left_out_is_said_with_the_results(store: StudyStore) -> None:
    (store.root / "trials" / f"{GOOD.key} (conflicted copy).json").write_bytes(b"{}")
    out = Console(file=io.StringIO(), width=200)
    assert {*finished(store, [GOOD, FAILED], out)} == {GOOD.key}
    assert "(conflicted copy).json has no name of this study" in out.file.getvalue()  # type: ignore[attr-defined]


def test_files_that_a_trial_was_not_to_keep_are_not_missed(store: StudyStore) -> None:
    assert work(store, keep_detector=False, retry_failed=True).again == (FAILED.key,)


def test_both_weights_of_a_trial_on_several_datasets_are_kept(store: StudyStore) -> None:
    config = replace(GOOD, sources=replace(GOOD.sources, stores=("a" * 64, "b" * 64)))
    placement = Placement(store.root, store.root)
    store.write(result(config))
    for kept in (config.key, f"{config.key}-last"):
        made = given_work(
            "final", RunKeys(retry_failed=True), store, RESOURCES, [(config, placement)], lambda: 0, about=""
        )
        assert made.again == (config.key,)
        assert made.frames == {"a" * 64, "b" * 64}
        keep_files(store, kept)
    made = given_work("final", RunKeys(retry_failed=True), store, RESOURCES, [(config, placement)], lambda: 0, about="")
    assert made.again == ()


def test_the_recipe_begins_says_runs_and_finishes(store: StudyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[object] = []

    def run_all(jobs: list[GivenTrial], store: StudyStore, resources: Resources) -> None:
        assert store.is_busy(), "nobody else runs trials of the study now"
        steps.append([config.key for config, _ in jobs if store.result(config.key) is None])

    monkeypatch.setattr(launch.run.recipe, "run_all", run_all)
    made, out = work(store, retry_failed=True), Console(file=io.StringIO(), width=200)

    def finish(ending: Ending | None) -> int:
        assert not store.is_busy()
        steps.append(ending)
        return 7

    assert run_work(replace(made, notes=("first this",), finish=finish), out) == 7
    assert steps == [[FAILED.key, LOST.key, NEW.key], None]
    assert isinstance(out.file, io.StringIO)
    said = out.file.getvalue().splitlines()
    assert said[:3] == ["2 trials that failed or lost their files are run again", "first this", made.headline]


def test_results_that_are_known_elsewhere_are_adopted_before_anything_runs(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    monkeypatch.setattr(launch.run.recipe, "run_all", lambda *_: steps.append("run"))
    jobs = [(NEW, Placement(store.root, store.root))]
    made = given_work(
        "regret", RunKeys(), store, RESOURCES, jobs, lambda: 0, lambda: steps.append("adopt"), about="1 trial"
    )
    assert made.run() is None
    assert steps == ["adopt", "run"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_other_settings_than_the_study_was_begun_with_start_nothing(store: StudyStore, dry_run: bool) -> None:
    spec = replace(store.spec(), epochs=store.spec().epochs + 1)
    made = replace(work(store, dry_run=dry_run), spec=spec)
    with pytest.raises(InputError, match=r"was begun with other settings(.|\n)*epochs was "):
        run_work(made, Console(quiet=True))
