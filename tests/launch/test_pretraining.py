"""What a sweep with method=clp is checked for before its first trial."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from data.errors import InputError
from data.store import FrameStore, open_store
from launch.plan.datasets import prepare_store, unlabelled_stores
from launch.plan.preflight import plan_sweep, sweep_problems
from launch.run.command import compose_keys
from study.records.config import TrialConfig
from tests.conftest import TreeMaker
from tests.data.copies import copied
from tests.data.trees import video
from tests.launch.commands import SMALL, run, sweep_arguments

SHORT = [
    "method.clip.stride=1",
    "search.method.clip.frames.choice=[2,3]",
    "search.method.clip.stride.choice=[1]",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="module")
def stores(trees: TreeMaker, folder: Path) -> dict[str, FrameStore]:
    """Stores of BP4D and DISFA, one beside the other."""
    quiet, layouts = Console(quiet=True), ("bp4d", "disfa")
    asked = {name: compose_keys("sweep", sweep_arguments(trees(name), folder, name)) for name in layouts}
    return {name: prepare_store(keys, quiet) for name, keys in asked.items()}


def planned(stores: dict[str, FrameStore], folder: Path, *overrides: str, search: Sequence[str] = SHORT) -> TrialConfig:
    """The base trial of a sweep on BP4D."""
    given = [*sweep_arguments(folder, folder), "name=mine", "method=clp", *search, *overrides]
    return plan_sweep(compose_keys("sweep", given, sweep_problems), stores["bp4d"]).base


def refused(stores: dict[str, FrameStore], folder: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        planned(stores, folder, *overrides)
    return str(caught.value)


def test_stores_become_part_of_the_trials(stores: dict[str, FrameStore], folder: Path) -> None:
    assert planned(stores, folder).pretrain.stores == ()
    disfa = stores["disfa"]
    by_name, by_folder = (planned(stores, folder, f"pretrain.stores=[{name}]") for name in ("disfa", disfa.path.name))
    assert by_name == by_folder
    assert by_name.pretrain.stores == (disfa.fingerprint,)
    keys = compose_keys("sweep", sweep_arguments(folder, folder))
    found = unlabelled_stores(["disfa"], Path(keys.store_root), keys.dataset.size)
    assert [store.path for store in found] == [disfa.path]


def test_all_stores_that_are_not_there_are_named(stores: dict[str, FrameStore], folder: Path) -> None:
    said = refused(stores, folder, "pretrain.stores=[gft,disfa,nothing-32px-0]")
    assert f"must be in {folder / 'stores'}" in said
    assert "no store of gft at 32 px: launch/prepare.py dataset=gft dataset.size=32" in said
    assert "nothing-32px-0 is not a finished store" in said
    assert "disfa" not in said.replace("[gft,disfa", "")


def test_who_is_held_out_by_any_fold_is_not_pre_trained_on(stores: dict[str, FrameStore], folder: Path) -> None:
    said = refused(stores, folder, "pretrain.stores=[bp4d]")
    name = stores["bp4d"].path.name
    assert f"{name} shows 3 of the 6 people of {name}, whom fold part1 holds out, in 36 of its 72 frames: F001" in said


def test_a_copy_under_another_name_is_not_pre_trained_on(stores: dict[str, FrameStore], folder: Path) -> None:
    again = copied(stores["bp4d"], "seen", "png")
    said = refused(stores, folder, f"pretrain.stores=[disfa,{again.path.name}]")
    assert f"{again.path.name} shows 3 of the 6 people of {stores['bp4d'].path.name}, whom fold part1 holds out" in said
    assert "F001 as P0, " in said
    assert "The pictures are the same, e.g. frame " in said
    shutil.rmtree(again.path)


def test_only_clp_pre_trains(stores: dict[str, FrameStore], folder: Path) -> None:
    assert "epochs=3 is only for method=clp method.then=finetune" in refused(stores, folder, "pretrain.epochs=3")
    tuning = planned(
        stores, folder, "method.then=finetune", "pretrain.epochs=3", search=["search=clp_finetune", SHORT[0]]
    )
    assert (tuning.pretrain.epochs, tuning.value("method.then")) == (3, "finetune")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("search.method.clip.frames.choice=[2,200]", "clip.frames=200 with clip.stride=1"),
        ("search.method.clip.stride.choice=[1,300]", "clip.frames=3 with clip.stride=300"),
    ],
)
def test_clips_of_the_search_must_exist(stores: dict[str, FrameStore], folder: Path, override: str, said: str) -> None:
    assert said in refused(stores, folder, override)


def test_a_folder_of_videos_is_pre_trained_on_and_nothing_else(
    stores: dict[str, FrameStore], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, frames in (("anna/talk.avi", 6), ("ben.avi", 4)):
        video(folder / "videos" / name, frames)
    given = ["dataset=videos", f"data_root={folder / 'videos'}", f"store_root={folder / 'stores'}", *SMALL]
    assert run("prepare", *given, f"sheet={folder / 'sheet.png'}") == 0
    assert "10 frames of 2 subjects in 2 sequences, no labels\n" in capsys.readouterr().out
    assert (folder / "sheet.png").exists()
    (store,) = folder.glob("stores/videos-32px-*")
    assert planned(stores, folder, "pretrain.stores=[videos]").pretrain.stores == (open_store(store).fingerprint,)
    assert run("prepare", *given, "dataset.videos_of=bp4d") == 0
    assert open_store(store).people_of == "bp4d"
    said = refused(stores, folder, "pretrain.stores=[videos]")
    assert f"{store.name} shows 3 of the 6 people of {stores['bp4d'].path.name}, whom fold part1 holds out" in said
    assert "Both show people of bp4d" in said
    assert run("prepare", *given) == 0
    assert open_store(store).people_of == "bp4d", "once said, it stays"
    for command, more in (("sweep", [f"runs_root={folder / 'runs'}"]), ("prepare", ["doctor=true"])):
        assert run(command, *given, *more) == 2
        assert "dataset=videos has no labels: pre-train on it" in capsys.readouterr().err
