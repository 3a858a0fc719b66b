import numpy as np
import pytest

from data.align import ALIGNMENTS, VERSIONS, align, alignment_id
from data.errors import InputError


@pytest.mark.parametrize("shape", [(40, 40, 3), (40, 60, 3), (61, 40, 3)])
def test_precropped_takes_the_centre_square(shape: tuple[int, int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    top, left = (shape[0] - 40) // 2, (shape[1] - 40) // 2
    image[top : top + 40, left : left + 40] = 255
    crop = align(image, 16, "precropped")
    assert crop.shape == (16, 16, 3)
    assert crop.dtype == np.uint8
    assert (crop == 255).all()


def test_a_crop_of_the_right_size_is_kept_as_it_is() -> None:
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    np.testing.assert_array_equal(align(image, 8, "precropped"), image)


def test_ids_name_the_version_and_unknown_ones_are_refused() -> None:
    assert alignment_id("precropped") == "precropped-1"
    assert set(ALIGNMENTS) == set(VERSIONS)
    with pytest.raises(InputError, match="alignment='mtcnn'; allowed: precropped"):
        align(np.zeros((4, 4, 3), np.uint8), 4, "mtcnn")
