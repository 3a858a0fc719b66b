from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from data.faces.landmarks import find_landmarks, read_landmarks, signature
from tests.data.faces.draw import many, reading, struct, write_mat
from tests.data.trees import lines

FRAMES = [("F001", "T1", frame) for frame in (2, 3, 5)]


def read(root: Path, rows: list[tuple[str, str, int]] = FRAMES, dataset: str = "bp4d") -> np.ndarray:
    return read_landmarks(dataset, root, reading(rows, dataset).table)


def disfa(root: Path, numbers: range, name: str = "SN001_{:04d}_lm", subject: str = "SN001") -> np.ndarray:
    """Write a file of 66 points for each number; returns all points."""
    points = many(len(numbers), 66)
    for number, one in zip(numbers, points, strict=True):
        write_mat(root / "Landmark_Points" / subject / "tmp_frame_lm" / f"{name.format(number)}.mat", pts=one)
    return points


DISFA = [("SN001", "left", frame) for frame in (1, 2, 3, 4)]


@pytest.mark.parametrize("name", ["BP4D-fpoints/F001_T1", "2D+3D/2DFeatures/2F01_01", "Landmarks/f001_t1"])
def test_bp4d_struct_with_an_entry_a_frame(tmp_path: Path, name: str) -> None:
    points = many(6, 49)
    points[2] = np.nan
    write_mat(tmp_path / f"{name}.mat", fit=struct(points, pose=[np.zeros(3)] * 6))
    found = read(tmp_path)
    np.testing.assert_allclose(found[[0, 2]], points[[1, 4]], rtol=1e-6)
    assert np.isnan(found[1]).all()
    assert found.dtype == np.float32


@pytest.mark.parametrize("form", ["n K 2", "K 2 n", "pairs", "halves"])
def test_bp4d_numbers(tmp_path: Path, form: str) -> None:
    points = many(7, 49)
    pairs = points.reshape(7, -1)
    halves = points.swapaxes(1, 2).reshape(7, -1)
    stored = {"n K 2": points, "K 2 n": np.moveaxis(points, 0, 2), "pairs": pairs, "halves": halves}[form]
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", pts=stored, version=3, who="us")
    np.testing.assert_allclose(read(tmp_path), points[[1, 2, 4]], rtol=1e-6)


def test_bp4d_one_frame_alone(tmp_path: Path) -> None:
    points = many(1, 49)
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", fit=struct(points))
    np.testing.assert_allclose(read(tmp_path, [("F001", "T1", 1)]), points, rtol=1e-6)


def test_bp4d_frame_numbers_in_the_file(tmp_path: Path) -> None:
    points = many(3, 49)
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", pts=points, frames=np.array([3, 5, 9]), weight=np.ones(3))
    found = read(tmp_path)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1:], points[:2], rtol=1e-6)


def test_bp4d_frames_beyond_the_end_have_none(tmp_path: Path) -> None:
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", pts=many(4, 49))
    assert np.isnan(read(tmp_path)).all(axis=(1, 2)).tolist() == [False, False, True]


@pytest.mark.parametrize("entries", [3, 1])
def test_bp4d_entries_that_could_be_any_frame_are_refused(tmp_path: Path, entries: int) -> None:
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", fit=struct(many(entries, 49)))
    with pytest.raises(InputError, match=rf"F001_T1.mat: {entries} entries, but frames 2 to 5 are coded"):
        read(tmp_path)


def test_bp4d_a_sequence_without_a_file_has_none(tmp_path: Path) -> None:
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", pts=many(9, 49))
    found = read(tmp_path, [*FRAMES, ("M002", "T7", 1)])
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False, False, False, True]


def test_bp4d_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "2DFeatures"
    write_mat(folder / "F001_T1.mat", pts=many(9, 49), copy=many(9, 49))
    write_mat(folder / "F001_T2.mat", shape=np.zeros((9, 40, 2)))
    (folder / "F001_T3.mat").write_bytes(b"not a file of MATLAB" * 20)
    write_mat(folder / "F001_T4.mat", pts=many(9, 49), a=np.arange(9), b=np.arange(9))
    write_mat(folder / "F001_T5.mat", fit=struct(many(9, 49), other=many(9, 49)))
    with pytest.raises(InputError) as error:
        read(tmp_path, [("F001", f"T{task}", 1) for task in range(1, 6)])
    text = str(error.value)
    assert "F001_T1.mat: more than one variable or field holds landmarks (pts: [9, 49, 2], copy: [9, 49, 2])" in text
    assert "F001_T2.mat: no variable holds landmarks (shape: [9, 40, 2])" in text
    assert "F001_T3.mat: not a readable .mat file" in text
    assert "F001_T4.mat: a, b could all be the frame numbers" in text
    assert "F001_T5.mat: more than one variable or field holds landmarks (fit: [9] with fields pred, other)" in text


