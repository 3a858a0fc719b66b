"""Names of fold schemes; needs no polars."""

import re

SCHEMES = "parts, official, random<k> (e.g. random3)"
_RANDOM = re.compile(r"random([0-9]{1,4})(?:@([1-9][0-9]{0,3}))?")


def partition_scheme(parts: int, number: int) -> str:
    """The scheme of random partition `number` (from 1) into `parts` parts; with equal seeds equal for all studies."""
    return f"random{parts}@{number}"


def random_scheme(scheme: str) -> tuple[int, int] | None:
    """Parts and number of the partition (0 for a plain random<k>) of a random scheme; None for the other schemes."""
    match = _RANDOM.fullmatch(scheme)
    return (int(match[1]), int(match[2] or 0)) if match else None


def partition_number(scheme: str) -> int:
    """The number of the partition that a scheme names; 0 for a scheme that a study is searched with."""
    return (random_scheme(scheme) or (0, 0))[1]
