"""Faults of images, videos and landmark files."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.faults._damage import images, middle_image, renumber, replace_file, videos


def truncated_image(root: Path, layout: str) -> None:
    """An image file ends in its middle."""
    path = middle_image(root)
    replace_file(path, path.read_bytes()[: path.stat().st_size // 2])


def empty_image(root: Path, layout: str) -> None:
    """An image file has no bytes."""
    replace_file(middle_image(root), b"")


def not_an_image(root: Path, layout: str) -> None:
    """An image file holds a web page."""
    replace_file(middle_image(root), b"<!DOCTYPE html><title>404 Not Found</title>\n")


def sixteen_bit_image(root: Path, layout: str) -> None:
    """An image file holds 16 bit values (as PNG, whatever its name)."""
    buffer, path = io.BytesIO(), middle_image(root)
    Image.fromarray(np.full((32, 32), 40_000, dtype=np.uint16)).save(buffer, "png")
    replace_file(path, buffer.getvalue())


def missing_image(root: Path, layout: str) -> None:
    """An image in the middle of a sequence is not there."""
    middle_image(root).unlink()


def missing_image_folder(root: Path, layout: str) -> None:
    """The images of the first sequence are not there, nor is their folder."""
    folder = images(root)[0].parent
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def shifted_images(root: Path, layout: str) -> None:
    """The numbers of all images are one too high."""
    every = images(root)
    for folder in sorted({path.parent for path in every}):
        renumber([path for path in every if path.parent == folder], 1)


def shifted_one_sequence(root: Path, layout: str) -> None:
    """The numbers of the images of the first sequence are one too high."""
    every = images(root)
    renumber([path for path in every if path.parent == every[0].parent], 1)


def duplicate_image(root: Path, layout: str) -> None:
    """Two files are the same image number: 3.jpg and 003.jpg."""
    path = images(root)[0]
    path.with_name(f"{int(path.stem):0{len(path.stem) + 2}d}{path.suffix}").write_bytes(path.read_bytes())


def missing_video(root: Path, layout: str) -> None:
    """The first video is not there."""
    videos(root)[0].unlink()


def truncated_video(root: Path, layout: str) -> None:
    """The first video file ends in its middle."""
    path = videos(root)[0]
    replace_file(path, path.read_bytes()[: path.stat().st_size // 2])


def short_video(root: Path, layout: str) -> None:
    """The first video is whole but has only half of the labelled frames."""
    import av

    path = videos(root)[0]
    buffer = io.BytesIO()
    with av.open(str(path)) as source, av.open(buffer, "w", format="avi", options={"fflags": "+bitexact"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in packets[: len(packets) // 2]:
            packet.stream = stream
            target.mux(packet)
    replace_file(path, buffer.getvalue())


def unreadable_landmarks(root: Path, layout: str) -> None:
    """The first landmark file holds no MATLAB data."""
    replace_file(sorted(root.rglob("*.mat"))[0], b"not a MATLAB file\n")


def missing_landmarks(root: Path, layout: str) -> None:
    """The landmark files of the first sequence are not there."""
    files = sorted(root.rglob("*.mat"))
    for path in files[:1] if layout == "bp4d" else [file for file in files if file.parent == files[0].parent]:
        path.unlink()
