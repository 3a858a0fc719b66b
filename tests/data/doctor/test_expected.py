"""The known numbers agree with each other."""

import pytest

from data.catalog import CATALOG
from data.dataset import Expected
from data.doctor.expected import expected


def known(dataset: str, alignment: str = "precropped", **options: object) -> Expected:
    found = expected(dataset, options, alignment)
    assert found
    return found


@pytest.mark.parametrize("dataset", ["bp4d", "disfa"])
def test_parts_names_and_rates_cover_the_dataset(dataset: str) -> None:
    whole = known(dataset)
    assert whole.frames
    assert whole.sequences
    assert whole.lengths
    assert whole.from_one
    assert sum(whole.part_frames.values()) == whole.frames
    assert set(whole.part_frames) == set(CATALOG[dataset].parts)
    assert len(whole.names) == len({*whole.names}) == whole.subjects
    assert tuple(whole.rates) == CATALOG[dataset].aus
    assert all(0 < rate < 100 for rate in whole.rates.values())
    assert whole.from_one <= whole.sequences
    assert whole.lengths[0] < whole.frames / whole.sequences < whole.lengths[1]


def test_frames_without_landmarks_leave_the_list_of_jaa_net() -> None:
    whole = known("bp4d", "landmarks")
    assert whole.frames
    assert whole.frames - whole.left_out["no landmarks"] in whole.other_frames
    assert {name.split("/")[0] for name in whole.left_out_of["no landmarks"]} <= {*whole.names}
    assert not known("bp4d").left_out


def test_the_options_of_disfa_change_what_is_expected() -> None:
    tracked = known("disfa", frame_set="tracked")
    assert tracked.frames
    assert tracked.frames - tracked.left_out["bad landmarks"] in tracked.other_frames
    frames = sum(last - first + 1 for _, first, last in CATALOG["disfa"].bad_spans())
    assert frames == tracked.left_out["bad landmarks"] == 4_670
    assert not known("disfa").left_out
    assert known("disfa", threshold=2).rates
    assert not known("disfa", threshold=1).rates


def test_the_landmarks_of_disfa_are_a_hazard_until_their_frames_are_left_out() -> None:
    (advice,) = known("disfa", "landmarks").hazards.values()
    assert "frame_set=tracked" in advice
    for other in (known("disfa", "haar"), known("disfa", "landmarks", frame_set="tracked")):
        assert not other.hazards


@pytest.mark.parametrize("dataset", ["gft", "affwild2"])
def test_what_nobody_counted_is_marked(dataset: str) -> None:
    assert known(dataset).unconfirmed
    assert not known(dataset).names
    assert not known(dataset).rates


def test_of_drawn_faces_nothing_is_known() -> None:
    assert expected("synthetic", {}, "precropped") is None
