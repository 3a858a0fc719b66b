import numpy as np
import pytest

from data.errors import InputError
from data.faces.points import ARCFACE, box, five_points, look_like_faces, similarity, template, unusable
from data.seeds import numpy_generator
from tests.data.faces.draw import face, many, subset


@pytest.mark.parametrize("count", [49, 51, 66, 68])
def test_five_points_of_every_set(count: int) -> None:
    left, right, nose, mouth_left, mouth_right = five_points(subset(face(60, (100, 80))[None], count))[0]
    np.testing.assert_allclose([left, right], [[70, 80], [130, 80]], atol=1e-9)
    np.testing.assert_allclose(nose, [100, 80 + 60 * 0.57])
    np.testing.assert_allclose([mouth_left, mouth_right], [[100 - 24.6, 149.6], [100 + 24.6, 149.6]])


def test_five_points_are_taken_as_they_are_and_other_counts_refused() -> None:
    np.testing.assert_array_equal(five_points(ARCFACE[None])[0], ARCFACE)
    with pytest.raises(InputError, match="67 landmarks a face; allowed: 5, 49, 51, 66, 68"):
        five_points(np.zeros((1, 67, 2)))


def test_faults() -> None:
    points = np.stack([face()] * 7)
    points[1, 3, 0] = np.nan
    points[2] = 0
    points[3, 60] = np.inf
    points[4] = face(distance=3.9)
    points[5, :, 0] *= -1
    points[6] = face(turn=np.pi)
    lost, bad = "no landmarks", "bad landmarks"
    assert unusable(points.astype(np.float32)).tolist() == ["", lost, lost, lost, bad, bad, ""]


def test_coordinates_in_another_order_do_not_look_like_faces() -> None:
    points = many(5, 49)
    halves = points.swapaxes(1, 2).reshape(5, 49, 2)
    assert look_like_faces(points)
    assert not look_like_faces(halves)
    wrong = points.reshape(5, 2, 49).swapaxes(1, 2)
    assert not look_like_faces(wrong)


def test_the_template_keeps_the_proportions_and_shows_brows_and_chin() -> None:
    for margin in (0.0, 0.1, 0.4):
        points = template(margin)
        np.testing.assert_allclose(np.diff(points, axis=0) * 112 * (1 + 2 * margin), np.diff(ARCFACE, axis=0))
    crop = similarity(five_points(face()[None]), template(0.1))[0]
    unit = np.linalg.solve(crop[:, :2], (face() - crop[:, 2]).T)
    assert unit.min() > 0.1
    assert unit.max() < 0.95


def test_similarity_is_the_least_squares_fit() -> None:
    draw = numpy_generator("similarity")
    points, target = draw.normal(100, 30, (20, 5, 2)), template(0.1)
    crops = similarity(points, target)
    for crop, one in zip(crops, points, strict=True):
        rows = np.array([*([x, -y, 1, 0] for x, y in one), *([y, x, 0, 1] for x, y in one)])
        a, b, c, d = np.linalg.lstsq(rows, target.T.ravel(), rcond=None)[0]
        to_crop = np.array([[a, -b, c], [b, a, d], [0, 0, 1]])
        np.testing.assert_allclose(crop, np.linalg.inv(to_crop)[:2], rtol=1e-6, atol=1e-6)


def test_similarity_undoes_what_was_done_to_a_face() -> None:
    turned = (template(0.2) * 140 @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + (31.5, -12))[None]
    crop = similarity(turned, template(0.2))[0]
    np.testing.assert_allclose(crop, [[112.0, -84.0, 31.5], [84.0, 112.0, -12.0]], atol=1e-9)


def test_box_is_a_square_with_its_margin() -> None:
    points = np.array([[[10.0, 20.0], [50.0, 40.0]], [[0.0, 0.0], [10.0, 30.0]]])
    first, second = box(points, 0.05)
    np.testing.assert_allclose(first, [[44, 0, 8], [0, 44, 8]])
    np.testing.assert_allclose(second, [[33, 0, -11.5], [0, 33, -1.5]])
