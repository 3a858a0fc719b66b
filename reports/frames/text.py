"""Values as text; scores are fractions in frames and percent with one decimal on a page."""

import math
import re
from datetime import timedelta

NONE = "–"
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def known(value: object) -> bool:
    """Whether `value` is neither None nor a number that is not finite."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def percent(value: float | None) -> str:
    """0.6123 -> 61.2"""
    return f"{100 * value:.1f}" if value is not None and known(value) else NONE


def points(value: float | None) -> str:
    """A difference of two scores with its sign: 0.109 -> +10.9, and 0.0 without one."""
    if value is None or not known(value):
        return NONE
    # a real minus sign is as wide as the plus sign
    shown = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if shown[1:] == "0.0" else shown


def as_shown(value: float) -> float:
    """A fraction in percent as it is printed: words about numbers must agree with what the reader sees."""
    return round(100 * value, 1)


def span(low: float | None, high: float | None) -> str:
    """An interval of scores: 57.0 to 65.2"""
    return f"{percent(low)} to {percent(high)}" if known(low) and known(high) else NONE


def count(value: int | float | None) -> str:
    """146847 -> 146,847"""
    return f"{value:,.0f}" if value is not None and known(value) else NONE


def rounded(value: object) -> str:
    """As `plain`, floats with three digits: the label of an axis, the end of a range."""
    return plain(value, digits=3)


def plain(value: object, digits: int = 4) -> str:
    """Any value of a parameter or a setting, floats with four digits."""
    if not known(value):
        return NONE
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    text = f"{value:.{digits}g}"  # then 1e-05 -> 1e-5
    return re.sub(r"e([+-])0*(\d+)", lambda found: f"e{found[1].replace('+', '')}{found[2]}", text)


def duration(seconds: float | None) -> str:
    """3725 -> 1 h 2 min"""
    if seconds is None or not known(seconds):
        return NONE
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(timedelta(seconds=seconds) / timedelta(minutes=1)), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def clean(value: str) -> str:
    """Text that can be written as UTF-8: a path that is not Unicode contains surrogates."""
    return value.encode("utf-8", "replace").decode("utf-8")


def last_lines(error: str | None, lines: int = 4) -> str:
    """The end of a traceback, which has the reason, without terminal colours."""
    kept = [line.rstrip() for line in ANSI.sub("", error or "").splitlines() if line.strip()]
    return "\n".join(kept[-lines:]) or "no message"


def short_names(names: list[str]) -> dict[str, str]:
    """Parameter names without their group where they stay unique: method.temperature -> temperature."""
    tails = {name: name.split(".", 1)[-1] for name in names}
    taken = list(tails.values())
    return {name: tail if taken.count(tail) == 1 else name for name, tail in tails.items()}


def listing(words: list[str]) -> str:
    """a, b and c"""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(number: int, noun: str) -> str:
    """1 trial, 2 trials"""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