def test_bp4d_mixed_sets_and_two_folders_are_refused(tmp_path: Path) -> None:
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", pts=many(9, 49))
    write_mat(tmp_path / "2DFeatures" / "F001_T2.mat", pts=many(9, 66))
    with pytest.raises(InputError, match=r"sets of \[49, 66\] points"):
        read(tmp_path, [*FRAMES, ("F001", "T2", 1)])
    write_mat(tmp_path / "Landmarks" / "F001_T1.mat", pts=many(9, 49))
    with pytest.raises(InputError, match=r"2DFeatures, .*Landmarks\. Give the one to use"):
        read(tmp_path)


def test_no_landmarks_at_all(tmp_path: Path) -> None:
    (tmp_path / "Sequences(2D+3D)").mkdir()
    with pytest.raises(InputError, match=r"2DFeatures/F001_T1\.mat"):
        read(tmp_path)
    with pytest.raises(InputError, match="gft comes without landmarks"):
        find_landmarks("gft", tmp_path)
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        find_landmarks("gft", tmp_path, tmp_path / "nowhere")


def test_disfa_counts_from_zero_or_from_one(tmp_path: Path) -> None:
    zero = disfa(tmp_path / "zero", range(4))
    np.testing.assert_allclose(read(tmp_path / "zero", DISFA, "disfa"), zero, rtol=1e-6)
    one = disfa(tmp_path / "one", range(1, 5), "l{:05d}_lm")
    np.testing.assert_allclose(read(tmp_path / "one", DISFA, "disfa"), one, rtol=1e-6)


def test_disfa_missing_and_empty_files_have_none(tmp_path: Path) -> None:
    points = disfa(tmp_path, range(1, 5), "l{:05d}_lm")
    folder = tmp_path / "Landmark_Points" / "SN001" / "tmp_frame_lm"
    (folder / "l00003_lm.mat").unlink()
    write_mat(folder / "l00002_lm.mat", pts=np.zeros((0, 0)))
    found = read(tmp_path, [*DISFA, ("SN002", "left", 1)], "disfa")
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False, True, True, False, True]
    np.testing.assert_allclose(found[3], points[3], rtol=1e-6)


@pytest.mark.parametrize(("first", "name"), [(0, "SN001_{:04d}_lm"), (1, "l{:05d}_lm")])
def test_disfa_drops_the_first_of_one_file_too_many(tmp_path: Path, first: int, name: str) -> None:
    points = disfa(tmp_path, range(first, first + 5), name)
    np.testing.assert_allclose(read(tmp_path, DISFA, "disfa"), points[1:], rtol=1e-6)


def test_disfa_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    disfa(tmp_path, range(4))
    folder = tmp_path / "Landmark_Points" / "SN001" / "tmp_frame_lm"
    (folder / "SN001_0001_lm.mat").write_bytes(b"")
    write_mat(folder / "SN001_0002_lm.mat", points=np.zeros((66, 2)))
    with pytest.raises(InputError) as error:
        read(tmp_path, DISFA, "disfa")
    assert "SN001_0001_lm.mat: not a readable" in str(error.value)
    assert "SN001_0002_lm.mat: no variable `pts` of shape [66, 2] (points: [66, 2])" in str(error.value)


def test_disfa_two_kinds_of_names_and_the_other_camera_are_refused(tmp_path: Path) -> None:
    disfa(tmp_path, range(4))
    with pytest.raises(InputError, match="left camera, the frames of the right one"):
        read(tmp_path, [("SN001", "right", 1)], "disfa")
    disfa(tmp_path, range(4), "l{:05d}_lm")
    with pytest.raises(InputError, match="side by side"):
        read(tmp_path, DISFA, "disfa")


def test_processes_change_nothing(tmp_path: Path) -> None:
    rows = [("F001", f"T{task}", frame) for task in (1, 2, 3) for frame in (1, 2)]
    for task in (1, 2, 3):
        write_mat(tmp_path / "2DFeatures" / f"F001_T{task}.mat", pts=many(task + 2, 49))
    table, seen = reading(rows).table, list[tuple[int, int]]()
    found = read_landmarks("bp4d", tmp_path, table, processes=2, progress=lambda *now: seen.append(now))
    np.testing.assert_array_equal(found, read(tmp_path, rows))
    assert seen == [(2, 6), (4, 6), (6, 6)]


