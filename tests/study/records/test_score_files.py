"""Score tables as files: written and read the same, and said what to do where they cannot be read."""

from pathlib import Path

import pytest

from data.errors import DamagedError, InputError
from study.records.score_files import WRITERS, read_scores, scores_path, write_scores
from study.records.score_table import SCORES, scores_frame
from tests.study.make import opened
from tests.study.records.test_score_table import ROW


@pytest.mark.parametrize("kind", WRITERS)
def test_scores_are_read_as_they_were_written(kind: str, tmp_path: Path) -> None:
    scores = scores_frame([ROW, ROW | {"au": 12, "against": "bce", "p": 0.03}])
    assert write_scores(tmp_path, kind, scores) == scores_path(tmp_path, kind) == tmp_path / f"scores/{kind}.parquet"
    assert read_scores(tmp_path, kind).equals(scores)


def test_nothing_written_is_no_row(tmp_path: Path) -> None:
    found = read_scores(tmp_path, "ablation")
    assert found.height == 0
    assert dict(found.schema) == SCORES


def test_half_a_file_says_what_to_run(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "mine", "robustness", scores_frame([ROW]))
    path.write_bytes(path.read_bytes()[:99])
    with pytest.raises(InputError, match=r"damaged \(.*robustness\.parquet: .*run launch/stress.py name=mine again"):
        read_scores(tmp_path / "mine", "robustness")


def test_damaged_partitions_need_their_key_again(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "mine", "partitions", scores_frame([ROW]))
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"run launch/final.py name=mine partitions=<number> again"):
        read_scores(tmp_path / "mine", "partitions")


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "mine", "final", scores_frame([ROW]))
    content = path.read_bytes()
    for at in range(0, len(content), 53):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(DamagedError, match=r"final\.parquet: .*run launch/final.py name=mine again"):
            read_scores(tmp_path / "mine", "final")


def test_the_scores_of_another_study_are_found(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        write_scores(tmp_path / name, "final", scores_frame([ROW]))
    scores_path(tmp_path / "other", "final").replace(scores_path(tmp_path / "mine", "final"))
    with pytest.raises(DamagedError, match="it is a copy of another file"):
        read_scores(tmp_path / "mine", "final")


def test_scores_of_a_study_whose_folder_was_renamed_are_read(tmp_path: Path) -> None:
    store = opened(tmp_path / "mine")
    write_scores(store.root, "final", scores_frame([ROW]))
    store.root.rename(tmp_path / "renamed")
    assert read_scores(tmp_path / "renamed", "final").height == 1


def test_a_folder_with_the_marks_of_a_pattern_is_a_folder(tmp_path: Path) -> None:
    for name in ("bp4d[1]", "bp4d1", "b*", "b?4d1"):
        write_scores(tmp_path / name, "final", scores_frame([ROW | {"method": name}]))
    for name in ("bp4d[1]", "bp4d1", "b*", "b?4d1"):
        assert read_scores(tmp_path / name, "final")["method"].to_list() == [name]


def test_columns_of_another_version_are_refused(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "mine", "transfer", scores_frame([ROW]))
    scores_frame([ROW]).drop("value").write_parquet(path)
    with pytest.raises(InputError, match=r"by another version; run launch/transfer.py name=mine again"):
        read_scores(tmp_path / "mine", "transfer")


def test_what_is_not_of_the_schema_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected"):
        write_scores(tmp_path, "final", scores_frame([ROW]).drop("au"))
    assert not scores_path(tmp_path, "final").exists()
