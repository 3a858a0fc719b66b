from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from data.errors import InputError
from data.faces import align as align_module
from data.faces.align import VERSIONS, Faces, align, alignment_id, locate
from data.faces.landmarks import read_landmarks
from data.faces.points import ARCFACE, five_points, similarity, template
from data.frames import EXCLUDED, Reading, excluded_frames
from data.media import read_image, resize
from data.settings import ALIGNMENTS, AlignSettings
from tests.data.faces.draw import drawn_faces, face, many, reading, smooth, smooth_picture, struct, subset, write_mat
from tests.data.faces.onnx import toy_yunet
from tests.data.faces.test_detect import POINTS, bright_rows

MANY = [("F001", "T1", frame) for frame in range(1, 7)]


def landmark_tree(root: Path, points: np.ndarray, size: tuple[int, int] = (200, 240)) -> Reading:
    """Pictures of `size` and landmarks, BP4D's way, of the frames of F001/T1."""
    found = reading([("F001", "T1", frame) for frame in range(1, len(points) + 1)])
    for path in found.table["path"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth_picture(*size)).save(root / path)
    write_mat(root / "2DFeatures" / "F001_T1.mat", fit=struct(points))
    return found


def in_crop(faces: Faces, points: np.ndarray) -> np.ndarray:
    """`points` [n, k, 2] of the source in unit coordinates of the crops."""
    assert faces.crops is not None
    return np.stack(
        [np.linalg.solve(crop[:, :2], (p - crop[:, 2]).T).T for crop, p in zip(faces.crops, points, strict=True)]
    )


def oracle(crop: np.ndarray, size: int, samples: int = 4) -> np.ndarray:
    """The crop of the smooth picture, averaged over `samples` x `samples` places within each pixel."""
    result = np.zeros((size, size, 3))
    for i in range(size):
        for j in range(size):
            for a in range(samples):
                for b in range(samples):
                    u, v = (j + (a + 0.5) / samples) / size, (i + (b + 0.5) / samples) / size
                    x, y = crop @ (u, v, 1)
                    result[i, j] += smooth(x, y) / samples**2
    return result


def test_a_precropped_image_of_the_right_size_is_unchanged() -> None:
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    np.testing.assert_array_equal(align(image, 8, None), image)


def test_precropped_takes_the_centre_square() -> None:
    image = np.zeros((10, 16, 3), np.uint8)
    image[:, 3:13] = 200
    assert (align(image, 10, None) == 200).all()
    np.testing.assert_array_equal(align(smooth_picture(60, 90), 32, None), resize(smooth_picture(60, 90)[:, 15:75], 32))


@pytest.mark.parametrize("scale", [20, 32.0, 47, 60, 130, 260])
@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_align_agrees_with_a_slow_oracle(scale: float, turn: float) -> None:
    crop = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]]) * scale
    crop[:, 2] = 250.3 - crop[:, :2] @ (0.5, 0.5)
    image = smooth_picture(500, 510)
    wrong = np.abs(align(image, 32, crop.astype(np.float32)).astype(float) - oracle(crop, 32))
    limit = 2.5 + (scale / 32) ** 2 / 15  # what linear interpolation loses where the picture is curved
    assert wrong.max() < limit
    assert wrong.mean() < limit / 4


def test_a_shift_of_a_quarter_pixel_is_seen() -> None:
    image = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] * 4, 64, axis=0).repeat(3, axis=2)
    crop = np.array([[16, 0, 20.25 - 0.5], [0, 16, 20.0 - 0.5]])
    np.testing.assert_array_equal(align(image, 16, crop)[8, :, 0], (np.arange(16) + 20.25) * 4)


def test_a_crop_that_shrinks_is_averaged() -> None:
    image = np.zeros((256, 256, 3), np.uint8)
    image[3::8] = image[4::8] = 254  # the rows at which linear interpolation would look
    stripes = align(image, 32, np.array([[256.0, 0, -0.5], [0, 256, -0.5]]))
    np.testing.assert_allclose(stripes, 254 / 4, atol=2)


def test_the_edge_is_repeated_beyond_the_image() -> None:
    image = np.full((40, 40, 3), 90, np.uint8)
    for side, first in ((60.0, -20.0), (400.0, -100.0), (20.0, 500.0)):
        assert (align(image, 32, np.array([[side, 0, first], [0, side, first]])) == 90).all()