def openface(path: Path, points: np.ndarray, success: list[int], first: int = 1) -> Path:
    """OpenFace's file: blanks after commas, all x before all y, other columns in between."""
    axes = [f" {axis}_{index}" for axis in "xy" for index in range(points.shape[1])]
    header = ["frame", " face_id", " success", " eye_lmk_x_0", *axes, " X_0"]
    rows = [
        [first + i, " 0", f" {success[i]}", " 7", *(f" {value:.1f}" for value in one.T.ravel()), " 9"]
        for i, one in enumerate(points)
    ]
    return lines(path, header, *rows)


@pytest.mark.parametrize("name", ["F001_T1.csv", "F001/T1.csv", "F001.csv", "f001_t1.CSV"])
def test_openface_files(tmp_path: Path, name: str) -> None:
    points = many(5)
    openface(tmp_path / name, points, [1, 1, 0, 1, 1])
    found = read_landmarks("bp4d", tmp_path, reading(FRAMES).table, tmp_path)
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False, True, False]
    np.testing.assert_allclose(found[[0, 2]], points[[1, 4]], atol=0.06)


def test_openface_counts_the_frames_of_a_video(tmp_path: Path) -> None:
    points = many(5)
    openface(tmp_path / "F001.csv", points, [1] * 5)
    table = reading(FRAMES).table.with_columns(index=pl.Series([0, 1, 4], dtype=pl.Int32))
    found = read_landmarks("bp4d", tmp_path, table, tmp_path)
    np.testing.assert_allclose(found, points[[0, 1, 4]], atol=0.06)


def test_openface_that_counted_images_is_refused(tmp_path: Path) -> None:
    openface(tmp_path / "F001_T1.csv", many(4), [1] * 4)
    with pytest.raises(InputError, match=r"F001_T1\.csv: ends with frame 4, but frame 5 is needed"):
        read_landmarks("bp4d", tmp_path, reading(FRAMES).table, tmp_path)


def test_openface_a_file_of_a_subject_with_two_sequences_is_not_taken(tmp_path: Path) -> None:
    openface(tmp_path / "F001.csv", many(5), [1] * 5)
    with pytest.raises(InputError, match="has no landmarks of these frames"):
        read_landmarks("bp4d", tmp_path, reading([*FRAMES, ("F001", "T2", 1)]).table, tmp_path)


def test_openface_wrong_files(tmp_path: Path) -> None:
    lines(tmp_path / "F001_T1.csv", "frame,x_0,y_0", "1,2,3")
    openface(tmp_path / "F001_T2.csv", many(2), [1, 1])
    text = (tmp_path / "F001_T2.csv").read_text()
    (tmp_path / "F001_T2.csv").write_text(text.replace("\n2,", "\n1,"))
    openface(tmp_path / "F001_T3.csv", many(2), [1, 1])
    text = (tmp_path / "F001_T3.csv").read_text()
    (tmp_path / "F001_T3.csv").write_text(text.replace("\n2,", "\nlast,"))
    with pytest.raises(InputError) as error:
        read_landmarks("bp4d", tmp_path, reading([("F001", f"T{t}", 1) for t in (1, 2, 3)]).table, tmp_path)
    assert "F001_T1.csv: needs the columns frame and x_0" in str(error.value)
    assert "F001_T2.csv: a frame is listed twice" in str(error.value)
    assert "F001_T3.csv, column frame: 'last' is not a number" in str(error.value)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_one_table_of_all_frames(tmp_path: Path, suffix: str) -> None:
    points = many(2, 5 + 44)
    held = pl.DataFrame({"subject": ["F001", "F001"], "sequence": "T1", "frame": [5, 2]}).with_columns(
        pl.Series(f"{axis}_{k}", points[:, k, a]) for k in range(49) for a, axis in enumerate("xy")
    )
    path = tmp_path / f"mine.{suffix}"
    held.write_parquet(path) if suffix == "parquet" else held.write_csv(path)
    found = read_landmarks("gft", tmp_path, reading(FRAMES).table, path)
    np.testing.assert_allclose(found[[0, 2]], points[[1, 0]], rtol=1e-6)
    assert np.isnan(found[1]).all()
    with pytest.raises(InputError, match=r"contains none of the frames; its first is .*F001"):
        read_landmarks("gft", tmp_path, reading([("M001", "T1", 2)]).table, path)


def test_signature_notices_every_change(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "below" / "one.mat", pts=many(1))
    before = signature(tmp_path)
    assert signature(tmp_path) == before
    path.rename(path.with_name("two.mat"))
    renamed = signature(tmp_path)
    lines(tmp_path / "more.csv", "a")
    assert len({before, renamed, signature(tmp_path)}) == 3
    assert signature(path.with_name("two.mat")) != renamed
