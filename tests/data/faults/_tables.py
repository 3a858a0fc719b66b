"""Faults of label files."""

from functools import partial
from pathlib import Path
from string import ascii_letters

from tests.data.faults._damage import edit, edit_middle_row, label_files, replace_file, set_code


def wrong_header(root: Path, layout: str) -> None:
    """A label file names its columns otherwise: a, b, c."""
    edit(label_files(root, layout)[0], lambda lines: [",".join(ascii_letters[: lines[0].count(",") + 1]), *lines[1:]])


def missing_column(root: Path, layout: str) -> None:
    """A label file lacks the column of its first AU."""
    place = 0 if layout == "affwild2" else 1
    edit(label_files(root, layout)[0], lambda lines: [_without(line.split(","), place) for line in lines])


def _without(cells: list[str], place: int) -> str:
    return ",".join([*cells[:place], *cells[place + 1 :]])


def extra_column(root: Path, layout: str) -> None:
    """All label files have one more column, of an AU that nobody uses; harmless."""
    name = "99" if layout == "bp4d" else "AU43"
    for path in label_files(root, layout):
        edit(path, lambda lines: [f"{lines[0]},{name}", *(f"{line},0" for line in lines[1:])])


def code_7(root: Path, layout: str) -> None:
    """A label is 7."""
    set_code(root, layout, "7")


def code_nan(root: Path, layout: str) -> None:
    """A label is NaN."""
    set_code(root, layout, "NaN")


def code_text(root: Path, layout: str) -> None:
    """A label is a word."""
    set_code(root, layout, "present")


def code_minus_1(root: Path, layout: str) -> None:
    """A label is -1 where the dataset has another code for "not coded"."""
    set_code(root, layout, "-1")


def code_9_column(root: Path, layout: str) -> None:
    """The first AU is not coded in the first sequence: 9 in each row; harmless where 9 is the code for it."""
    for path in label_files(root, layout)[:1]:
        edit(path, lambda lines: [lines[0], *(_nine(line) for line in lines[1:])])


def _nine(line: str) -> str:
    frame, _, *rest = line.split(",")
    return ",".join([frame, "9", *rest])


def ragged_row(root: Path, layout: str) -> None:
    """A row of a label file lacks its last value."""
    edit_middle_row(label_files(root, layout)[0], lambda cells: cells[:-1])


def duplicate_frame(root: Path, layout: str) -> None:
    """A row of a label file is there twice."""
    edit(label_files(root, layout)[0], lambda lines: [*lines, lines[-1]])


def gap(root: Path, layout: str) -> None:
    """A frame in the middle is not in the label files of the first sequence; harmless."""
    files = label_files(root, layout)
    chosen = [path for path in files if path.parent == files[0].parent] if layout == "disfa" else files[:1]
    for path in chosen:
        edit(path, lambda lines: [*lines[: len(lines) // 2], *lines[len(lines) // 2 + 1 :]])


def empty_label_file(root: Path, layout: str) -> None:
    """The first label file has no bytes."""
    replace_file(label_files(root, layout)[0], b"")


def missing_label_file(root: Path, layout: str) -> None:
    """The first label file is not there."""
    label_files(root, layout)[0].unlink()


def labels_not_utf8(root: Path, layout: str) -> None:
    """The first label file holds bytes that are no UTF-8 text."""
    path = label_files(root, layout)[0]
    replace_file(path, path.read_bytes() + b"\xff\xfe\xe9\n")


def windows_text(root: Path, layout: str) -> None:
    """All label files have a byte order mark and Windows line ends; harmless."""
    for path in label_files(root, layout):
        replace_file(path, b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


def label_video_count_mismatch(root: Path, layout: str) -> None:
    """The label files of the first subject cover different frames: the first lacks the last row."""
    edit(label_files(root, layout)[0], lambda lines: lines[:-1])


def list_label_mismatch(root: Path, layout: str) -> None:
    """A list of labels has one line less than its list of images."""
    edit(_list(root, "test_label"), lambda lines: lines[:-1])


def list_wrong_part(root: Path, layout: str) -> None:
    """The training list of a fold also holds frames of a subject that the fold tests on."""
    for kind in ("img_path", "label"):
        stolen = _list(root, f"test_{kind}").read_text().splitlines()[:5]
        edit(_list(root, f"train_{kind}"), partial(_longer, stolen))


def _longer(more: list[str], lines: list[str]) -> list[str]:
    return [*lines, *more]


def _list(root: Path, kind: str) -> Path:
    return next((root / "list").glob(f"*_{kind}_fold1.txt"))
