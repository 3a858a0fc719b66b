"""Faults of the tree: what should not be in it, and what two of its parts say differently."""

import os
import shutil
from pathlib import Path

from tests.data.faults._damage import edit, images, label_files


def finder_files(root: Path, layout: str) -> None:
    """Beside the label files and the media lie the hidden files of macOS; harmless."""
    chosen = [label_files(root, layout)[0], *images(root)[:1], *sorted(root.rglob("*.avi"))[:1]]
    for path in chosen:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X")
        (path.parent / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def non_utf8_name(root: Path, layout: str) -> None:
    """Beside the first label file lies one whose name is no UTF-8 text."""
    path = label_files(root, layout)[0]
    (path.parent / os.fsdecode(b"caf\xe9" + os.fsencode(path.suffix))).write_bytes(path.read_bytes())


def symlink_loop(root: Path, layout: str) -> None:
    """A folder beside the first label file leads back to the root, and a link to itself."""
    path = label_files(root, layout)[0]
    up = Path(*[".."] * len(path.parent.relative_to(root).parts))
    (path.parent / "loop").symlink_to(up, target_is_directory=True)
    path.with_name(f"self{path.suffix}").symlink_to(f"self{path.suffix}")


def subject_in_both_parts(root: Path, layout: str) -> None:
    """The first subject of the training list is also in the test list."""
    subject = (root / "train_subjects.txt").read_text().splitlines()[0]
    edit(root / "test_subjects.txt", lambda lines: [*lines, subject])


def unknown_subject(root: Path, layout: str) -> None:
    """The labels of a further subject, who is not in the dataset (gft: in no list) and has no pictures."""
    path = label_files(root, layout)[0]
    if layout == "disfa":
        folder = path.parent.with_name("SN999")
        shutil.copytree(path.parent, folder)
        for copy in sorted(folder.iterdir()):
            copy.rename(folder / copy.name.replace(path.parent.name, folder.name))
    else:
        name = {"bp4d": f"F999_{path.stem[5:]}.csv", "gft": "999A.csv", "affwild2": "999-30-1280x720.txt"}[layout]
        shutil.copy(path, path.with_name(name))


def second_annotations(root: Path, layout: str) -> None:
    """The annotations of a second challenge lie beside the first ones."""
    source = label_files(root, layout)[0].parents[1]
    shutil.copytree(source, root / "5th ABAW Annotations" / "AU_Detection_Challenge")


def more_crops_than_rows(root: Path, layout: str) -> None:
    """The first video has three label rows less than frames, so that its last crops have no label."""
    edit(label_files(root, layout)[0], lambda lines: lines[:-3])


def missing_crop_folder(root: Path, layout: str) -> None:
    """The first video has labels but no folder of crops."""
    shutil.rmtree(root / "cropped_aligned" / label_files(root, layout)[0].stem)
