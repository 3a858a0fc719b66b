import dataclasses
import math
from typing import Any

import pytest

from data.errors import InputError
from data.settings import check_choices, check_ranges, setting, settings_from_dict


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


@dataclasses.dataclass(frozen=True)
class Nested:
    inner: Example
    bounds: tuple[tuple[str, float], ...] = ()
    rates: dict[int, float] = dataclasses.field(default_factory=dict)
    anything: Any = None


def test_what_is_nested_becomes_what_the_fields_are() -> None:
    plain = {"inner": {"rate": 1}, "bounds": [["a", 2]], "rates": {"12": 1}, "anything": [1, {"x": [2]}]}
    found = settings_from_dict(Nested, plain)
    assert found == Nested(Example(1.0), (("a", 2.0),), {12: 1.0}, [1, {"x": [2]}])
    assert isinstance(found.bounds[0][1], float)


def test_a_type_can_be_given_beside_the_declared_ones() -> None:
    found = settings_from_dict(Nested, {"inner": {}, "anything": {"kind": "two"}}, types={"anything": Example})
    assert found.anything == Example(kind="two")


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"bounds": []}, r"missing key 'x\.inner'"),
        ({"inner": {}, "bound": []}, r"unknown key 'x\.bound'\. Did you mean 'bounds'\? Allowed: inner, bounds"),
        ({"inner": {}, "bounds": [["a", "b"]]}, r"x\.bounds\[0\]\[1\]='b' is str, expected float"),
        ({"inner": {}, "bounds": "ab"}, r"x\.bounds='ab' is str, expected tuple"),
        ({"inner": {}, "bounds": [["a"]]}, r"x\.bounds\[0\]=\['a'\] is list, expected tuple"),
        ({"inner": {}, "rates": {"12": "b"}}, r"x\.rates\.12='b' is str, expected float"),
        ({"inner": 3}, "x.inner=3 is int, expected Example"),
    ],
)
def test_what_does_not_fit_is_named(plain: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        settings_from_dict(Nested, plain, "x")
