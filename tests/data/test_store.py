import json
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from data import store as store_module
from data.align import VERSIONS, align
from data.catalog import read_table
from data.errors import InputError
from data.frames import frame_table, load_table
from data.media import iter_video, read_image
from data.store import CHUNK, FRAMES, STORE, TABLE, build_store, find_store, fingerprint, open_store, store_path
from data.synthetic import LAYOUTS, write_tree
from tests.data.trees import image_table, label_table, picture, video

FRAMES_PER_SUBJECT = 70  # three subjects, four chunks, the last one short
SIZE = 12
SPAWN = multiprocessing.get_context("spawn")


class Tree(NamedTuple):
    table: pl.DataFrame
    root: Path
    folder: Path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    table = image_table(tmp_path / "raw", ["F001", "F003", "F004"], FRAMES_PER_SUBJECT)
    return Tree(table, tmp_path / "raw", tmp_path / "stores")


def build(tree: Tree) -> store_module.FrameStore:
    return build_store(*tree, size=SIZE)


def expected(tree: Tree) -> np.ndarray:
    return np.stack([align(read_image(tree.root / path), SIZE, "precropped") for path in tree.table["path"]])


def bare(tree: Tree) -> list[str]:
    """Names in the folder of stores that are not hidden."""
    return sorted(path.name for path in tree.folder.iterdir() if not path.name.startswith("."))


def test_a_store_holds_the_aligned_frames(tree: Tree) -> None:
    store = build(tree)
    assert len(store) == 210
    np.testing.assert_array_equal(store.frames, expected(tree))
    assert not store.frames.flags.writeable
    assert store.table.equals(tree.table)
    assert store.subjects[[0, 69, 70, 209]].tolist() == ["F001", "F001", "F003", "F004"]
    assert sorted(path.name for path in store.path.iterdir()) == [FRAMES, STORE, TABLE]
    store.verify()


def test_read_gives_rows_in_the_order_asked_for(tree: Tree) -> None:
    store, whole = build(tree), expected(tree)
    rows = np.array([209, 0, 5, 5, 100])
    batch = store.read(rows)
    np.testing.assert_array_equal(batch, whole[rows])
    batch[:] = 0
    np.testing.assert_array_equal(store.read(rows), whole[rows])
    assert store.read(np.array([], np.int64)).shape == (0, SIZE, SIZE, 3)
    with pytest.raises(IndexError):
        store.read(np.array([210]))


