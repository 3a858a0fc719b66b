"""From a raw tree, or without one, to an open store."""

import io
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from data.catalog import CATALOG, options_of
from data.errors import InputError
from data.parallel import cores
from data.store import FrameStore
from data.synthetic import write_tree
from launch.plan.datasets import align_settings, dataset_problems, fold_scheme, prepare_store, processes, progress_bar
from launch.plan.preflight import store_folds
from launch.run.command import compose_keys
from tests.conftest import TreeMaker
from tests.launch.commands import SMALL, run

LAYOUTS = ("bp4d", "disfa", "gft", "affwild2")
TINY_TREE = ("dataset.tree.subjects=6", "dataset.tree.sequences=1", "dataset.tree.frames=4")


def prepared(*overrides: str) -> FrameStore:
    return prepare_store(compose_keys("prepare", [*SMALL, *overrides]), Console(quiet=True))


def stamps(folder: Path) -> dict[str, int]:
    """When every file below `folder` was last written."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_prepared_once(
    layout: str, trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"dataset={layout}", f"data_root={trees(layout)}", f"store_root={tmp_path}", *SMALL]
    assert run("prepare", *arguments) == 0
    said, before = capsys.readouterr().out, stamps(tmp_path)
    store = prepared(f"dataset={layout}", f"data_root={trees(layout)}", f"store_root={tmp_path}")
    assert store.read(np.arange(2)).shape == (2, 32, 32, 3)
    assert len(store) > 20
    assert store.settings.codec == ("jpeg" if layout == "affwild2" else "raw")
    subjects = store.table["subject"].n_unique()
    assert f"{len(store)} frames of {subjects} subjects in " in said
    assert f"AUs {list(CATALOG[layout].aus)}" in said
    assert f"frame store: {store.path}\n" in said

    assert run("prepare", *arguments) == 0
    assert stamps(tmp_path) == before
    assert "storing" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["bp4", "videos", "BP4D"])
def test_videos_of_a_dataset_that_nobody_knows(name: str) -> None:
    with pytest.raises(InputError, match=rf"dataset\.videos_of='{name}'; allowed: affwild2, bp4d, bp4d\+, disfa"):
        compose_keys("prepare", [*SMALL, "dataset=videos", f"dataset.videos_of={name}"], dataset_problems)


def test_one_person_under_two_names_is_said_and_no_fold_parts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "gft"
    write_tree("gft", root, subjects=3, sequences=1, frames=8)
    first, second = sorted(path.name for path in (root / "images").iterdir())[:2]
    for picture in (root / "images" / first).iterdir():
        shutil.copy(picture, root / "images" / second / picture.name)
    given = [*SMALL, "dataset=gft", f"data_root={root}", f"store_root={tmp_path}", "dataset.fold_scheme=random3"]
    assert run("prepare", *given) == 0
    said = capsys.readouterr().out
    assert "note: one person under two names? " in said
    assert f"frames of {second} (" in said
    assert run("prepare", *given, "doctor=true") == 1
    assert "is this one person?" in " ".join(capsys.readouterr().out.split())
    keys = compose_keys("sweep", [*given, f"runs_root={tmp_path / 'runs'}"])
    with pytest.raises(InputError, match="one person under two names, who would be trained on and tested on"):
        store_folds(keys, prepared(*given[len(SMALL) :]))


def test_another_size_is_another_store(trees: TreeMaker, tmp_path: Path) -> None:
    arguments = ["dataset=bp4d", f"data_root={trees('bp4d')}", f"store_root={tmp_path}"]
    small, large = prepared(*arguments), prepared(*arguments, "dataset.size=40")
    assert (small.size, large.size) == (32, 40)
    assert small.path != large.path


def test_the_options_of_a_reader_reach_it(trees: TreeMaker, tmp_path: Path) -> None:
    arguments = ["dataset=disfa", f"data_root={trees('disfa')}", f"store_root={tmp_path}"]
    lax, strict = prepared(*arguments, "dataset.options.threshold=1"), prepared(*arguments)
    assert (strict.labels((12,)) == 1).sum() < (lax.labels((12,)) == 1).sum()


def test_changed_raw_frames_do_not_pass_for_the_stored_ones(copied_tree: TreeMaker, tmp_path: Path) -> None:
    tree = copied_tree("bp4d")
    arguments = ["dataset=bp4d", f"data_root={tree}", f"store_root={tmp_path / 'stores'}"]
    prepared(*arguments)
    one, other, *_ = sorted(tree.rglob("*.jpg"))
    one.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match=rf"(?s)rebuild=true.*{one.name}"):
        prepared(*arguments)


def test_a_damaged_store_is_replaced_by_rebuild(
    copied_tree: TreeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, stores = copied_tree("bp4d"), tmp_path / "stores"
    arguments = ["dataset=bp4d", f"data_root={tree}", f"store_root={stores}"]
    store = prepared(*arguments)
    expected = store.read(np.arange(len(store)))
    (store.path / "table.parquet").write_bytes(b"half a table")
    with pytest.raises(InputError, match=r"is damaged .*launch/prepare.py with the same keys and rebuild=true"):
        prepared(*arguments)
    left = stores / f".{store.path.name}.old" / "shards"  # by a rebuild that was killed
    left.mkdir(parents=True)
    assert run("prepare", *SMALL, *arguments, "rebuild=true") == 0
    np.testing.assert_array_equal(prepared(*arguments).read(np.arange(len(store))), expected)
    assert [path.name for path in stores.iterdir() if not path.name.startswith(".")] == [store.path.name]
    assert not list(stores.glob(".*.old"))
    monkeypatch.setenv("AU_DATA", str(tmp_path / "nowhere"))
    capsys.readouterr()
    assert run("prepare", *SMALL, "dataset=bp4d", f"store_root={stores}", "rebuild=true") == 2
    assert (
        f"rebuild=true needs the raw tree; there is none at {tmp_path / 'nowhere' / 'bp4d'}" in capsys.readouterr().err
    )


def test_frames_that_are_left_out_are_counted_by_reason(trees: TreeMaker, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    keys = ["dataset=affwild2", f"data_root={trees('affwild2')}", f"store_root={tmp_path}", *SMALL]
    for _ in range(2):  # as it is built, and as it is found
        store = prepare_store(compose_keys("prepare", keys), console)
        told = console.file.getvalue()  # type: ignore[attr-defined]
        assert store.excluded["reason"].unique().to_list() == ["no crop"]
        assert f"left out: {store.excluded.height} frames (no crop)\n" in told
        assert "note: the labels are those of " in told
        console.file = io.StringIO()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose pictures show more than the face, with landmarks."""
    out = tmp_path_factory.mktemp("scenes") / "bp4d"
    write_tree("bp4d", out, subjects=3, sequences=1, frames=4, size=64, scene=True)
    return out


