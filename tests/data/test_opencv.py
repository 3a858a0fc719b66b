import sys

import pytest

from data.errors import InputError
from data.opencv import opencv


def test_opencv_takes_one_thread() -> None:
    opencv().setNumThreads(4)
    opencv.cache_clear()
    assert opencv().getNumThreads() == 1


def test_a_machine_without_opencv_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    opencv.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match="pip install 'opencv-python-headless"):
        opencv()
    monkeypatch.undo()
    assert opencv().getNumThreads() == 1
