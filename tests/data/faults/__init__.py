"""Damage that real copies of the datasets have, one fault a function, to be done to a finished synthetic tree."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.synthetic.recordings import TreePlan
from tests.data.faults import _litter, _media, _tables

ALL = ("bp4d", "disfa", "gft", "affwild2")
FOLDERS = ("bp4d", "disfa", "gft")  # a sequence without images is an error, not a video without faces
FRAMED = ("bp4d", "disfa", "gft")  # label rows say which frame they are of
HEADED = ("bp4d", "gft", "affwild2")  # label files name their AUs

# What a fault may need, and which trees have it.
HAS: dict[str, Callable[[TreePlan], bool]] = {
    "images": lambda plan: plan.variant == "lists" if plan.layout == "disfa" else plan.variant != "videos",
    "videos": lambda plan: plan.variant != "lists" if plan.layout == "disfa" else plan.variant == "videos",
    "labels": lambda plan: plan.variant not in ("lists", "jaa"),
    "lists": lambda plan: plan.variant == "lists",
    "landmarks": lambda plan: plan.scene,
}


@dataclass(frozen=True)
class Fault:
    """`apply(root, layout)` damages the first suitable file of what the fault `needs`; its docstring says how."""

    layouts: tuple[str, ...]
    apply: Callable[[Path, str], None]
    needs: str


FAULTS: dict[str, Fault] = {
    "truncated_image": Fault(ALL, _media.truncated_image, "images"),
    "empty_image": Fault(ALL, _media.empty_image, "images"),
    "not_an_image": Fault(ALL, _media.not_an_image, "images"),
    "sixteen_bit_image": Fault(ALL, _media.sixteen_bit_image, "images"),
    "missing_image": Fault(ALL, _media.missing_image, "images"),
    "missing_image_folder": Fault(FOLDERS, _media.missing_image_folder, "images"),
    "shifted_images": Fault(ALL, _media.shifted_images, "images"),
    "shifted_one_sequence": Fault(ALL, _media.shifted_one_sequence, "images"),
    "duplicate_image": Fault(ALL, _media.duplicate_image, "images"),
    "missing_video": Fault(("bp4d", "disfa"), _media.missing_video, "videos"),
    "short_video": Fault(("bp4d", "disfa"), _media.short_video, "videos"),
    "truncated_video": Fault(("bp4d", "disfa"), _media.truncated_video, "videos"),
    "unreadable_landmarks": Fault(("bp4d", "disfa"), _media.unreadable_landmarks, "landmarks"),
    "missing_landmarks": Fault(("bp4d", "disfa"), _media.missing_landmarks, "landmarks"),
    "wrong_header": Fault(HEADED, _tables.wrong_header, "labels"),
    "missing_column": Fault(ALL, _tables.missing_column, "labels"),
    "extra_column": Fault(("bp4d", "gft"), _tables.extra_column, "labels"),
    "code_7": Fault(ALL, _tables.code_7, "labels"),
    "code_nan": Fault(ALL, _tables.code_nan, "labels"),
    "code_text": Fault(ALL, _tables.code_text, "labels"),
    "code_minus_1": Fault(FRAMED, _tables.code_minus_1, "labels"),
    "code_9_column": Fault(("bp4d", "gft"), _tables.code_9_column, "labels"),
    "ragged_row": Fault(ALL, _tables.ragged_row, "labels"),
    "duplicate_frame": Fault(FRAMED, _tables.duplicate_frame, "labels"),
    "gap": Fault(FRAMED, _tables.gap, "labels"),
    "empty_label_file": Fault(ALL, _tables.empty_label_file, "labels"),
    "missing_label_file": Fault(ALL, _tables.missing_label_file, "labels"),
    "labels_not_utf8": Fault(ALL, _tables.labels_not_utf8, "labels"),
    "windows_text": Fault(ALL, _tables.windows_text, "labels"),
    "label_video_count_mismatch": Fault(("disfa",), _tables.label_video_count_mismatch, "labels"),
    "list_label_mismatch": Fault(("bp4d", "disfa"), _tables.list_label_mismatch, "lists"),
    "list_wrong_part": Fault(("bp4d", "disfa"), _tables.list_wrong_part, "lists"),
    "finder_files": Fault(ALL, _litter.finder_files, "labels"),
    "non_utf8_name": Fault(ALL, _litter.non_utf8_name, "labels"),
    "symlink_loop": Fault(ALL, _litter.symlink_loop, "labels"),
    "subject_in_both_parts": Fault(("gft",), _litter.subject_in_both_parts, "labels"),
    "unknown_subject": Fault(ALL, _litter.unknown_subject, "labels"),
    "second_annotations": Fault(("affwild2",), _litter.second_annotations, "labels"),
    "more_crops_than_rows": Fault(("affwild2",), _litter.more_crops_than_rows, "labels"),
    "missing_crop_folder": Fault(("affwild2",), _litter.missing_crop_folder, "labels"),
}


def fault_problems(plan: TreePlan) -> Iterator[str]:
    """What is wrong with the fault that `plan` asks for."""
    possible = [name for name, fault in FAULTS.items() if plan.layout in fault.layouts and HAS[fault.needs](plan)]
    if plan.fault not in possible:
        known = FAULTS.get(plan.fault)
        lacks = f" needs {known.needs} of {', '.join(known.layouts)}, which this tree lacks" if known else ""
        yield f"fault {plan.fault!r}{lacks}; allowed for this tree: {', '.join(sorted(possible))}"
