import multiprocessing
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from PIL import Image

from data import build as build_module
from data.build import build_store, shard_starts
from data.errors import InputError
from data.faces.align import align
from data.files import no_progress
from data.frames import frame_table
from data.media import iter_video, read_bytes, read_image
from data.parallel import cores
from data.settings import StoreSettings
from data.shards import shard_path
from data.store import FrameStore, find_store, open_store
from tests.data.stores import precropped
from tests.data.trees import image_table, label_table, picture, video

FRAMES_PER_SUBJECT = 190  # three subjects, three shards, the last one short
ROWS = 3 * FRAMES_PER_SUBJECT
SIZE = 12
SPAWN = multiprocessing.get_context("spawn")


class Tree(NamedTuple):
    table: pl.DataFrame
    root: Path
    folder: Path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    root = tmp_path_factory.mktemp("raw")
    return Tree(image_table(root, ["F001", "F003", "F004"], FRAMES_PER_SUBJECT), root, root)


@pytest.fixture
def tree(pictures: Tree, tmp_path: Path) -> Tree:
    return Tree(pictures.table, Path(shutil.copytree(pictures.root, tmp_path / "raw")), tmp_path / "stores")


def build(tree: Tree, codec: str = "raw", processes: int = 1) -> FrameStore:
    return build_store(precropped(tree.table), tree.root, tree.folder, StoreSettings(SIZE, codec), processes)


def frames(store: FrameStore) -> np.ndarray:
    return store.read(np.arange(len(store)))


def expected(tree: Tree) -> np.ndarray:
    return np.stack([align(read_image(tree.root / path), SIZE, None) for path in tree.table["path"]])