def test_bp4d_is_cropped_by_its_landmarks(scenes: Path, tmp_path: Path) -> None:
    arguments = ["dataset=bp4d", f"data_root={scenes}", f"store_root={tmp_path}"]
    cropped = prepared(*arguments)
    keys = compose_keys("prepare", [*arguments, "dataset.size=32", "dataset.crop=24"])
    aligned = prepare_store(keys, Console(quiet=True))
    wider = prepare_store(replace(keys, dataset=replace(keys.dataset, margin=0.3)), Console(quiet=True))
    assert aligned.alignment.startswith("landmarks-")
    assert cropped.alignment.startswith("precropped-")
    assert len({store.path for store in (cropped, aligned, wider)}) == 3
    rows = np.arange(min(len(aligned), len(wider)))
    assert not np.array_equal(aligned.read(rows), wider.read(rows))


def test_several_processes_store_the_same(trees: TreeMaker, tmp_path: Path) -> None:
    arguments = ["dataset=gft", f"data_root={trees('gft')}"]
    one = prepared(*arguments, f"store_root={tmp_path / 'one'}", "processes=1")
    two = prepared(*arguments, f"store_root={tmp_path / 'two'}", "processes=2")
    assert one.fingerprint == two.fingerprint
    assert np.array_equal(one.read(np.arange(len(one))), two.read(np.arange(len(two))))


@pytest.mark.parametrize(("given", "meant"), [(0, cores()), (1, 1), (3, 3)])
def test_no_number_of_processes_is_all_cores(given: int, meant: int) -> None:
    assert processes(compose_keys("prepare", [f"processes={given}"]).processes) == meant


