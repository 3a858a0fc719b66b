"""Who is the same person in two stores, whatever they are called, and what is refused because of it."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data import same_people
from data.build import build_store
from data.catalog import CATALOG, read_dataset
from data.checked import json_object
from data.errors import InputError
from data.faces.align import locate
from data.folds import make_fold
from data.pool import pool
from data.same_people import check_twins, leaks, shared_people, twin_lines, twins
from data.settings import AlignSettings, StoreSettings
from data.store import STORE, FrameStore, open_store
from data.synthetic import write_tree
from data.union import UnionStore
from tests.data.copies import copied, drawn_store
from tests.data.stores import precropped, tiny_store
from tests.data.trees import image_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people")


@pytest.fixture(scope="module")
def own(folder: Path) -> FrameStore:
    return drawn_store(folder, "bp4d")


@pytest.fixture(scope="module")
def others(folder: Path) -> FrameStore:
    return drawn_store(folder, "disfa")


@pytest.fixture(scope="module")
def copy(folder: Path, own: FrameStore) -> FrameStore:
    return copied(own, "gft", "h264")


def names(store: FrameStore) -> list[str]:
    return sorted(store.table["subject"].unique())


def named(store: FrameStore, folder: Path, dataset: str, **subjects: str) -> FrameStore:
    """The frames of `store` once more, under other names of the dataset and of some subjects."""
    table = store.table.with_columns(dataset=pl.lit(dataset), subject=pl.col("subject").replace(subjects))
    raw = next(path for path in store.path.parents[1].iterdir() if (path / store.table["path"][0]).exists())
    return build_store(precropped(table.sort("subject", "sequence", "frame")), raw, folder, StoreSettings(store.size))


@pytest.mark.parametrize("how", ["jpeg", "h264"])
@pytest.mark.parametrize("size", [0, 40])
def test_copies_under_other_names_are_the_same_people(how: str, size: int, own: FrameStore, tmp_path: Path) -> None:
    again = copied(open_store(own.path), f"x-{size}", how, size, tmp_path)
    found = shared_people(own, again)
    assert found["subject", "other"].rows() == list(zip(names(own), ["P0", "P1", "P2", "P3"], strict=True))
    for row in found.iter_rows(named=True):
        assert own.table["subject"][row["row"]] == row["subject"]
        assert again.table["subject"][row["other_row"]] == row["other"]
    assert shared_people(again, own)["subject", "other"].rows() == [(b, a) for a, b in found["subject", "other"].rows()]


def test_other_people_are_other_people(own: FrameStore, others: FrameStore) -> None:
    assert shared_people(own, others).is_empty()
    assert leaks(own, others) == []
    assert len(UnionStore((own, others))) == len(own) + len(others)


def test_a_copy_is_refused_with_the_count_and_an_example(own: FrameStore, others: FrameStore, copy: FrameStore) -> None:
    (line,) = leaks(own, copy)
    one, two, three, _ = names(own)
    assert line.startswith(
        f"{copy.path.name} shows 4 of the 4 people of {own.path.name}, in {len(copy)} of its {len(copy)} frames: "
        f"{one} as P0, {two} as P1, {three} as P2 and 1 more. The pictures are the same, e.g. frame "
    )
    assert re.search(rf"e\.g\. frame \d+ of {one}/T1 and frame \d+ of P0/seen$", line)
    with pytest.raises(InputError, match="cannot be trained on together") as caught:
        UnionStore((own, others, copy))
    assert str(caught.value).splitlines()[1:] == [f"  - {line}"]


def test_held_out_people_are_never_pre_trained_on(own: FrameStore, others: FrameStore, copy: FrameStore) -> None:
    one, two, three, four = names(own)
    fold = make_fold("half", own.table, [one, two], [three], [four])
    with pytest.raises(InputError) as caught:
        pool(own, [others, copy], fold)
    said = f"{copy.path.name} shows 2 of the 4 people of {own.path.name}, whom fold half holds out, in 16 of its 32 "
    assert f"{said}frames: {three} as P2, {four} as P3. The pictures are the same" in str(caught.value)
    assert others.path.name not in str(caught.value)
    assert "prepare it again from a tree without these people" in str(caught.value)


def test_training_people_may_be_pre_trained_on(own: FrameStore, copy: FrameStore, tmp_path: Path) -> None:
    fold = make_fold("half", own.table, names(own)[:2], names(own)[2:3], names(own)[3:])
    table = copy.table.filter(pl.col("subject").is_in(["P0", "P1"]))
    part = build_store(precropped(table), copy.path.parent / "copy-gft-h264", tmp_path, StoreSettings(copy.size))
    together, wider = pool(own, [part], fold)
    assert len(together) == len(own) + len(part)
    assert len(wider.train) == len(fold.train) + len(part)


def test_the_alignment_does_not_matter(tmp_path: Path) -> None:
    root = tmp_path / "disfa"
    write_tree("disfa", root, subjects=3, sequences=1, frames=6, scene=True)
    reading = read_dataset("disfa", root, {})
    aligned = locate(reading, root, AlignSettings("landmarks"), tmp_path / "cache")
    one = build_store(aligned, root, tmp_path / "stores", StoreSettings(48))
    videos = read_dataset("videos", root / "Videos_LeftCamera", {})
    other = build_store(precropped(videos.table), root / "Videos_LeftCamera", tmp_path / "stores", StoreSettings(48))
    pairs = {(name, f"LeftVideo{name}_comp") for name in names(one)}
    assert {*shared_people(one, other)["subject", "other"].rows()} == pairs
    right = read_dataset("videos", root / "Video_RightCamera", {})
    unseen = build_store(precropped(right.table), root / "Video_RightCamera", tmp_path / "right", StoreSettings(48))
    assert shared_people(one, unseen).is_empty(), "pictures of another camera tie nobody"
    unseen.say_videos_of("disfa")
    assert {mine for mine, _ in shared_people(one, open_store(unseen.path))["subject", "other"].rows()} == {*names(one)}
    assert shared_people(one, open_store(unseen.path)).height == 3, "each has the name that is in the file's name"
    assert "Both show people of disfa" in leaks(one, unseen)[0]


def test_a_name_that_says_nothing_may_be_anybody(own: FrameStore, tmp_path: Path) -> None:
    raw = tiny_store(tmp_path, subjects=2, frames=4, size=own.size, dataset="videos")
    first, second = names(own)[:2]
    videos = named(raw, tmp_path / "named", "videos", S00=f"talk_{first.lower()}", S01=f"{second}7")
    assert shared_people(own, videos).is_empty()
    videos.say_videos_of("bp4d")
    found = shared_people(own, videos)["subject", "other"].rows()
    assert [mine for mine, name in found if name == f"talk_{first.lower()}"] == [first]
    assert [mine for mine, name in found if name == f"{second}7"] == names(own), "F0027 is not F002"


def test_datasets_that_share_people_are_held_apart(
    own: FrameStore, others: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leaks(own, others) == []
    monkeypatch.setitem(CATALOG, "disfa", replace(CATALOG["disfa"], shares_people_with=("gft", "bp4d")))
    monkeypatch.setattr(same_people, "_found", {})
    for one, other in ((own, others), (others, own)):
        (line,) = leaks(one, other)
        assert "shows 4 of the 4 people of" in line
        assert "share people, and names do not tell whom" in line


def test_what_the_user_says_is_kept_beside_the_frames(own: FrameStore, tmp_path: Path) -> None:
    store = named(own, tmp_path, "videos")
    assert store.people_of == "videos"
    store.say_videos_of("bp4d+")
    again = open_store(store.path)
    assert again.people_of == "bp4d+"
    assert again.fingerprint == store.fingerprint
    assert "bp4d and bp4d+ share people" in leaks(own, again)[0] or "The pictures are the same" in leaks(own, again)[0]


def test_a_store_without_hashes_is_not_compared(own: FrameStore, others: FrameStore, tmp_path: Path) -> None:
    store = named(own, tmp_path, "gft")
    facts = json_object((store.path / STORE).read_bytes(), STORE)
    del facts["pictures"]
    (store.path / STORE).write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"before people were compared by their pictures\. Build it again"):
        leaks(open_store(store.path), others)


def test_damaged_hashes_are_refused(own: FrameStore, others: FrameStore, tmp_path: Path) -> None:
    store = named(own, tmp_path, "gft")
    kept = store.path / "pictures.bin"
    content = bytearray(kept.read_bytes())
    content[70] ^= 1
    for wrong in (bytes(content), bytes(content[:-64]), b""):
        kept.write_bytes(wrong)
        with pytest.raises(InputError, match=r"is damaged \(pictures\.bin\)"):
            leaks(open_store(store.path), others)
    kept.unlink()
    with pytest.raises(InputError, match=r"is damaged \(pictures\.bin\)"):
        leaks(open_store(store.path), others)


def test_hashes_do_not_change_what_a_store_is(own: FrameStore) -> None:
    assert own.path.name.startswith("bp4d-64px-")
    assert own.path.name.endswith(own.fingerprint[:12])
    assert own.pictures.shape == (len(own), 2, 32)
    assert own.pictures.any(axis=2).all()


def doubled(folder: Path, **frames: list[tuple[str, int]]) -> FrameStore:
    """Pictures of A, B, C and D, and further subjects who have so many of the first ones of these."""
    table = image_table(folder / "raw", ["A", "B", "C", "D"], 8)
    parts = [table]
    for name, counts in frames.items():
        rows = pl.concat(table.filter(subject=subject)[:count] for subject, count in counts)
        parts.append(rows.with_columns(subject=pl.lit(name), frame=pl.int_range(len(rows), dtype=pl.Int32)))
    return build_store(precropped(pl.concat(parts)), folder / "raw", folder / "stores", StoreSettings(16))


def test_one_person_under_two_names_is_found(tmp_path: Path) -> None:
    store = doubled(tmp_path, X1=[("D", 6)], X2=[("A", 3), ("B", 3), ("C", 2)], X3=[("C", 2)])
    found = twins(store)
    tied = [("A", "X2", 3, 3 / 8), ("B", "X2", 3, 3 / 8), ("C", "X3", 2, 1.0), ("D", "X1", 6, 1.0)]
    assert found.filter(pl.col("subject") != "X2")["subject", "other", "frames", "share"].rows() == tied
    assert found.filter(subject="X2")["other", "frames"].rows() == [("X3", 2)], "they show the same two of C"
    for row in found.iter_rows(named=True):
        assert store.table["path"][row["row"]] == store.table["path"][row["other_row"]]
    assert "6 frames of X1 (100%) show the face of D, e.g. frame " in "\n".join(twin_lines(store))
    assert twin_lines(doubled(tmp_path / "four")) == []


def test_no_fold_may_part_one_person(tmp_path: Path) -> None:
    store = doubled(tmp_path, X1=[("D", 6)])
    together = make_fold("together", store.table, ["A", "B"], ["C"], ["D", "X1"])
    unused = make_fold("unused", store.table, ["A", "B"], ["C"], ["D"])
    apart = make_fold("apart", store.table, ["A", "B"], ["C", "X1"], ["D"])
    check_twins(store, [together, unused])
    with pytest.raises(InputError, match="one person under two names") as caught:
        check_twins(store, [together, apart])
    assert str(caught.value).splitlines()[1:] == ["  - fold apart: D is in its test part, X1 in its val part"]


def test_a_few_frames_in_common_part_no_fold(tmp_path: Path) -> None:
    store = doubled(tmp_path, X1=[("A", 3), ("B", 2), ("C", 2)])
    assert twins(store)["subject", "other", "frames", "share"].rows() == [("A", "X1", 3, 3 / 7)]
    check_twins(store, [make_fold("x", store.table, ["A", "B"], ["C"], ["D", "X1"])])


def test_an_old_store_alone_can_be_used(own: FrameStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = named(own, tmp_path, "gft")
    facts = json_object((store.path / STORE).read_bytes(), STORE)
    del facts["pictures"]
    (store.path / STORE).write_text(json.dumps(facts))
    with caplog.at_level(logging.WARNING):
        assert twins(open_store(store.path)).is_empty()
    assert "does not tell whether a person has two names" in caplog.text
    assert len(np.unique(store.table["subject"])) == 4