def bare(tree: Tree) -> list[str]:
    """Names in the folder of stores that are not hidden."""
    return sorted(path.name for path in tree.folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The image files that this process reads from now on."""
    files: list[Path] = []

    def counted(path: Path) -> bytes:
        files.append(path)
        return read_bytes(path)

    monkeypatch.setattr(build_module, "read_bytes", counted)
    return files


def test_several_processes_build_the_same(tree: Tree, monkeypatch: pytest.MonkeyPatch, read: list[Path]) -> None:
    monkeypatch.setattr(build_module, "ROWS_PER_PROCESS", 100)
    store = build(tree, processes=2)
    assert read == [], "the work was done elsewhere"
    np.testing.assert_array_equal(frames(store), expected(tree))
    store.verify()


def test_few_frames_are_built_here() -> None:
    assert build_module._useful_processes(8, 3999) == 1
    assert build_module._useful_processes(8, 10_000) == 5
    assert build_module._useful_processes(2, 10_000_000) == 2
    assert build_module._useful_processes(0, 10_000_000) == cores()


def test_only_the_store_is_left(tree: Tree) -> None:
    store = build(tree, "jpeg")
    assert sorted(path.name for path in store.path.rglob("*")) == [
        "00000.bin", "00001.bin", "00002.bin",
        "excluded.parquet", "lengths.npy", "pictures.bin", "shards", "sources.parquet", "store.json", "table.parquet",
    ]  # fmt: skip
    assert bare(tree) == [store.path.name]
    assert [path.suffix for path in tree.folder.iterdir() if path != store.path] == [".lock"]


def test_the_same_build_is_not_done_twice(tree: Tree, read: list[Path]) -> None:
    first = build(tree)
    shutil.rmtree(tree.root)
    read.clear()
    assert build(tree).path == first.path
    assert read == []


def test_a_finished_store_needs_no_writable_folder(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(tree).path

    def refuse(folder: Path) -> None:
        raise InputError(f"cannot write to {folder}")

    monkeypatch.setattr(build_module, "check_writable", refuse)
    assert build(tree).path == path
    with pytest.raises(InputError, match="cannot write"):
        build(tree, "jpeg")


def test_jpeg_crops_of_the_right_size_are_kept_byte_for_byte(tmp_path: Path) -> None:
    sizes = {"same.jpg": (SIZE, SIZE), "other.jpg": (SIZE + 4, SIZE), "grey.jpg": (SIZE, SIZE)}
    for name, size in sizes.items():
        picture(tmp_path / "raw" / name, size=size)
    Image.open(tmp_path / "raw" / "grey.jpg").convert("L").save(tmp_path / "raw" / "grey.jpg")
    rows = [("F001", frame, name) for frame, name in enumerate(sizes)]
    table = label_table(rows, (1,), "affwild2", lambda row, au: 0)
    store = build(Tree(table, tmp_path / "raw", tmp_path / "stores"), "jpeg")
    same, other, grey = store.shards.contents(np.arange(3))
    assert same == (tmp_path / "raw" / "same.jpg").read_bytes()
    assert other != (tmp_path / "raw" / "other.jpg").read_bytes()
    assert grey != (tmp_path / "raw" / "grey.jpg").read_bytes(), "three channels are stored"
    assert frames(store).shape == (3, SIZE, SIZE, 3)


def test_frames_are_cut_where_the_faces_are(tree: Tree) -> None:
    faces = precropped(tree.table)
    crops = np.tile(np.array([[8, 0, 1.5], [0, 8, 3.5]], np.float32), (ROWS, 1, 1))
    store = build_store(
        type(faces)(tree.table, crops, faces.excluded, "landmarks-1", ()), tree.root, tree.folder, StoreSettings(8)
    )
    image = read_image(tree.root / tree.table["path"][300])
    np.testing.assert_array_equal(store.read(np.array([300]))[0], image[4:12, 2:10])


# --- shards


def _recordings(frames: int, lengths: list[int]) -> pl.DataFrame:
    """A table of `frames` images and of videos of these lengths."""
    rows = [("F001", frame, f"{frame}.png") for frame in range(frames)]
    rows += [(f"V{v:02d}", frame, f"{v:02d}.avi") for v, length in enumerate(lengths) for frame in range(length)]
    table = label_table(rows, (1,), "bp4d", lambda row, au: 0)
    position = pl.when(pl.col("path").str.ends_with("avi")).then(pl.col("frame"))
    return table.with_columns(index=position.cast(pl.Int32))


@pytest.mark.parametrize(
    ("images", "videos", "starts"),
    [
        (600, [], [0, 256, 512, 600]),
        (0, [100, 100, 100, 300], [0, 200, 300, 600]),
        (0, [156, 100, 20], [0, 256, 276]),
        (0, [700, 20], [0, 700, 720]),
        (0, [1024, 20], [0, 1024, 1044]),
        (0, [1100, 20], [0, 256, 512, 768, 1024, 1120]),
        (100, [200, 40], [0, 100, 340]),
        (1, [], [0, 1]),
    ],
)
def test_a_shard_ends_with_a_video_where_it_can(images: int, videos: list[int], starts: list[int]) -> None:
    assert shard_starts(_recordings(images, videos), size=SIZE) == starts


def test_shards_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "SHARD_BYTES", 300 * SIZE * SIZE * 3)
    monkeypatch.setattr(build_module, "SHARDS_WANTED", 1)
    assert shard_starts(_recordings(700, []), size=SIZE) == [0, 300, 600, 700]


# --- interrupted, twice at once


def _build_until(tree: Tree, at: int, then: Callable[[], None]) -> None:
    def progress(done: int, total: int) -> None:
        if done >= at:
            then()

    build_store(precropped(tree.table), tree.root, tree.folder, StoreSettings(SIZE), 1, progress)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _build_and_die(tree: Tree, at: int) -> None:
    _build_until(tree, at, _die)


def build_and_stop(tree: Tree, at: int) -> None:
    """Leave an unfinished build, by Ctrl-C in this process."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _build_until(tree, at, stop)


def run(target: Callable[..., None], *arguments: object) -> int | None:
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


@pytest.mark.slow
def test_a_killed_build_is_continued(tree: Tree, read: list[Path]) -> None:
    assert run(_build_and_die, tree, 512) == -signal.SIGKILL
    assert bare(tree) == []
    assert find_store(tree.folder, "bp4d", SIZE) is None
    store = build(tree)
    assert len(read) == len(store) - 512
    np.testing.assert_array_equal(frames(store), expected(tree))
    store.verify()


def _kill_soon(tree: Tree) -> None:
    """Kill this process while its children write the first shards."""
    build_module.ROWS_PER_PROCESS = 100

    def wait() -> None:
        while not list(tree.folder.glob(".*.partial/shards/*.json")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
    build(tree, processes=2)


@pytest.mark.slow
def test_the_processes_of_a_killed_build_end(tree: Tree) -> None:
    assert run(_kill_soon, tree) == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while _processes_that_mention(str(tree.root)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _processes_that_mention(str(tree.root)) == []
    store = build(tree)
    np.testing.assert_array_equal(frames(store), expected(tree))
    store.verify()


def _processes_that_mention(text: str) -> list[int]:
    """Children that work in the tree: they hold its files open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            handles = [str(handle.readlink()) for handle in (process / "fd").iterdir()]
        except OSError:
            continue
        if int(process.name) != os.getpid() and any(text.removesuffix("/raw") in handle for handle in handles):
            found.append(int(process.name))
    return found


def test_what_a_stopped_build_left_is_checked(tree: Tree, read: list[Path]) -> None:
    build_and_stop(tree, 512)
    read.clear()
    (work,) = tree.folder.glob(".*.partial")
    shard_path(work, 0).write_bytes(b"too short")
    (work / "shards" / "00007.json").write_text("{")
    (work / "shards" / ".00002.bin.x.partial").write_bytes(b"left")
    store = build(tree)
    assert len(read) == len(store) - 256
    np.testing.assert_array_equal(frames(store), expected(tree))
    assert len(list((store.path / "shards").iterdir())) == 3


def test_what_a_stopped_build_made_of_other_files_is_made_again(tree: Tree) -> None:
    build_and_stop(tree, 512)
    picture(tree.root / tree.table["path"][0], seed=4711)
    store = build(tree)
    np.testing.assert_array_equal(frames(store), expected(tree))


@pytest.mark.slow
def test_a_killed_build_from_video_is_continued(tmp_path: Path) -> None:
    paths = [video(tmp_path / "raw" / f"{name}.avi", 200) for name in "ab"]
    rows = [(path.stem, frame, path.name) for path in paths for frame in range(1, 201)]
    table = label_table(rows, (1,), "disfa", lambda row, au: 0).with_columns(index=pl.col("frame") - 1)
    tree = Tree(frame_table(table, (1,)), tmp_path / "raw", tmp_path / "stores")
    assert run(_build_and_die, tree, 200) == -signal.SIGKILL
    store = build(tree)
    assert store.shards.starts.tolist() == [0, 200, 400]
    crops = np.stack([align(image, SIZE, None) for path in paths for image in iter_video(path)])
    np.testing.assert_array_equal(frames(store), crops)


def _build_with_another(tree: Tree, report: Path, start: Path) -> None:
    read: list[Path] = []

    def counted(path: Path) -> bytes:
        read.append(path)
        return read_bytes(path)

    setattr(build_module, "read_bytes", counted)  # noqa: B010  (this process is its own)
    while not start.exists():
        time.sleep(0.01)
    store = build_store(
        precropped(tree.table), tree.root, tree.folder, StoreSettings(SIZE), 1, lambda done, total: time.sleep(0.1)
    )
    store.verify()
    report.write_text(f"{len(read)} {store.fingerprint}")


@pytest.mark.slow
def test_two_builders_at_once_do_the_work_once(tree: Tree, tmp_path: Path) -> None:
    reports = [tmp_path / "one", tmp_path / "two"]
    builders = [SPAWN.Process(target=_build_with_another, args=(tree, r, tmp_path / "start")) for r in reports]
    for builder in builders:
        builder.start()
    (tmp_path / "start").touch()
    for builder in builders:
        builder.join(120)
    texts = sorted(report.read_text().split() for report in reports)
    assert sorted(int(count) for count, _ in texts) == [0, ROWS]
    assert texts[0][1] == texts[1][1]
    assert len(bare(tree)) == 1


# --- broken


def test_every_broken_image_is_listed_and_nothing_published(tree: Tree, read: list[Path]) -> None:
    paths = [tree.root / tree.table["path"][row] for row in (3, 300, 301)]
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
    read.clear()
    np.testing.assert_array_equal(frames(build(tree)), expected(tree))
    assert len(read) == 512, "the shard without a broken image was kept"


def test_a_video_that_ends_early_is_one_problem(tmp_path: Path) -> None:
    path = video(tmp_path / "raw" / "a.avi", 5)
    rows = [("SN001", frame, path.name) for frame in range(1, 10)]
    table = label_table(rows, (1,), "disfa", lambda row, au: 0).with_columns(index=pl.col("frame") - 1)
    with pytest.raises(InputError) as caught:
        build(Tree(frame_table(table, (1,)), tmp_path / "raw", tmp_path / "stores"))
    assert str(caught.value).count("a.avi: only 5 frames can be decoded") == 1


def test_progress_counts_what_was_there_already(tree: Tree) -> None:
    build_and_stop(tree, 256)
    seen: list[tuple[int, int]] = []
    build_store(
        precropped(tree.table), tree.root, tree.folder, StoreSettings(SIZE), 1, lambda *where: seen.append(where)
    )
    assert seen == [(512, 570), (570, 570)]


# --- no room, no memory


@pytest.mark.parametrize(("codec", "share"), [("raw", 1), ("jpeg", 10)])
def test_too_little_room_is_said_before_the_work(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, read: list[Path], codec: str, share: int
) -> None:
    usage = shutil.disk_usage(tree.root)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match=f"about {ROWS * SIZE * SIZE * 3 // share:,} more bytes, 1,000 are free"):
        build(tree, codec)
    assert read == []


def _build_with_small_files(tree: Tree, report: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        build(tree)
    except InputError as error:
        report.write_text(str(error))


def test_room_that_runs_out_is_an_input_error_and_work_is_kept(tree: Tree, tmp_path: Path, read: list[Path]) -> None:
    table = pl.concat([tree.table, _more(tree)])
    large = tree._replace(table=frame_table(table, (1, 12)))
    assert run(_build_with_small_files, large, tmp_path / "report") == 0
    assert "Free some space and run the same command: what is written is kept" in (tmp_path / "report").read_text()
    assert bare(large) == []
    build(large).verify()
    assert 0 < len(read) <= large.table.height


def _more(tree: Tree) -> pl.DataFrame:
    """Small shards first, and then a video that makes one shard too large for the limit."""
    path = video(tree.root / "long.avi", 400)
    rows = [("M001", frame, path.name) for frame in range(1, 401)]
    table = label_table(rows, (1, 12), "bp4d", lambda row, au: 0)
    return table.with_columns(index=pl.col("frame") - 1)


def _die_on(shard: object) -> list[str]:
    _die()
    return []


def test_a_killed_process_is_an_input_error(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "ROWS_PER_PROCESS", 100)
    with monkeypatch.context() as patched:
        patched.setattr(build_module, "_write_shard", _die_on)
        with pytest.raises(InputError, match=r"was killed(.|\n)*a smaller processes="):
            build(tree, processes=2)
    assert bare(tree) == []
    build(tree).verify()


def test_no_progress_is_silent() -> None:
    no_progress(1, 2)


def test_open_store_is_what_build_gives(tree: Tree) -> None:
    store = build(tree)
    assert open_store(store.path).table.equals(store.table)
