"""What is checked before the first trial."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from data.errors import InputError
from data.store import FrameStore
from launch.keys.cluster import ClusterSettings
from launch.keys.trials import SweepKeys
from launch.plan.datasets import prepare_store
from launch.plan.preflight import plan_sweep, searched_trial, store_folds, study_store, sweep_problems
from launch.plan.resources import Resources
from launch.run.command import compose_keys
from model.backbone import Tiny
from study.records.config import trial_from_dict
from study.records.store import StudyStore
from tests.conftest import TreeMaker
from tests.launch.commands import sweep_arguments
from tests.study.make import result
from tests.study.specs import search_spec


@pytest.mark.parametrize("name", ["bp4d-aunce", "a b", "x.y", "ü"])
def test_a_name_is_one_folder(name: str, tmp_path: Path) -> None:
    assert study_store(str(tmp_path), name).root == tmp_path / name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a/", ".hidden", "../a"])
def test_a_name_that_is_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder below runs_root"):
        study_store(str(tmp_path), name)


def sweep_keys(tmp_path: Path, *overrides: str) -> SweepKeys:
    given = [f"runs_root={tmp_path / 'runs'}", "name=a", *overrides]
    keys: SweepKeys = compose_keys("sweep", given, sweep_problems)
    return keys


def problems(tmp_path: Path, *overrides: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        sweep_keys(tmp_path, *overrides)
    return str(caught.value).splitlines()[1:]


@pytest.mark.parametrize(
    "override",
    ["trials=0", "epochs=-1", "pruning.grace=0", "pruning.reduction=1", "trial.gpus=99", "weights=absent.pt"],
)
def test_one_mistake_is_named_once(override: str, tmp_path: Path) -> None:
    sweep_keys(tmp_path)
    lines = problems(tmp_path, override)
    assert sum(override in line for line in lines) == 1


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    several = ["trials=0", "pruning.reduction=0", "max_concurrent=-2", "search.optim.lr.log_uniform=[0,1]"]
    lines = problems(tmp_path, *several, "dataset.size=40", "name=../a")
    for words in ("trials=0", "reduction=0", "max_concurrent=-2", "optim.lr", "dataset.crop=64", "name='../a'"):
        assert sum(words in line for line in lines) == 1, words


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        (["dataset=bp4d"], "trials=2: each of the 3 folds needs one trial or more, so give at least trials=3"),
        (["dataset=bp4d", "dataset.fold_scheme=random5"], "at least trials=5, or search one of them: fold=random5-1"),
    ],
)
def test_fewer_trials_than_folds_are_refused_before_any_frame_is_read(
    folds: list[str], said: str, tmp_path: Path
) -> None:
    [line] = problems(tmp_path, "trials=2", *folds)
    assert said in line
    sweep_keys(tmp_path, "trials=2", *folds, "fold=part2")
    sweep_keys(tmp_path, "trials=5", *folds)


def weights_of(tmp_path: Path, given: object) -> str:
    return searched_trial(sweep_keys(tmp_path, f"weights={given}"), "", "").backbone.weights


def test_a_weights_file_counts_by_its_content(tmp_path: Path) -> None:
    one, copy, other = tmp_path / "one.pt", tmp_path / "elsewhere.pth", tmp_path / "other.pt"
    one.write_bytes(b"weights")
    copy.write_bytes(b"weights")
    other.write_bytes(b"Weights")
    assert weights_of(tmp_path, one) == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
    assert weights_of(tmp_path, one) == weights_of(tmp_path, copy) != weights_of(tmp_path, other)


def test_a_weight_name_is_kept_and_none_is_none(tmp_path: Path) -> None:
    assert weights_of(tmp_path, "IMAGENET1K_V1") == "IMAGENET1K_V1"
    assert weights_of(tmp_path, "") == ""


@pytest.mark.parametrize("name", ["absent.pt", "absent.pth"])
def test_a_weights_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        weights_of(tmp_path, tmp_path / name)


@pytest.fixture(scope="module")
def frames(trees: TreeMaker, tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    keys = compose_keys("sweep", sweep_arguments(trees("bp4d"), tmp_path_factory.mktemp("plan")))
    return prepare_store(keys, Console(quiet=True))


@pytest.fixture
def arguments(trees: TreeMaker, tmp_path: Path) -> list[str]:
    return [*sweep_arguments(trees("bp4d"), tmp_path), "name=mine", "cluster.cpus=2", "max_concurrent=2"]


def test_a_plan_says_what_runs_where(frames: FrameStore, arguments: list[str], tmp_path: Path, machine: Any) -> None:
    machine(4, 0)
    plan = plan_sweep(compose_keys("sweep", [*arguments, "seed=7", "val_share=0.3"]), frames)
    assert plan.store.root == tmp_path / "runs/mine"
    assert not plan.store.exists()
    assert plan.base.data == dataclasses.replace(
        plan.base.data, dataset="bp4d", fingerprint=frames.fingerprint, fold="part1", fold_seed=7, val_share=0.3
    )
    assert (plan.base.seed, plan.base.score_test, plan.base.data.fold_scheme) == (7, False, "parts")
    assert plan.placement.store == frames.path
    assert plan.placement.study == plan.store.root
    assert (plan.placement.device, plan.placement.threads, plan.placement.weights_file) == ("cpu", 1, None)
    assert plan.resources == Resources(2, 1, 0.0, "cpu", ClusterSettings(cpus=2))
    assert plan.space.settings_names[0] == "method.temperature"


def test_the_fold_can_be_chosen_and_the_division_too(frames: FrameStore, arguments: list[str]) -> None:
    assert plan_sweep(compose_keys("sweep", [*arguments, "fold=part3"]), frames).base.data.fold == "part3"
    keys = compose_keys("sweep", [*arguments, "dataset.fold_scheme=random2"])
    assert {*store_folds(keys, frames)} == {"random2-1", "random2-2"}
    assert plan_sweep(keys, frames).base.data.fold == "random2-1"
    with pytest.raises(InputError, match="trials=1: each of the 2 folds needs one trial or more"):
        plan_sweep(dataclasses.replace(keys, trials=1), frames)
    with pytest.raises(InputError, match=r"fold='part9'; allowed: all, part1, part2, part3"):
        plan_sweep(compose_keys("sweep", [*arguments, "fold=part9"]), frames)


def test_weights_are_loaded_once_before_any_trial(frames: FrameStore, arguments: list[str], tmp_path: Path) -> None:
    good, bad, renamed = tmp_path / "good.pt", tmp_path / "bad.pt", tmp_path / "good.bin"
    torch.save(Tiny().state_dict(), good)
    torch.save({"other": torch.zeros(1)}, bad)
    good_bytes = good.read_bytes()
    renamed.write_bytes(good_bytes)
    plan = plan_sweep(compose_keys("sweep", [*arguments, f"weights={good}"]), frames)
    assert plan.placement.weights_file == good.resolve()
    assert plan.base.backbone.weights == f"sha256:{hashlib.sha256(good_bytes).hexdigest()}"
    for wrong, said in ((bad, "state dict"), (renamed, "weights")):
        with pytest.raises(InputError, match=said):
            plan_sweep(compose_keys("sweep", [*arguments, f"weights={wrong}"]), frames)


def test_what_a_trial_does_not_depend_on_is_not_in_its_name(frames: FrameStore, arguments: list[str]) -> None:
    def key(*overrides: str) -> str:
        return plan_sweep(compose_keys("sweep", [*arguments, *overrides]), frames).base.key

    assert key("max_concurrent=1", "trials=99", "name=other", "runs_root=elsewhere") == key()
    assert len({key(), key("seed=1"), key("method=bce"), key("fold=part2"), key("head.dim=5")}) == 5


@pytest.mark.parametrize(
    ("dataset", "folds", "fold", "refused"),
    [
        ("disfa", ["part1", "part2"], "all", False),
        ("bp4d", ["part1"], "part1", False),
        ("bp4d", ["part1"], "all", True),
        ("bp4d", ["part1", "part2", "part3"], "all", True),
        ("bp4d", ["part2"], "part1", True),
    ],
)
def test_a_warm_start_lets_no_fold_learn_from_whom_it_tests(
    trees: TreeMaker, tmp_path: Path, dataset: str, folds: list[str], fold: str, refused: bool
) -> None:
    studied = prepare_store(
        compose_keys("sweep", sweep_arguments(trees(dataset), tmp_path, dataset)), Console(quiet=True)
    )
    other = StudyStore(tmp_path / "runs" / "other")
    other.open_study(search_spec(dataset=dataset, folds=tuple(folds), store=str(studied.path)), free=())
    other.write(result(trial_from_dict({"optim": {"lr": 0.004}})))
    given = [*sweep_arguments(trees("bp4d"), tmp_path), f"fold={fold}", "warm_start=other"]
    keys = compose_keys("sweep", [*given, "name=x"])
    frames = prepare_store(keys, Console(quiet=True))
    if refused:
        with pytest.raises(
            InputError, match="warm_start=other was chosen with people whom this study tests on"
        ) as caught:
            plan_sweep(keys, frames)
        assert f"  - other: {studied.path.name} shows " in str(caught.value)
    else:
        assert plan_sweep(keys, frames).search.points
