import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.media import VideoFrames, iter_video, read_image, resize, video_frames
from tests.data.trees import picture, video


def test_read_image_gives_the_pixels(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_read_image_gives_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (5, 4), 1).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (4, 5, 3)


def test_read_image_refuses_16_bit(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: pixel format I;16"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp"])
def test_read_image_refuses_every_truncation(tmp_path: Path, name: str) -> None:
    picture(tmp_path / name, size=(40, 40))
    content = (tmp_path / name).read_bytes()
    for length in (0, 1, 20, len(content) // 2, len(content) - 40):
        (tmp_path / name).write_bytes(content[:length])
        with pytest.raises(InputError, match=f"{name}: not a whole image"):
            read_image(tmp_path / name)


def test_read_image_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text.jpg").write_text("hello")
    for name in ("pipe", "absent", "text.jpg", "."):
        with pytest.raises(InputError, match=r"no such file|not a whole image"):
            read_image(tmp_path / name)


def test_resize_averages_and_keeps_what_fits() -> None:
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[::2] = 200
    assert np.abs(resize(fine, 16).astype(int) - 100).max() <= 30  # without antialiasing: 0 or 200
    assert resize(fine, 64) is fine


def test_video_frames_are_counted_and_decoded_in_order(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", 12)
    assert video_frames(path) == 12
    levels = [image.mean() for image in iter_video(path)]
    np.testing.assert_allclose(levels, 40 + 10 * np.arange(12), atol=3)


def test_a_cut_video_has_the_frames_that_are_there(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", 12, size=64)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"idx1") - 300])
    assert video_frames(path) < 12


@pytest.mark.parametrize("content", [None, b"", b"not a video" * 100])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.avi"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.avi"):
        video_frames(path)
    with pytest.raises(InputError, match=r"a\.avi"):
        next(iter_video(path))


@pytest.mark.parametrize("look", [video_frames, lambda path: next(iter_video(path))])
def test_a_pipe_is_no_video_and_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[Path], object]
) -> None:
    monkeypatch.setattr("av.open", lambda path: pytest.fail(f"{path} would be waited for"))
    os.mkfifo(tmp_path / "a.avi")
    with pytest.raises(InputError, match=r"a\.avi: no such file"):
        look(tmp_path / "a.avi")


def test_an_image_without_video_stream_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    with pytest.raises(InputError, match="not a readable video"):
        video_frames(tmp_path / "a.srt")


def test_single_frames_in_any_order(tmp_path: Path) -> None:
    paths = [video(tmp_path / f"{name}.avi", 6) for name in "ab"]
    videos = VideoFrames()
    for path, index in ((paths[0], 1), (paths[0], 4), (paths[0], 2), (paths[1], 2), (paths[0], 0)):
        assert videos.frame(path, index).mean() == pytest.approx(40 + 10 * index, abs=3)
    with pytest.raises(InputError, match="only 6 frames"):
        videos.frame(paths[0], 6)
