"""Budgets of time and of GPU-hours."""

import pytest

from data.errors import InputError
from launch.plan.budget import Budget, in_words, parse_budget, seconds_of


@pytest.mark.parametrize(("text", "seconds"), [("8h", 28800), ("30m", 1800), ("90s", 90), ("1.5h", 5400), ("", 0)])
def test_budgets_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["8", "h", "-1h", "8 hours", "0m", "nanh", "infh"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InputError, match="time_budget="):
        seconds_of(text)


def test_a_budget_of_gpu_hours_needs_gpus() -> None:
    assert parse_budget("90s", 5.0, 0.5) == Budget(90.0, 5.0)
    with pytest.raises(InputError, match=r"trial\.gpus"):
        parse_budget("", 5.0, 0.0)
    with pytest.raises(InputError, match="gpu_hours=-1"):
        parse_budget("", -1.0, 1.0)


def test_seconds_in_words() -> None:
    assert [in_words(seconds) for seconds in (0.5, 90, 28800, 172800)] == ["0.5 s", "1.5 m", "8 h", "2 d"]
