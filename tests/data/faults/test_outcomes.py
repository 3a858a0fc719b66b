"""Every fault of every layout, from the raw tree to the store: refused, or counted, and never a wrong number."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.faults import FAULTS
from tests.data.faults.outcomes import Stored, draw, needed, outcome

CASES = [(fault, layout) for fault in FAULTS for layout in FAULTS[fault].layouts]

# What is not refused, and what is said then: frames lost, frames counted, frames uncoded, a remark.
HARMLESS = {"extra_column": "", "windows_text": "", "finder_files": ""}
REMARKED: dict[tuple[str, str], tuple[int, int, int, str]] = {
    ("missing_image", "affwild2"): (0, 1, 0, ""),
    ("missing_landmarks", "bp4d"): (0, 11, 0, ""),
    ("missing_landmarks", "disfa"): (0, 11, 0, ""),
    ("code_9_column", "bp4d"): (0, 0, 12, ""),
    ("code_9_column", "gft"): (0, 0, 10, ""),
    ("gap", "bp4d"): (1, 0, 0, ""),
    ("gap", "disfa"): (1, 0, 0, ""),
    ("gap", "gft"): (1, 0, 0, ""),
    ("missing_label_file", "bp4d"): (12, 0, 0, "F001/T1"),
    ("missing_label_file", "gft"): (12, 0, 0, "001A"),
    ("missing_label_file", "affwild2"): (11, 0, 0, "2-30-1280x720"),
    ("more_crops_than_rows", "affwild2"): (3, 0, 0, "3 crops of 1 videos have no label row"),
    ("non_utf8_name", "bp4d"): (0, 0, 0, "1 file names are not UTF-8"),
    ("non_utf8_name", "disfa"): (0, 0, 0, ""),
    ("non_utf8_name", "gft"): (0, 0, 0, "1 file names are not UTF-8"),
    ("non_utf8_name", "affwild2"): (0, 0, 0, "1 file names are not UTF-8"),
    ("symlink_loop", "bp4d"): (0, 0, 0, "1 broken links"),
    ("symlink_loop", "disfa"): (0, 0, 0, ""),
    ("symlink_loop", "gft"): (0, 0, 0, "1 broken links"),
    ("symlink_loop", "affwild2"): (0, 0, 0, "1 broken links"),
}

Undamaged = Callable[[str, str, bool], Stored]


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> Undamaged:
    made: dict[tuple[str, str, bool], Stored] = {}

    def get(layout: str, variant: str, scene: bool) -> Stored:
        key = (layout, variant, scene)
        if key not in made:
            made[key] = draw(tmp_path_factory.mktemp("sound"), *key)
        return made[key]

    return get


@pytest.mark.parametrize(("fault", "layout"), CASES)
def test_a_fault_never_becomes_a_wrong_number(fault: str, layout: str, undamaged: Undamaged, tmp_path: Path) -> None:
    found = outcome(undamaged(layout, *needed(fault, layout)), fault, tmp_path)
    assert found.wrong == 0
    harmless = fault in HARMLESS
    lost, counted, uncoded, remark = REMARKED.get((fault, layout), (0, 0, 0, ""))
    assert bool(found.refused) == (not harmless and (fault, layout) not in REMARKED), found.text
    assert (found.lost, found.counted, found.uncoded) == (lost, counted, uncoded), found.text
    assert remark in " ".join(found.notes)


def test_there_are_enough_faults() -> None:
    assert len(FAULTS) >= 25
    assert {fault for fault, _ in REMARKED} | set(HARMLESS) <= set(FAULTS)
