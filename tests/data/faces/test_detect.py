from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from data.errors import InputError
from data.faces import detect as detect_module
from data.faces.detect import USUAL_EYES, detect, eyes_of, model_crc
from data.faces.points import five_points
from data.settings import YUNET
from tests.data.faces.draw import drawn_faces, reading
from tests.data.faces.onnx import toy_yunet
from tests.data.trees import video

POINTS = [[1, 2], [21, 3], [11, 14], [4, 22], [18, 23]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_yunet(POINTS))
    return path


def bright(path: Path, *corners: tuple[int, int], size: tuple[int, int] = (64, 96)) -> None:
    """Write a black picture with a bright block of 8 x 8 pixels at each corner (x, y)."""
    pixels = np.zeros((*size, 3), np.uint8)
    for x, y in corners:
        pixels[y : y + 8, x : x + 8] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "BMP")  # as long whatever it shows


def bright_rows(root: Path, count: int) -> pl.DataFrame:
    """The table of pictures whose bright block moves to the right."""
    table = reading([("F001", "T1", frame) for frame in range(1, count + 1)]).table
    for i, path in enumerate(table["path"]):
        bright(root / path, (8 * (i % 6), 16))
    return table


def test_yunet_gives_five_points_image_left_first(tmp_path: Path, model: Path) -> None:
    table = bright_rows(tmp_path, 3)
    bright(tmp_path / table["path"][1])
    found = detect("yunet", model, tmp_path, table, tmp_path / "cache")
    assert found.dtype == np.float32
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]].reshape(2, 5, 2), [np.add(POINTS, (0, 16)), np.add(POINTS, (16, 16))])


def test_yunet_points_of_a_picture_that_was_shrunk(tmp_path: Path, model: Path) -> None:
    table = reading([("F001", "T1", 1)]).table
    pixels = np.zeros((640, 1280, 3), np.uint8)
    pixels[32:48, 64:80] = 255
    path = tmp_path / table["path"][0]
    path.parent.mkdir(parents=True)
    Image.fromarray(pixels).save(path)
    found = detect("yunet", model, tmp_path, table, tmp_path / "cache").reshape(5, 2)
    np.testing.assert_allclose(found, 2 * (np.add(POINTS, (32, 16)) + 0.5) - 0.5)


def test_the_largest_face_is_taken() -> None:
    faces = np.array([[0, 0, 10, 30], [5, 5, 20, 20], [9, 9, 1, 50]])
    assert detect_module._largest(faces).tolist() == [5, 5, 20, 20]


def test_a_model_that_is_missing_or_no_yunet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = bright_rows(tmp_path, 1)
    with pytest.raises(InputError, match=f"Download {YUNET} from the model zoo of OpenCV"):
        detect("yunet", tmp_path / "nowhere.onnx", tmp_path, table, tmp_path / "cache")
    path = tmp_path / "wrong.onnx"
    path.write_bytes(b"this is no model")
    with pytest.raises(InputError, match=f"not an ONNX model that OpenCV can read; expected {YUNET}"):
        detect("yunet", path, tmp_path, table, tmp_path / "cache")
    path.write_bytes(toy_yunet(POINTS).replace(b"kps_", b"kpt_"))
    with pytest.raises(InputError, match=f"does not give what YuNet gives; expected {YUNET}"):
        detect("yunet", path, tmp_path, table, tmp_path / "cache")
    capfd.readouterr()  # what OpenCV says about it


def test_the_checksum_names_the_model(tmp_path: Path, model: Path) -> None:
    before = model_crc(model)
    model.write_bytes(toy_yunet([[0, 0]] * 5))
    assert len(before) == 8
    assert model_crc(model) != before


def test_haar_finds_the_eyes_of_drawn_faces(tmp_path: Path) -> None:
    found_reading, points = drawn_faces(tmp_path)
    found = detect("haar", None, tmp_path, found_reading.table, tmp_path / "cache")
    eyes, guessed = eyes_of(found)
    true = five_points(points)[:, :2]
    distance = np.linalg.norm(true[:, 1] - true[:, 0], axis=1)[:, None]
    away = np.linalg.norm(eyes - true, axis=2) / distance
    seen = ~np.isnan(found).all(axis=1)
    assert seen.sum() >= 5
    assert (seen & ~guessed).sum() >= 3
    assert away[seen].max() < 0.25
    assert np.median(away[seen]) < 0.1


