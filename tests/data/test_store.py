import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.build import build_store
from data.checked import json_object
from data.errors import DamagedError, InputError
from data.faces.align import align
from data.frames import Reading, excluded_frames, load_table
from data.media import decode_image, encode_jpeg, read_image
from data.settings import StoreSettings
from data.shards import shard_path
from data.store import LENGTHS, STORE, TABLE, FrameStore, find_store, fingerprint, open_store, store_path, stores_of
from tests.data.stores import precropped
from tests.data.trees import image_table, label_table, picture

FRAMES_PER_SUBJECT = 190  # three subjects, three shards, the last one short
SIZE = 12
SETTINGS = StoreSettings(SIZE)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Path]:
    root = tmp_path_factory.mktemp("raw")
    return image_table(root, ["F001", "F003", "F004"], FRAMES_PER_SUBJECT), root


@pytest.fixture(params=["raw", "jpeg"])
def store(raw: tuple[pl.DataFrame, Path], tmp_path: Path, request: pytest.FixtureRequest) -> FrameStore:
    table, root = raw
    return build_store(precropped(table), root, tmp_path / "stores", StoreSettings(SIZE, request.param))


def expected(raw: tuple[pl.DataFrame, Path], codec: str) -> np.ndarray:
    frames = [align(read_image(raw[1] / path), SIZE, None) for path in raw[0]["path"]]
    if codec == "jpeg":
        frames = [decode_image(encode_jpeg(frame, 95), "") for frame in frames]
    return np.stack(frames)


def test_a_store_holds_the_aligned_frames(store: FrameStore, raw: tuple[pl.DataFrame, Path]) -> None:
    rows = np.arange(3 * FRAMES_PER_SUBJECT)
    assert len(store) == len(rows)
    assert len(store.shards.starts) == 4
    np.testing.assert_array_equal(store.read(rows), expected(raw, store.settings.codec))
    assert store.table.equals(raw[0])
    assert store.subjects_of(np.array([0, 189, 190, 569, 0])) == ["F001", "F001", "F003", "F004", "F001"]
    store.verify()


def test_read_gives_rows_in_the_order_asked_for(store: FrameStore, raw: tuple[pl.DataFrame, Path]) -> None:
    whole = expected(raw, store.settings.codec)
    rows = np.array([569, 0, 5, 5, 300, 255, 256])
    batch = store.read(rows)
    np.testing.assert_array_equal(batch, whole[rows])
    batch[:] = 0
    np.testing.assert_array_equal(store.read(rows), whole[rows])
    out = np.zeros((7, SIZE, SIZE, 3), np.uint8)
    assert store.read(rows, out=out) is out
    np.testing.assert_array_equal(out, whole[rows])
    assert store.read(np.array([], np.int64)).shape == (0, SIZE, SIZE, 3)
    for row in (-1, 570):
        with pytest.raises(IndexError, match=f"rows {row} to {row} of 570"):
            store.read(np.array([row]))


def test_labels_mark_what_is_not_coded(tmp_path: Path) -> None:
    rows = [("F001", frame, f"{frame}.png") for frame in range(3)]
    for _, frame, name in rows:
        picture(tmp_path / "raw" / name, seed=frame)
    table = label_table(rows, (1, 12), "bp4d", lambda row, au: None if (row, au) == (1, 12) else int(row == 2))
    store = build_store(precropped(table), tmp_path / "raw", tmp_path / "stores", SETTINGS)
    labels = store.labels([12, 1])
    assert labels.dtype == np.int8
    assert labels.tolist() == [[0, 0], [-1, 0], [1, 1]]
    with pytest.raises(InputError, match=r"does not code AU \[4\]; it codes \[1, 12\]"):
        store.labels([4, 1])


