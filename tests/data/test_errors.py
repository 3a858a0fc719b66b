import pytest

from data.errors import InputError, first_line, raise_all


def test_no_problem_no_error() -> None:
    raise_all("nothing:", [])


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(InputError) as caught:
        raise_all("two of them:", ["first", "second"])
    assert str(caught.value) == "two of them:\n  - first\n  - second"
    assert isinstance(caught.value, ValueError)


def test_a_long_list_is_cut() -> None:
    with pytest.raises(InputError) as caught:
        raise_all("many:", [str(number) for number in range(7)], limit=5)
    lines = str(caught.value).splitlines()
    assert lines == ["many:", *(f"  - {number}" for number in range(5)), "  ... and 2 more"]
    with pytest.raises(InputError) as caught:
        raise_all("as many as fit:", ["x"] * 5, limit=5)
    assert "more" not in str(caught.value)


def test_of_what_a_library_says_the_first_line_is_told() -> None:
    assert first_line(ValueError("no column 'a'\n\nResolved plan until failure:\n\tDF [\"b\"]")) == "no column 'a'"
    assert first_line(OSError()) == "OSError"