def test_a_turned_scaled_and_shifted_face_becomes_the_canonical_one() -> None:
    canonical = smooth_picture(128, 128)
    turned = similarity(template(0.1)[None] * 128 - 0.5, template(0.1))[0]
    np.testing.assert_allclose(align(canonical, 128, turned), canonical, atol=1)
    image, points = smooth_picture(300, 300), np.stack([template(0.1)] * 3)
    for one, (scale, angle) in zip(points, ((90, 0.3), (128, -0.2), (200, 0.1)), strict=True):
        rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        placed = one @ rotation.T + (150 - scale / 2, 160 - scale / 2)
        found = similarity(placed[None], template(0.1))[0]
        expected = np.column_stack([rotation, (150 - scale / 2, 160 - scale / 2)])
        wrong = np.abs(align(image, 32, found).astype(float) - oracle(expected, 32))
        assert wrong.max() < 4


def test_alignment_ids(tmp_path: Path) -> None:
    model = tmp_path / "toy.onnx"
    model.write_bytes(toy_yunet(POINTS))
    assert alignment_id(AlignSettings()) == "precropped-1"
    assert alignment_id(AlignSettings(margin=0.3)) == "precropped-1"
    assert alignment_id(AlignSettings("landmarks", margin=0.2)) == "landmarks-1-m0.2"
    assert alignment_id(AlignSettings("box", "here.csv")) == "box-1-m0.1-elsewhere"
    first = alignment_id(AlignSettings("yunet", model=str(model)))
    model.write_bytes(toy_yunet(np.add(POINTS, 1)))
    assert first.startswith("yunet-1-m0.1-")
    assert first != alignment_id(AlignSettings("yunet", model=str(model)))
    with pytest.raises(InputError, match="nowhere is not a file"):
        alignment_id(AlignSettings("yunet", model="nowhere"))


def test_wrong_settings_are_named_all_at_once() -> None:
    with pytest.raises(InputError) as error:
        AlignSettings("dlib", landmarks="a", model="b", margin=-0.1)
    text = str(error.value)
    assert "name='dlib'; allowed: precropped, landmarks, box, haar, yunet" in text
    assert "margin=-0.1" in text
    assert "landmarks='a' needs" in text
    assert "model='b' needs" in text
    with pytest.raises(InputError, match=r"face_detection_yunet_2023mar\.onnx from the model zoo"):
        AlignSettings("yunet")


def test_precropped_keeps_everything(tmp_path: Path) -> None:
    found = reading(MANY)
    faces = locate(found, tmp_path, AlignSettings(), tmp_path / "cache")
    assert faces.table is found.table
    assert faces.crops is None
    assert faces.alignment == "precropped-1"
    assert not (tmp_path / "cache").exists()


def test_landmarks_put_the_face_at_the_template(tmp_path: Path) -> None:
    points = np.stack([face(60, (100 + i, 80), 0.1 * i) for i in range(6)])
    points[1], points[3] = np.nan, points[3] * (-1, 1) + (200, 0)
    found = landmark_tree(tmp_path, subset(points, 49))
    known = Reading(found.table, excluded_frames(pl.DataFrame(MANY[:1], EXCLUDED_KEY, orient="row"), "occluded"))
    faces = locate(known, tmp_path, AlignSettings("landmarks"), tmp_path / "cache")
    assert faces.table["frame"].to_list() == [1, 3, 5, 6]
    assert faces.alignment == "landmarks-1-m0.1"
    assert faces.crops is not None
    assert faces.crops.dtype == np.float32
    assert faces.crops.shape == (4, 2, 3)
    assert faces.excluded.rows() == [
        ("F001", "T1", 1, "occluded"),
        ("F001", "T1", 4, "bad landmarks"),
        ("F001", "T1", 2, "no landmarks"),
    ]
    assert faces.excluded.schema == pl.Schema(EXCLUDED)
    placed = in_crop(faces, five_points(points[[0, 2, 4, 5]]))
    np.testing.assert_allclose(placed, np.broadcast_to(placed[0], placed.shape), atol=1e-5)
    np.testing.assert_allclose(placed[0], template(0.1), atol=0.04)


EXCLUDED_KEY = {name: kind for name, kind in EXCLUDED.items() if name != "reason"}


def test_box_holds_all_points_and_says_when_the_chin_is_not_among_them(tmp_path: Path) -> None:
    points = many(3)
    found = landmark_tree(tmp_path, points)
    faces = locate(found, tmp_path, AlignSettings("box", margin=0.05), tmp_path / "cache")
    unit = in_crop(faces, points)
    np.testing.assert_allclose([unit.min(), unit.max()], [0.05 / 1.1, 1.05 / 1.1], atol=1e-4)
    assert "chin" not in faces.notes[0]
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", fit=struct(subset(points, 49)))
    assert "chin" in locate(found, tmp_path, AlignSettings("box"), tmp_path / "cache").notes[0]