def test_what_was_left_out_is_kept(raw: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, root = raw
    left_out = excluded_frames(table[:3], "no face found")
    faces = precropped(table[3:])
    store = build_store(type(faces)(table[3:], None, left_out, "haar-1", ()), root, tmp_path, SETTINGS)
    assert open_store(store.path).excluded.equals(left_out)
    assert store.alignment == "haar-1"


# --- identity


def test_the_fingerprint_is_that_of_the_content(raw: tuple[pl.DataFrame, Path]) -> None:
    table = raw[0]
    mine = fingerprint(precropped(table), SETTINGS)
    others = [StoreSettings(SIZE + 1), StoreSettings(SIZE, "jpeg"), StoreSettings(SIZE, "jpeg", 90)]
    changed = [table.with_columns(pl.lit(0, table[c].dtype).alias(c)) for c in ("au_1", "index")]
    changed += [table.with_columns(pl.lit("x").alias(c)) for c in ("path", "split")]
    changed.append(table.with_columns(pl.col("au_1").alias("intensity_1")))
    changed.append(table.with_columns(pl.col("frame") + 1))
    crops = np.zeros((table.height, 2, 3), np.float32)
    located = [type(f := precropped(table))(table, c, f.excluded, f.alignment, ()) for c in (crops, crops + 0.01)]
    marks = [fingerprint(precropped(table), settings) for settings in others]
    marks += [fingerprint(precropped(one), SETTINGS) for one in changed] + [fingerprint(f, SETTINGS) for f in located]
    marks.append(fingerprint(type(f := precropped(table))(table, None, f.excluded, "box-1", ()), SETTINGS))
    assert len({mine, *marks}) == len(marks) + 1
    assert fingerprint(precropped(table), StoreSettings(SIZE, "raw", 90)) == mine, "raw frames have no quality"


def test_the_fingerprint_never_changes_by_itself() -> None:
    """A literal: if this fails, every store that users have is built again; raise STORE_FORMAT on purpose instead."""
    table = label_table([("F001", 1, "a.jpg"), ("F001", 2, "ä.jpg")], (1, 2), "bp4d", lambda row, au: (0, None)[row])
    assert fingerprint(precropped(table), StoreSettings(96))[:16] == "f104b837a03542eb"


def test_a_store_travels_as_its_path(store: FrameStore) -> None:
    before = store.read(np.array([3]))
    packed = pickle.dumps(store)
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed).read(np.array([3])), before)


def test_arguments_out_of_range_are_refused(raw: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"size=7(.|\n)*quality=0(.|\n)*codec='png'; allowed: raw, jpeg"):
        StoreSettings(7, "png", 0)
    two = raw[0].with_columns(dataset=pl.when(pl.col("frame") > 5).then(pl.lit("gft")).otherwise("dataset"))
    with pytest.raises(InputError, match="a store holds one dataset"):
        store_path(precropped(two.sort("dataset", "subject", "frame")), tmp_path, SETTINGS)


# --- opening


