import dataclasses
import math

import pytest

from data.settings import check_choices, check_ranges, setting


@dataclasses.dataclass(frozen=True)
class Example:
    rate: float = setting(0.5, "how often")
    kind: str = setting("one", "which")


def test_a_field_carries_its_help() -> None:
    assert {f.name: (f.default, f.metadata["help"]) for f in dataclasses.fields(Example)} == {
        "rate": (0.5, "how often"),
        "kind": ("one", "which"),
    }


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_ranges_are_closed(rate: float) -> None:
    assert check_ranges(Example(rate), {"rate": (0, 1)}) == []


@pytest.mark.parametrize("rate", [-1e-9, 1.0001, math.nan, math.inf])
def test_values_outside_are_named(rate: float) -> None:
    assert check_ranges(Example(rate), {"rate": (0, 1)}) == [f"rate={rate!r} lies outside [0, 1]"]


def test_choices_are_listed() -> None:
    assert check_choices(Example(), {"kind": ("one", "two")}) == []
    assert check_choices(Example(kind="On"), {"kind": ("one", "two")}) == ["kind='On'; allowed: one, two"]
