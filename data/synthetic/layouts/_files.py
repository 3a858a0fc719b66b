"""Images, videos and tables as the layouts write them."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from data.synthetic.recordings import Recording

Tick = Callable[[int], None]  # told the number of frames just written

JPEG_QUALITY = 92
FRAME_RATE = 20


def write_images(
    folder: Path, recording: Recording, names: Sequence[str | None], tick: Tick, suffix: str = ".jpg"
) -> None:
    """Write the frames as `<name><suffix>`; a frame whose name is None is left out."""
    folder.mkdir(parents=True)
    frames = iter(names)
    written: dict[bytes, Path] | None = {} if recording.plan.full else None
    for batch in recording.images():
        for image, name in zip(batch, frames, strict=False):
            if name is not None:
                _write_image(folder / f"{name}{suffix}", image, written)
        tick(len(batch))


def _write_image(path: Path, image: np.ndarray, written: dict[bytes, Path] | None) -> None:
    """Encode the image, or link the file that holds the same: trees of full size repeat theirs."""
    if written is None:
        return Image.fromarray(image).save(path, quality=JPEG_QUALITY)
    twin = written.setdefault(image.tobytes(), path)
    if twin == path:
        return Image.fromarray(image).save(path, quality=JPEG_QUALITY)
    try:
        path.hardlink_to(twin)
    except OSError:
        path.write_bytes(twin.read_bytes())
    return None


def write_videos(paths: Sequence[Path], recording: Recording, tick: Tick) -> None:
    """Write the frames to the first of `paths`, and seen in a mirror to the second, if there is one."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = [stack.enter_context(_open_video(path)) for path in paths]
        streams: list[av.VideoStream] = []
        for batch in recording.images():
            streams = streams or [_mpeg4_stream(file, *batch.shape[1:3]) for file in files]
            for image in batch:
                for file, stream, view in zip(files, streams, (image, image[:, ::-1]), strict=False):
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(view), format="rgb24")
                    file.mux(stream.encode(frame))
            tick(len(batch))
        for file, stream in zip(files, streams, strict=True):
            file.mux(stream.encode())


def _open_video(path: Path) -> av.container.OutputContainer:
    return av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"})


def _mpeg4_stream(container: av.container.OutputContainer, height: int, width: int) -> av.VideoStream:
    """An encoder that writes the same bytes each time: one thread, no version string."""
    stream = container.add_stream("mpeg4", rate=Fraction(FRAME_RATE))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.bit_rate = 60 * FRAME_RATE * width * height // 10
    stream.codec_context.thread_count = 1  # threads cut a picture into slices, and their number is that of the cores
    stream.codec_context.options = {"flags": "+bitexact", "qmin": "2", "qmax": "5"}
    return stream


def write_table(path: Path, rows: np.ndarray, header: list[str] | None = None) -> None:
    """Write whole numbers, comma separated."""
    lines = [",".join(header)] if header else []
    write_lines(path, lines + [",".join(map(str, row)) for row in rows.tolist()])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
