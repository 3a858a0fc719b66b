"""The one place that imports OpenCV, which is needed only where the CPU works on pictures."""

from functools import cache
from types import ModuleType

from data.errors import InputError


@cache
def opencv() -> ModuleType:
    """`cv2`, kept to one thread: many trials and processes share the cores."""
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            f"OpenCV cannot be imported ({error}). Install it: pip install 'opencv-python-headless>=4.10,<5'"
        ) from error
    cv2.setNumThreads(1)  # by default each process would start a thread on every core
    return cv2