def test_find_store(raw: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, root = raw
    assert find_store(tmp_path, "bp4d", SIZE) is None
    store = build_store(precropped(table), root, tmp_path, SETTINGS)
    found = find_store(tmp_path, "bp4d", SIZE)
    assert found is not None
    assert found.path == store.path
    assert find_store(tmp_path, "bp4d", SIZE + 1) is None
    assert find_store(tmp_path, "bp4", SIZE) is None
    other = build_store(precropped(table.head(5)), root, tmp_path, SETTINGS).path
    with pytest.raises(InputError, match="2 stores of bp4d at 12 px"):
        find_store(tmp_path, "bp4d", SIZE)
    _set(other, format=1)
    found = find_store(tmp_path, "bp4d", SIZE)
    assert found is not None
    assert found.path == store.path, "one that this version cannot read does not count"
    assert stores_of(tmp_path, "bp4d", SIZE) == sorted([store.path, other])


def _set(path: Path, **changes: object) -> None:
    facts = json_object((path / STORE).read_bytes(), STORE)
    (path / STORE).write_text(json.dumps(facts | changes))


def test_a_store_of_another_format_is_refused(store: FrameStore) -> None:
    _set(store.path, format=99)
    with pytest.raises(InputError, match="has format 99, this version reads 2"):
        open_store(store.path)


@pytest.mark.parametrize("text", ["", "[]", "null"])
def test_what_is_no_store_is_refused(store: FrameStore, text: str) -> None:
    (store.path / STORE).write_text(text)
    with pytest.raises(InputError, match="is not a finished store"):
        open_store(store.path)
    with pytest.raises(InputError, match="is not a finished store"):
        open_store(store.path / "absent")


def test_a_damaged_store_is_refused(store: FrameStore) -> None:
    path, second = store.path, shard_path(store.path, 1)
    whole = second.read_bytes()
    second.write_bytes(whole + b"x")
    with pytest.raises(InputError, match=rf"shards/00001.bin has {len(whole) + 1} bytes of {len(whole)}"):
        open_store(path)
    second.unlink()
    with pytest.raises(InputError, match=rf"shards/00001.bin has 0 bytes of {len(whole)}"):
        open_store(path)
    second.write_bytes(whole)
    _set(path, alignment="other-1")
    with pytest.raises(InputError, match=r"store.json was changed"):
        open_store(path)
    _set(path, alignment=store.alignment)
    load_table(path / TABLE).with_columns(au_1=1 - pl.col("au_1")).write_parquet(path / TABLE)
    with pytest.raises(InputError, match=r"table.parquet or store.json was changed"):
        open_store(path)
    (path / TABLE).write_bytes(b"")
    with pytest.raises(InputError, match="is damaged"):
        open_store(path)


def test_missing_facts_are_damage(store: FrameStore) -> None:
    (store.path / STORE).write_text('{"format": 2}')
    with pytest.raises(InputError, match="is damaged"):
        open_store(store.path)


def test_missing_lengths_are_damage(raw: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    path = build_store(precropped(raw[0]), raw[1], tmp_path, StoreSettings(SIZE, "jpeg")).path
    (path / LENGTHS).unlink()
    with pytest.raises(InputError, match="is damaged"):
        open_store(path)


def test_verify_names_the_damaged_rows(store: FrameStore) -> None:
    with shard_path(store.path, 2).open("r+b") as frames:
        frames.seek(20)
        frames.write(b"\0\1\2\3\4\5")
    with pytest.raises(InputError, match=r"damaged(.|\n)*rows 512 to 569"):
        open_store(store.path).verify()


def test_a_shard_that_shrinks_under_an_open_store_is_no_picture(store: FrameStore) -> None:
    store.read(np.array([569]))
    shard_path(store.path, 2).write_bytes(b"")
    with pytest.raises(InputError, match=r"was changed|not a whole image"):
        store.read(np.array([569]))


def test_a_shard_is_compared_with_its_checksum_before_it_is_read(store: FrameStore) -> None:
    content = bytearray(shard_path(store.path, 2).read_bytes())
    content[-1] ^= 1
    shard_path(store.path, 2).write_bytes(content)
    store.read(np.array([0]))
    with pytest.raises(DamagedError, match=r"rows \d+ to 569 \(00002\.bin\) have a wrong checksum.*rebuild=true"):
        store.read(np.array([569]))


# --- the raw files that it came from


def test_changed_raw_files_are_noticed(raw: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, original = raw
    root = Path(shutil.copytree(original, tmp_path / "raw"))
    store = build_store(precropped(table), root, tmp_path / "stores", SETTINGS)
    store.check_sources(root)
    paths = [root / table["path"][row] for row in (0, 1, 2)]
    content = bytearray(paths[0].read_bytes())
    content[-20] ^= 1
    paths[0].write_bytes(content)
    paths[1].write_bytes(b"")
    paths[2].unlink()
    with pytest.raises(InputError) as caught:
        store.check_sources(root, sample=10_000)
    for problem in ("F001/001.png has different content", "F001/002.png has 0 bytes", "F001/003.png: No such file"):
        assert problem in str(caught.value)
    assert str(caught.value).count("  - ") == 3
    store.check_sources(original)


def test_a_sample_of_the_raw_files_is_spread_over_all(raw: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, original = raw
    root = Path(shutil.copytree(original, tmp_path / "raw"))
    store = build_store(precropped(table), root, tmp_path / "stores", SETTINGS)
    shutil.rmtree(root / "F004")
    with pytest.raises(InputError, match=r"F004/190\.png"):
        store.check_sources(root, sample=5)


def test_reading_says_what_was_left_out_by_default() -> None:
    table = label_table([("F001", 1, "a.jpg")], (1,), "bp4d", lambda row, au: 0)
    assert Reading(table).excluded.is_empty()