@pytest.mark.parametrize(
    ("layout", "alignment"),
    [("bp4d", "landmarks"), ("disfa", "landmarks"), ("gft", "haar"), ("affwild2", "precropped")],
)
def test_raw_frames_are_aligned_unless_told_otherwise(layout: str, alignment: str) -> None:
    assert align_settings(compose_keys("prepare", [f"dataset={layout}"]).dataset).name == alignment


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_yaml_files_show_every_option_with_its_default(layout: str) -> None:
    given = compose_keys("prepare", [f"dataset={layout}"]).dataset.options
    defaults = options_of(CATALOG[layout])
    assert given == {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}


def test_without_the_tree_the_store_is_found(
    copied_tree: TreeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, stores = copied_tree("bp4d"), tmp_path / "stores"
    monkeypatch.setenv("AU_DATA", str(tree.parent))
    built = prepared("dataset=bp4d", f"store_root={stores}")
    tree.rename(tmp_path / "gone")
    before = stamps(stores)
    assert prepared("dataset=bp4d", f"store_root={stores}").fingerprint == built.fingerprint
    assert stamps(stores) == before
    with pytest.raises(InputError, match=r"no store of bp4d at 40 px"):
        prepared("dataset=bp4d", f"store_root={stores}", "dataset.size=40")
    with pytest.raises(InputError, match=r"is not a folder"):
        prepared("dataset=bp4d", f"store_root={stores}", f"data_root={tree}")


def test_au_data_is_the_folder_that_holds_the_datasets(
    trees: TreeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AU_DATA", str(tmp_path))
    (tmp_path / "gft").symlink_to(trees("gft"))
    built = prepared("dataset=gft", f"store_root={tmp_path / 'stores'}")
    given = prepared("dataset=gft", f"store_root={tmp_path / 'others'}", f"data_root={trees('gft')}")
    assert built.fingerprint == given.fingerprint


def test_a_tree_that_cannot_be_divided_is_not_stored(trees: TreeMaker, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="random7"):
        prepared(
            "dataset=bp4d",
            f"data_root={trees('bp4d')}",
            f"store_root={tmp_path / 'stores'}",
            "dataset.fold_scheme=random7",
        )
    assert not [*tmp_path.rglob("*.bin")]


def test_the_synthetic_tree_is_drawn_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["dataset=synthetic", f"store_root={tmp_path}", *TINY_TREE, *SMALL]
    assert run("prepare", *arguments) == 0
    first, before = capsys.readouterr().out, stamps(tmp_path)
    assert "drawing faces" in first
    assert "24 frames of 6 subjects in 6 sequences" in first
    assert len([*(tmp_path / "raw").iterdir()]) == 1
    assert run("prepare", *arguments) == 0
    assert stamps(tmp_path) == before
    assert "drawing faces" not in capsys.readouterr().out
    assert run("prepare", *arguments, "dataset.tree.seed=1") == 0
    assert len([path for path in (tmp_path / "raw").iterdir() if path.is_dir()]) == 2


def test_a_given_tree_is_read_instead_of_drawing_one(trees: TreeMaker, tmp_path: Path) -> None:
    store = prepared("dataset=synthetic", f"data_root={trees('bp4d')}", f"store_root={tmp_path}")
    assert store.table["dataset"].unique().to_list() == ["synthetic"]
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_published_division_unless_another_is_asked_for(layout: str) -> None:
    keys = compose_keys("prepare", [f"dataset={layout}"])
    assert fold_scheme(keys.dataset) == CATALOG[layout].fold_scheme
    keys = compose_keys("prepare", [f"dataset={layout}", "dataset.fold_scheme=random3"])
    assert fold_scheme(keys.dataset) == "random3"
    keys = compose_keys("prepare", [f"dataset={layout}", "dataset.fold_scheme=random3@1"])
    with pytest.raises(InputError, match=r"random3@1 is made by launch/final.py partitions="):
        fold_scheme(keys.dataset)


def test_a_progress_bar_shows_only_what_is_done() -> None:
    console = Console(file=io.StringIO(), width=80)
    with progress_bar(console, "nothing to do"):
        pass
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
    with progress_bar(console, "something to do") as report:
        for done in range(1, 4):
            report(done, 3)
    assert "something to do" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "3/3" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_progress_bar_ends_with_its_step() -> None:
    before = {*threading.enumerate()}

    def fail() -> None:
        with progress_bar(Console(file=io.StringIO(), force_terminal=True, width=80), "text") as report:
            report(1, 3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    for thread in {*threading.enumerate()} - before:
        thread.join(20)  # rich only tells its thread to end
        assert not thread.is_alive()