def test_landmarks_are_read_once_and_again_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[object]()

    def counted(*arguments: Any) -> np.ndarray:
        calls.append(arguments)
        return read_landmarks(*arguments)

    monkeypatch.setattr(align_module, "read_landmarks", counted)
    found = landmark_tree(tmp_path, many(6))
    first = locate(found, tmp_path, AlignSettings("landmarks"), tmp_path / "cache")
    locate(found, tmp_path, AlignSettings("box", margin=0.3), tmp_path / "cache")
    assert len(calls) == 1
    write_mat(tmp_path / "2DFeatures" / "F001_T1.mat", fit=struct(many(6) + 1))
    second = locate(found, tmp_path, AlignSettings("landmarks"), tmp_path / "cache")
    assert len(calls) == 2
    assert first.crops is not None
    assert second.crops is not None
    np.testing.assert_allclose(second.crops[..., 2] - first.crops[..., 2], 1, atol=1e-3)


def test_frames_left_out_count_for_the_numbering_of_disfa(tmp_path: Path) -> None:
    coded = reading([("SN001", "left", frame) for frame in (1, 2, 3, 4)], "disfa")
    points = many(5, 66)
    for number, one in enumerate(points):
        write_mat(tmp_path / "Landmark_Points/SN001/tmp_frame_lm" / f"SN001_{number:04d}_lm.mat", pts=one)
    for path in coded.table["path"]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth_picture(200, 200)).save(tmp_path / path)
    found = Reading(coded.table[:3], excluded_frames(coded.table[3:], "bad landmarks"))
    faces = locate(found, tmp_path, AlignSettings("landmarks"), tmp_path / "cache")
    assert faces.crops is not None
    np.testing.assert_allclose(faces.crops, similarity(five_points(points[1:4]), template(0.1)), rtol=1e-5)


def test_landmarks_of_other_images_are_refused(tmp_path: Path) -> None:
    found = landmark_tree(tmp_path, many(3) + 150, size=(100, 100))
    with pytest.raises(InputError, match=r"1\.png has 100 x 100 pixels, its face is at"):
        locate(found, tmp_path, AlignSettings("landmarks"), tmp_path / "cache")


def test_landmarks_made_elsewhere(tmp_path: Path) -> None:
    found = landmark_tree(tmp_path, many(2))
    shifted = ARCFACE + 30
    held = found.table.select("subject", "sequence", "frame").with_columns(
        pl.lit(shifted[k, a]).alias(f"{axis}_{k}") for k in range(5) for a, axis in enumerate("xy")
    )
    held.write_csv(tmp_path / "mine.csv")
    settings = AlignSettings("landmarks", landmarks=str(tmp_path / "mine.csv"))
    faces = locate(found, tmp_path, settings, tmp_path / "cache")
    assert faces.alignment == "landmarks-1-m0.1-elsewhere"
    np.testing.assert_allclose(in_crop(faces, np.stack([shifted] * 2)), np.stack([template(0.1)] * 2), atol=1e-5)


def test_no_face_anywhere_is_an_error(tmp_path: Path) -> None:
    found = reading(MANY)
    bright_rows(tmp_path, 6)
    with pytest.raises(InputError, match=r"haar found no face in any of 6 frames \(no face found in 6\)"):
        locate(found, tmp_path, AlignSettings("haar"), tmp_path / "cache")


def test_haar_puts_the_eyes_of_drawn_faces_at_the_template(tmp_path: Path) -> None:
    found, points = drawn_faces(tmp_path)
    faces = locate(found, tmp_path, AlignSettings("haar"), tmp_path / "cache")
    kept = found.table.with_row_index("row").join(faces.table, on=["subject", "frame"], how="semi")["row"].to_numpy()
    assert len(kept) >= 5
    assert faces.table.height + faces.excluded.height == 6
    away = in_crop(faces, five_points(points[kept])[:, :2]) - template(0.1)[:2]
    assert np.abs(away).max() < 0.06
    assert all("eyes guessed" in note for note in faces.notes)


def test_yunet_puts_its_points_at_the_template(tmp_path: Path) -> None:
    model = tmp_path / "toy.onnx"
    model.write_bytes(toy_yunet(ARCFACE / 4))
    bright_rows(tmp_path, 2)
    found = reading(MANY[:2])
    faces = locate(found, tmp_path, AlignSettings("yunet", model=str(model)), tmp_path / "cache")
    points = np.stack([ARCFACE / 4 + (8 * i, 16) for i in range(2)])
    np.testing.assert_allclose(in_crop(faces, points), np.stack([template(0.1)] * 2), atol=1e-4)
    assert faces.crops is not None
    assert align(read_image(tmp_path / found.table["path"][0]), 48, faces.crops[0]).shape == (48, 48, 3)


def test_every_alignment_has_a_version() -> None:
    assert {*VERSIONS} == {*ALIGNMENTS}
