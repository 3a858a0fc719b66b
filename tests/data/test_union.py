"""Several datasets as one: whose frame a row is, what is coded in it, and who is in which part."""

from pathlib import Path

import numpy as np
import pytest

from data.clips import clips_of
from data.errors import InputError
from data.frames import SCHEMA, aus_of
from data.settings import ClipSettings
from data.store import FrameStore
from data.union import UnionStore, source_fold
from tests.data.several import CODED, store_of, three_stores


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FrameStore]:
    return three_stores(tmp_path_factory.mktemp("union"))


@pytest.fixture(scope="module")
def union(stores: dict[str, FrameStore]) -> UnionStore:
    return UnionStore((*stores.values(),))


def test_every_row_is_the_frame_of_its_dataset(stores: dict[str, FrameStore], union: UnionStore) -> None:
    assert len(union) == union.table.height == 24 + 30 + 36
    rows = np.array([60, 3, 24, 53, 23, 0, 89, 3])
    frames = np.concatenate([store.read(np.arange(len(store))) for store in stores.values()])
    assert np.array_equal(union.read(rows), frames[rows])
    out = np.empty((8, union.size, union.size, 3), np.uint8)
    assert union.read(rows, out) is out
    assert np.array_equal(out, frames[rows])
    assert union.domains.tolist() == [0] * 24 + [1] * 30 + [2] * 36


def test_every_label_is_that_of_its_frame_and_what_a_dataset_does_not_code_is_not_coded(
    stores: dict[str, FrameStore], union: UnionStore
) -> None:
    assert union.aus == aus_of(union.table) == (1, 12, 15, 25)
    labels, begin = union.labels((25, 1, 15, 12)), 0
    for name, store in stores.items():
        for row, values in enumerate(labels[begin : begin + len(store)].tolist()):
            for au, label in zip((25, 1, 15, 12), values, strict=True):
                known = store.table[row, f"au_{au}"] if au in CODED[name] else None
                assert label == (-1 if known is None else known)
        begin += len(store)
    assert (labels == -1).sum() > 2 * 24 + 2 * 30 + 36, "labels that a dataset itself lacks are lacking, too"
    with pytest.raises(InputError, match=r"does not code AU \[26\]; together they code \[1, 12, 15, 25\]"):
        union.labels((1, 26))


def test_people_are_named_after_their_dataset(stores: dict[str, FrameStore], union: UnionStore) -> None:
    assert union.subjects_of(np.array([0, 24, 54])) == ["bp4d:S00", "disfa:S00", "gft:S00"]
    assert union.table["subject"].n_unique() == 4 + 5 + 6
    assert union.table.columns[: len(SCHEMA)] == [*SCHEMA]
    assert union.name == "bp4d+disfa+gft"


def test_clips_stay_in_one_dataset(union: UnionStore) -> None:
    clips = clips_of(union.table, np.arange(len(union)), ClipSettings(4, 1))
    assert (union.domains[clips] == union.domains[clips[:, :1]]).all()
    assert {*union.domains[clips[:, 0]].tolist()} == {0, 1, 2}


def test_each_dataset_gives_people_for_validation_whatever_the_others_are(
    stores: dict[str, FrameStore], union: UnionStore
) -> None:
    fold = source_fold(union, 0.34, seed=0)
    assert sorted([*fold.train, *fold.val]) == [*range(len(union))]
    assert len(fold.test) == 0
    train, val = ({*union.subjects_of(rows)} for rows in (fold.train, fold.val))
    assert not train & val
    held_out = {name: sum(one.startswith(f"{name}:") for one in val) for name in stores}
    assert held_out == {"bp4d": 1, "disfa": 2, "gft": 2}
    pair = UnionStore((stores["gft"], stores["bp4d"]))
    alone = {*pair.subjects_of(source_fold(pair, 0.34, seed=0).val)}
    assert alone == {one for one in val if not one.startswith("disfa")}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_validation_share_that_leaves_a_part_empty_is_refused(union: UnionStore, share: float) -> None:
    with pytest.raises(InputError, match="val_share="):
        source_fold(union, share, seed=0)


def test_one_person_cannot_train_and_validate(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    lonely = store_of(tmp_path, "disfa", subjects=1)
    with pytest.raises(InputError, match="shows 1 person"):
        source_fold(UnionStore((stores["gft"], lonely)), 0.34, seed=0)


def test_what_does_not_go_together_is_refused_with_all_reasons(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    large = store_of(tmp_path, "bp4d", subjects=2, first=2, size=32)
    with pytest.raises(InputError) as caught:
        UnionStore((stores["bp4d"], large, stores["gft"]))
    said = str(caught.value)
    assert "has 32 px" in said
    assert f"{large.path.name} shows 2 of the 4 people of {stores['bp4d'].path.name}, in 12 of its 12 frames" in said
    assert "S02, S03. " in said
    others = store_of(tmp_path, "bp4d", subjects=2, first=4, seed=5)
    assert len(UnionStore((stores["bp4d"], others))) == 24 + 12
