from pathlib import Path

import pytest

from data.aus import AU_NAMES
from data.catalog import CATALOG, dataset, options_of, read_dataset
from data.dataset import Dataset
from data.errors import InputError
from data.frames import aus_of
from data.synthetic import LAYOUTS, write_tree
from tests.data.trees import bp4d_row, bp4d_sequence


def test_rows_are_named_by_their_key() -> None:
    assert {name: row.name for name, row in CATALOG.items()} == {name: name for name in CATALOG}
    assert dataset("synthetic").read is dataset("bp4d").read


@pytest.mark.parametrize("row", CATALOG.values(), ids=lambda row: row.name)
def test_the_facts_of_a_row_agree(row: Dataset) -> None:
    assert list(row.aus) == sorted({*row.aus} & {*AU_NAMES})
    assert not row.rates or set(row.rates) == set(row.aus)
    assert bool(row.parts) == (row.fold_scheme == "parts")
    assert bool(row.aus) == bool(row.fold_scheme)
    assert row.threshold is None or options_of(row)["threshold"] == row.threshold
    assert row.images_are_free == (row.name == "synthetic")
    people = {subject for members in row.parts.values() for subject in members}
    assert {place.split("/")[0] for place in (*row.untracked, *row.badly_tracked)} <= people
    assert all(first <= last for _, first, last in row.bad_spans())


def test_an_unknown_dataset_gets_the_choices_and_a_guess() -> None:
    with pytest.raises(InputError, match=r"allowed: affwild2, bp4d, disfa, gft, synthetic, videos.*mean 'bp4d'"):
        dataset("BP4D+")
    with pytest.raises(InputError) as caught:
        dataset("zzz")
    assert "mean" not in str(caught.value)


def test_options_reach_the_reader_under_the_name_asked_for(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001_T1", [bp4d_row(5, {})], (5,))
    reading = read_dataset("synthetic", tmp_path, {"image_offset": 0})
    assert reading.table["dataset"].to_list() == ["synthetic"]


@pytest.mark.parametrize("option", ["threshold", "root", "dataset"])
def test_an_unknown_option_is_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(InputError, match=f"bp4d has no option {option}; allowed: image_offset, drop_occluded"):
        read_dataset("bp4d", tmp_path, {option: 1})
    with pytest.raises(InputError, match=r"allowed: uncoded, annotations"):
        read_dataset("affwild2", tmp_path, {option: 1})


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "absent"):
        with pytest.raises(InputError, match="is not a folder"):
            read_dataset("bp4d", root, {})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_synthetic_trees_are_read_back(tmp_path: Path, layout: str) -> None:
    write_tree(layout, tmp_path / "tree", subjects=3, sequences=2, frames=6, size=32)
    reading = read_dataset(layout, tmp_path / "tree", {})
    assert reading.table.height + reading.excluded.height == 36
    assert set(reading.excluded["reason"]) <= {"no crop"}
    assert aus_of(reading.table) == CATALOG[layout].aus
    assert reading.table["subject"].n_unique() == 3
    assert all((tmp_path / "tree" / path).is_file() for path in reading.table["path"].unique())
