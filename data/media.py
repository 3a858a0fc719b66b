"""Images and videos as uint8 arrays [H, W, 3], RGB. Only this file knows Pillow and PyAV."""

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image, UnidentifiedImageError

from data.errors import InputError

# Modes whose conversion to RGB keeps 8 bit values as they are; 16 bit and float ones are clipped.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


def read_bytes(path: Path) -> bytes:
    """Content of a file; `InputError` if there is none."""
    if not path.is_file():  # reading a pipe would never end
        raise InputError(f"{path}: no such file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def read_image(path: Path) -> np.ndarray:
    """Decode an image file, uint8 [H, W, 3]; `InputError` if it is not a whole 8 bit image."""
    return decode_image(read_bytes(path), path)


def decode_image(content: bytes, name: object) -> np.ndarray:
    """Decode the content of an image file, uint8 [H, W, 3]; `name` is its name in an `InputError`."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode not in _MODES:
                raise InputError(f"{name}: pixel format {image.mode}; allowed: 8 bit grey or RGB")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what Pillow raises when damaged
        if isinstance(error, InputError):
            raise
        # Pillow's text names the address of the buffer
        what = "its format is unknown" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"{name}: not a whole image ({what})") from error


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """A JPEG file of `image` uint8 [H, W, 3], without colour subsampling."""
    content = io.BytesIO()
    # subsampling would blur colours over two pixels, and lips and skin differ in colour
    Image.fromarray(image).save(content, "JPEG", quality=quality, subsampling=0)
    return content.getvalue()


def is_jpeg(content: bytes) -> bool:
    """Whether the content of an image file is an RGB JPEG."""
    with Image.open(io.BytesIO(content)) as image:
        return image.format == "JPEG" and image.mode == "RGB"


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """`image` uint8 [H, W, 3] as [size, size, 3], antialiased; unchanged when it has that size already."""
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def video_frames(path: Path) -> int:
    """Number of frames that are in the file, counted without decoding (its header may promise more)."""
    with _opened(path) as container:
        try:
            return sum(packet.size > 0 for packet in container.demux(video=0))
        except (av.FFmpegError, IndexError) as error:
            raise InputError(f"{path}: not a readable video ({error})") from error


def iter_video(path: Path) -> Iterator[np.ndarray]:
    """Decode the frames of a video in order, each uint8 [H, W, 3]."""
    with _opened(path) as container:
        try:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
        except (av.FFmpegError, IndexError) as error:
            raise InputError(f"{path}: not a readable video ({error})") from error


class VideoFrames:
    """Single frames of videos; asked for in order, each video is decoded once from its beginning."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.decoded = 0
        self.images: Iterator[np.ndarray] = iter(())

    def frame(self, path: Path, index: int) -> np.ndarray:
        """Frame `index` (from 0) of the video, uint8 [H, W, 3]."""
        # seeking would be faster, but lands on other frames in some containers
        if path != self.path or index < self.decoded:
            self.path, self.decoded, self.images = path, 0, iter_video(path)
        for image in self.images:
            self.decoded += 1
            if self.decoded > index:
                return image
        raise InputError(f"{path}: only {self.decoded} frames can be decoded, more are labelled")


def _opened(path: Path) -> "av.container.InputContainer":
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return av.open(str(path))
    except av.FFmpegError as error:
        raise InputError(f"{path}: not a readable video ({error})") from error
