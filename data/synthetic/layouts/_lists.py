"""Lists of images and labels by fold or part, as published code keeps them."""

from pathlib import Path

import numpy as np

from data.dataset import FOLD_NUMBERS, Dataset
from data.synthetic.layouts._files import write_lines

Listed = dict[str, list[tuple[str, str]]]  # image path and label line of each frame, by subject


def list_lines(paths: list[str], labels: np.ndarray) -> list[tuple[str, str]]:
    """Image paths with their labels [frames, A] as lines."""
    return [(path, " ".join(map(str, row))) for path, row in zip(paths, labels.tolist(), strict=True)]


def write_fold_lists(folder: Path, row: Dataset, frames: Listed) -> None:
    """The lists of ME-GraphAU and AUNCE: a pair for training and one for testing of each fold."""
    for part, numbers in FOLD_NUMBERS.items():
        test = _of_part(row, part, frames)
        train = [frame for other in row.parts if other != part for frame in _of_part(row, other, frames)]
        for use, rows in (("train", train), ("test", test)):
            name, fold = f"{row.name.upper()}_{use}", f"fold{numbers['AUNCE']}.txt"
            write_lines(folder / f"{name}_label_{fold}", [label for _, label in rows])
            # The published path files lack the last newline.
            (folder / f"{name}_img_path_{fold}").write_text("\n".join(path for path, _ in rows))


def write_part_lists(folder: Path, row: Dataset, frames: Listed) -> None:
    """The lists of JAA-Net: a pair for each part."""
    for part in row.parts:
        rows = _of_part(row, part, frames)
        write_lines(folder / f"{row.name.upper()}_{part}_path.txt", [path for path, _ in rows])
        write_lines(folder / f"{row.name.upper()}_{part}_AUoccur.txt", [label for _, label in rows])


def _of_part(row: Dataset, part: str, frames: Listed) -> list[tuple[str, str]]:
    return [frame for subject in row.parts[part] for frame in frames.get(subject, [])]