def test_labels_mark_what_is_not_coded(tmp_path: Path) -> None:
    rows = [("F001", frame, f"{frame}.png") for frame in range(3)]
    for _, frame, name in rows:
        picture(tmp_path / "raw" / name, seed=frame)
    table = label_table(rows, (1, 12), "bp4d", lambda row, au: None if (row, au) == (1, 12) else int(row == 2))
    store = build_store(table, tmp_path / "raw", tmp_path / "stores", size=SIZE)
    labels = store.labels([12, 1])
    assert labels.dtype == np.int8
    assert labels.tolist() == [[0, 0], [-1, 0], [1, 1]]
    with pytest.raises(InputError, match=r"does not code AU \[4\]; it codes \[1, 12\]"):
        store.labels([4, 1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_stores_of_the_synthetic_trees(tmp_path: Path, layout: str) -> None:
    write_tree(layout, tmp_path / "tree", subjects=3, sequences=1, frames=30, size=32)
    table = read_table(layout, tmp_path / "tree", {})
    store = build_store(table, tmp_path / "tree", tmp_path / "stores", size=24)
    for row in (0, 31, len(store) - 1):
        path, index = table["path"][row], table["index"][row]
        raw = tmp_path / "tree" / path
        image = read_image(raw) if index is None else list(iter_video(raw))[index]
        np.testing.assert_array_equal(store.frames[row], align(image, 24, "precropped"))


def test_the_fingerprint_is_that_of_the_content(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = fingerprint(tree.table, "precropped", SIZE)
    assert fingerprint(tree.table.sample(fraction=1, shuffle=True, seed=1), "precropped", SIZE) == mine
    assert fingerprint(tree.table, "precropped", SIZE + 1) != mine
    for column in ("frame", "au_1", "index"):
        assert (
            fingerprint(tree.table.with_columns(pl.lit(0, tree.table[column].dtype).alias(column)), "precropped", SIZE)
            != mine
        )
    for column in ("subject", "path", "split"):
        assert fingerprint(tree.table.with_columns(pl.lit("").alias(column)), "precropped", SIZE) != mine
    monkeypatch.setitem(VERSIONS, "precropped", 2)
    assert fingerprint(tree.table, "precropped", SIZE) != mine


def test_the_fingerprint_never_changes_by_itself() -> None:
    """A literal: if this fails, every store that users have is built again; raise FORMAT on purpose instead."""
    table = label_table([("F001", 1, "a.jpg"), ("F001", 2, "ä.jpg")], (1, 2), "bp4d", lambda row, au: (0, None)[row])
    assert fingerprint(table, "precropped", 96)[:16] == "000e49f9b98687fc"


def test_the_same_build_is_not_done_twice(tree: Tree) -> None:
    first = build(tree)
    shutil.rmtree(tree.root)
    again = build(Tree(tree.table.reverse(), tree.root, tree.folder))
    assert again.path == first.path
    np.testing.assert_array_equal(again.frames, first.frames)


def test_a_finished_store_needs_no_writable_folder(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(tree).path

    def refuse(folder: Path) -> None:
        raise InputError(f"cannot write to {folder}")

    monkeypatch.setattr(store_module, "check_writable", refuse)
    assert build(tree).path == path
    with pytest.raises(InputError, match="cannot write"):
        build_store(*tree, size=SIZE + 1)


def test_a_store_travels_as_its_path(tree: Tree) -> None:
    store = build(tree)
    _ = store.frames
    packed = pickle.dumps(store)
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed).frames, store.frames)


# --- interrupted, twice at once, broken


def _build_and_die(tree: Tree, at: int) -> None:
    def progress(done: int, total: int) -> None:
        if done >= at:
            os.kill(os.getpid(), signal.SIGKILL)

    build_store(*tree, size=SIZE, progress=progress)


def run(target: Callable[..., None], *arguments: object) -> int | None:
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The images that are decoded from now on."""
    decoded: list[Path] = []

    def read(path: Path) -> np.ndarray:
        decoded.append(path)
        return read_image(path)

    monkeypatch.setattr(store_module, "read_image", read)
    return decoded


def test_a_killed_build_is_continued(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(_build_and_die, tree, 2 * CHUNK) == -signal.SIGKILL
    assert bare(tree) == []
    assert find_store(tree.folder, "bp4d", SIZE) is None
    decoded = counted(monkeypatch)
    store = build(tree)
    assert len(decoded) == len(store) - 2 * CHUNK
    np.testing.assert_array_equal(store.frames, expected(tree))
    store.verify()


def test_what_a_killed_build_left_is_checked(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    run(_build_and_die, tree, 2 * CHUNK)
    (work,) = tree.folder.glob(".*.partial")
    with (work / FRAMES).open("r+b") as frames:
        frames.seek(5)
        frames.write(b"\0" * 1000)
    with (work / "chunks.log").open("ab") as log:
        log.write(b"99 1\n\xff\n2 12345")
    decoded = counted(monkeypatch)
    store = build(tree)
    assert len(decoded) == len(store) - CHUNK
    np.testing.assert_array_equal(store.frames, expected(tree))


def test_a_killed_build_from_video_is_continued(tmp_path: Path) -> None:
    frames = CHUNK + 20
    path = video(tmp_path / "raw" / "a.avi", frames)
    rows = [("SN001", frame, path.name) for frame in range(1, frames + 1)]
    table = label_table(rows, (1,), "disfa", lambda row, au: 0).with_columns(index=pl.col("frame") - 1)
    tree = Tree(frame_table(table, (1,)), tmp_path / "raw", tmp_path / "stores")
    assert run(_build_and_die, tree, CHUNK) == -signal.SIGKILL
    store = build(tree)
    crops = np.stack([align(image, SIZE, "precropped") for image in iter_video(path)])
    np.testing.assert_array_equal(store.frames, crops)


def _build_with_another(tree: Tree, report: Path, both: Barrier) -> None:
    decoded = counted(pytest.MonkeyPatch())
    both.wait(60)
    store = build_store(*tree, size=SIZE, progress=lambda done, total: time.sleep(0.1))
    store.verify()
    report.write_text(f"{len(decoded)} {store.fingerprint}")


def test_two_builders_at_once_do_the_work_once(tree: Tree, tmp_path: Path) -> None:
    reports = [tmp_path / "one", tmp_path / "two"]
    both = SPAWN.Barrier(2)
    builders = [SPAWN.Process(target=_build_with_another, args=(tree, report, both)) for report in reports]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(120)
    texts = sorted(report.read_text().split() for report in reports)
    assert [int(count) for count, _ in texts] == [0, tree.table.height]
    assert texts[0][1] == texts[1][1]
    assert len(bare(tree)) == 1


def test_every_broken_image_is_listed_and_nothing_published(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tree.root / tree.table["path"][row] for row in (3, 100, 209)]
    content = [path.read_bytes() for path in paths]
    paths[0].write_bytes(content[0][:200])
    paths[1].write_bytes(b"")
    paths[2].unlink()
    with pytest.raises(InputError) as caught:
        build(tree)
    assert all(str(path) in str(caught.value) for path in paths)
    assert str(caught.value).count("  - ") == 3
    assert bare(tree) == []
    for path, old in zip(paths, content, strict=True):
        path.write_bytes(old)
    decoded = counted(monkeypatch)
    np.testing.assert_array_equal(build(tree).frames, expected(tree))
    assert len(decoded) == tree.table.height - CHUNK, "the chunk without a broken image was kept"


def test_a_video_that_ends_early_is_one_problem(tmp_path: Path) -> None:
    path = video(tmp_path / "raw" / "a.avi", 5)
    rows = [("SN001", frame, path.name) for frame in range(1, 10)]
    table = label_table(rows, (1,), "disfa", lambda row, au: 0).with_columns(index=pl.col("frame") - 1)
    with pytest.raises(InputError) as caught:
        build_store(frame_table(table, (1,)), tmp_path / "raw", tmp_path / "stores", size=SIZE)
    assert str(caught.value).count("a.avi: only 5 frames can be decoded") == 1


def test_progress_reaches_the_total(tree: Tree) -> None:
    seen: list[tuple[int, int]] = []
    build_store(*tree, size=SIZE, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, 210), (128, 210), (192, 210), (210, 210)]


# --- no room


def test_too_little_room_is_said_before_the_work(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tree.root)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    decoded = counted(monkeypatch)
    with pytest.raises(InputError, match=f"needs {210 * SIZE * SIZE * 3:,} more bytes, 1,000 are free"):
        build(tree)
    assert decoded == []


def _build_with_small_files(tree: Tree, report: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        build(tree)
    except InputError as error:
        report.write_text(str(error))


def test_room_that_runs_out_is_an_input_error_and_the_work_is_kept(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(_build_with_small_files, tree, tmp_path / "report") == 0
    assert "Make room; what is written is kept" in (tmp_path / "report").read_text()
    assert bare(tree) == []
    decoded = counted(monkeypatch)
    build(tree).verify()
    assert 0 < len(decoded) < tree.table.height


# --- opening


def test_find_store(tree: Tree) -> None:
    assert find_store(tree.folder, "bp4d", SIZE) is None
    store = build(tree)
    found = find_store(tree.folder, "bp4d", SIZE)
    assert found is not None
    assert found.path == store.path
    assert found.table.equals(tree.table)
    assert find_store(tree.folder, "bp4d", SIZE + 1) is None
    assert find_store(tree.folder, "bp4", SIZE) is None
    build(tree._replace(table=tree.table.head(5)))
    with pytest.raises(InputError, match="2 stores of bp4d at 12 px"):
        find_store(tree.folder, "bp4d", SIZE)


def test_a_store_of_another_format_is_refused(tree: Tree) -> None:
    path = build(tree).path
    facts = json.loads((path / STORE).read_text())
    (path / STORE).write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(InputError, match="has format 99, this version reads 1"):
        open_store(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}', "null"])
def test_what_is_no_store_is_refused(tree: Tree, text: str) -> None:
    path = build(tree).path
    (path / STORE).write_text(text)
    with pytest.raises(InputError, match="is not a finished store"):
        open_store(path)
    with pytest.raises(InputError, match="is not a finished store"):
        open_store(path / "absent")


def test_a_damaged_store_is_refused(tree: Tree) -> None:
    path = build(tree).path
    with (path / FRAMES).open("ab") as frames:
        frames.write(b"x")
    with pytest.raises(InputError, match=r"is damaged \(frames.bin has 90721 bytes of 90720\)"):
        open_store(path)
    with (path / FRAMES).open("r+b") as frames:
        frames.truncate(90720)
    load_table(path / TABLE).with_columns(au_1=1 - pl.col("au_1")).write_parquet(path / TABLE)
    with pytest.raises(InputError, match=r"table.parquet was changed"):
        open_store(path)
    (path / TABLE).write_bytes(b"")
    with pytest.raises(InputError, match="is damaged"):
        open_store(path)


def test_verify_names_the_damaged_rows(tree: Tree) -> None:
    store = build(tree)
    with (store.path / FRAMES).open("r+b") as frames:
        frames.seek(200 * SIZE * SIZE * 3)
        frames.write(b"\0\1\2\3\4\5")
    with pytest.raises(InputError, match=r"damaged(.|\n)*rows 192 to 209"):
        open_store(store.path).verify()


def test_arguments_out_of_range_are_refused(tree: Tree) -> None:
    for size in (0, 7, 5000):
        with pytest.raises(InputError, match=f"size={size}; allowed"):
            build_store(*tree, size=size)
    with pytest.raises(InputError, match="alignment='x'"):
        build_store(*tree, alignment="x")
    two = tree.table.with_columns(dataset=pl.when(pl.col("frame") > 5).then(pl.lit("gft")).otherwise("dataset"))
    with pytest.raises(InputError, match="a store holds one dataset"):
        store_path(two, tree.folder, SIZE, "precropped")