def test_eyes_that_are_not_seen_are_guessed_from_the_box() -> None:
    found = np.full((3, 8), np.nan, np.float32)
    found[0] = [10, 20, 100, 100, 40, 60, 80, 61]
    found[1, :4] = [10, 20, 100, 100]
    eyes, guessed = eyes_of(found)
    assert guessed.tolist() == [False, True, False]
    np.testing.assert_allclose(eyes[0], [[40, 60], [80, 61]])
    np.testing.assert_allclose(eyes[1], [10, 20] + 100 * USUAL_EYES - 0.5)
    assert np.isnan(eyes[2]).all()


def test_no_face_is_nan(tmp_path: Path) -> None:
    table = bright_rows(tmp_path, 1)
    assert np.isnan(detect("haar", None, tmp_path, table, tmp_path / "cache")).all()


def test_frames_of_videos(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_module, "PIECE_ROWS", 2)
    video(tmp_path / "a.avi", 6, 64)
    table = bright_rows(tmp_path, 5).with_columns(
        path=pl.Series(["a.avi", "a.avi", "a.avi", *bright_rows(tmp_path, 5)["path"][3:]]),
        index=pl.Series([0, 2, 4, None, None], dtype=pl.Int32),
    )
    seen = list[tuple[int, int]]()
    found = detect("yunet", model, tmp_path, table, tmp_path / "cache", progress=lambda *now: seen.append(now))
    assert seen == [(0, 5), (3, 5), (5, 5)]
    np.testing.assert_allclose(found[3:, 0], [25, 33])


def test_pieces_keep_videos_whole_and_divide_images() -> None:
    paths = ["a.avi"] * 3 + ["b.avi"] * 2 + [f"{i}.png" for i in range(5)]
    table = pl.DataFrame({"path": paths, "index": [0, 1, 2, 0, 1, *[None] * 5]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect_module, "PIECE_ROWS", 2)
        pieces = list(detect_module._pieces(table))
    assert [first for first, _ in pieces] == [0, 3, 5, 7, 9]
    assert [place for _, places in pieces for place in places.rows()] == table.rows()


def test_a_killed_run_goes_on(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_module, "PIECE_ROWS", 2)
    table, cache = bright_rows(tmp_path, 6), tmp_path / "cache"
    calls = list[int]()
    search = detect_module._search

    def killed(piece: detect_module._Piece) -> list[str]:
        calls.append(piece.first)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return search(piece)

    monkeypatch.setattr(detect_module, "_search", killed)
    with pytest.raises(KeyboardInterrupt):
        detect("yunet", model, tmp_path, table, cache)
    found = detect("yunet", model, tmp_path, table, cache)
    np.testing.assert_allclose(found[:, 0], [1, 9, 17, 25, 33, 41])
    again = detect("yunet", model, tmp_path, table, cache)
    np.testing.assert_array_equal(again, found)
    assert calls == [0, 2, 4, 4]
    assert [path.suffix for path in cache.iterdir() if not path.name.startswith(".")] == [".npy"]


def test_what_is_cached_is_of_these_images_and_this_model(tmp_path: Path, model: Path) -> None:
    table, cache = bright_rows(tmp_path, 2), tmp_path / "cache"
    detect("yunet", model, tmp_path, table, cache)
    bright(tmp_path / table["path"][0], (40, 32))
    assert detect("yunet", model, tmp_path, table, cache)[0, 0] == 41
    model.write_bytes(toy_yunet(np.add(POINTS, 1)))
    assert detect("yunet", model, tmp_path, table, cache)[0, 0] == 42
    for path in cache.glob("*.npy"):
        path.write_bytes(path.read_bytes()[:-3])
    assert detect("yunet", model, tmp_path, table, cache)[0, 0] == 42


def test_every_image_that_cannot_be_read_is_named(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_module, "PIECE_ROWS", 2)
    monkeypatch.setattr(detect_module, "DIGEST_SAMPLE", 1)  # what is repaired below goes on with the same cache
    table, cache = bright_rows(tmp_path, 6), tmp_path / "cache"
    (tmp_path / table["path"][3]).write_bytes(b"")
    (tmp_path / table["path"][5]).unlink()
    with pytest.raises(InputError) as error:
        detect("yunet", model, tmp_path, table, cache)
    assert table["path"][3] in str(error.value)
    assert f"{table['path'][5]}: no such file" in str(error.value)
    assert len(str(error.value).splitlines()) == 3
    bright_rows(tmp_path, 6)
    assert detect("yunet", model, tmp_path, table, cache)[:, 0].tolist() == [1, 9, 17, 25, 33, 41]


def test_processes_change_nothing(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_module, "PIECE_ROWS", 3)
    table = bright_rows(tmp_path, 6)
    alone = detect("yunet", model, tmp_path, table, tmp_path / "one")
    np.testing.assert_array_equal(detect("yunet", model, tmp_path, table, tmp_path / "two", processes=2), alone)
